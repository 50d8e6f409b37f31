#!/bin/sh
# Teaches ld-pagefold.so one more libc: reads the layouts of glibc's private structures from its debug files and writes a table.
#   tools/glibc-layout.sh                                   this machine's libc (package libc6-dbg, gdb)
#   tools/glibc-layout.sh LIBC LDSO [DEBUG_DIR]             another one, e.g. unpacked from libc6 and libc6-dbg of a release;
#                                                           DEBUG_DIR as gdb's debug-file-directory, default /usr/lib/debug
# Writes src/ld/abi/glibc/{layout_fields.h,tables/}; then `make build`. Fails, writing no table, when the debug file is missing.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
LIBC=${1:-/lib/x86_64-linux-gnu/libc.so.6}
LDSO=${2:-/lib64/ld-linux-x86-64.so.2}
debug=${3:-/usr/lib/debug}
FIELDS=$root/src/ld/abi/glibc/fields.txt
OUT=${OUT:-$root/src/ld/abi/glibc}
export LIBC LDSO FIELDS OUT
command -v gdb >/dev/null || { echo "gdb is missing: apt-get install gdb" >&2; exit 1; }
mkdir -p "$OUT/tables"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
gdb -nx -batch -iex "set debug-file-directory $debug" -iex 'set python print-stack full' \
  -ex "file $LDSO" -ex "source $root/tools/glibc-layout.py" >"$log" 2>&1 || true
if ! grep -q 'tables/.*\.inc$' "$log"; then
  cat "$log" >&2
  echo "no table written: is the debug file of $LDSO (package libc6-dbg of the same version) below $debug?" >&2
  exit 1
fi
cat "$log"
# Newest first: the search looks there first.
for table in "$OUT"/tables/*[0-9a-f].inc; do
  case $table in */index.inc) continue ;; esac
  printf '%s %s\n' "$(sed -n '1s/^.. glibc \([^ ]*\)\. .*/\1/p' "$table")" "${table##*/}"
done | sort -rV | sed 's,^[^ ]* \(.*\),#include "ld/abi/glibc/tables/\1",' >"$OUT/tables/index.inc"
