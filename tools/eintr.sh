#!/usr/bin/env bash
# eintr.sh [PAIRS]: mmap/munmap pairs (100,000) under a 5 kHz timer whose handler lacks SA_RESTART. Such calls are never interrupted
# natively; under Pagefold at most one in 10,000 may be. PAGEFOLD=path chooses another command.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
PAGEFOLD=${PAGEFOLD:-$here/../build/release/pagefold}
pairs=${1:-100000}
readonly one_in=10000
readonly seconds=110

[[ -x $PAGEFOLD ]] || { echo "eintr: no $PAGEFOLD: make build" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cc -O2 -Wall -Wextra -o "$work/eintr" "$here/eintr.c"

native=$(timeout -k 1 "$seconds" "$work/eintr" "$pairs")
echo "native    $native"
code=0
ours=$(timeout -k 1 "$seconds" "$PAGEFOLD" run -q -- "$work/eintr" "$pairs") || code=$?
((code == 0)) || { echo "eintr: under pagefold the program ended with $code" >&2; exit 1; }
echo "pagefold  $ours"

read -r _ calls _ interrupted _ signals <<<"$ours"
[[ $calls -ge $((2 * pairs)) && $signals -gt 0 ]] || { echo "eintr: the program did not do its work" >&2; exit 1; }
if ((interrupted * one_in > calls)); then
  echo "eintr: $interrupted of $calls calls interrupted, more than one in $one_in" >&2
  exit 1
fi
echo "eintr: $interrupted of $calls calls interrupted, at most one in $one_in: good"
