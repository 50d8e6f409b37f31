#!/bin/sh
# trixie-ld.sh [GTEST-OPTION...]: the loader's scenes inside the Debian 13 of tools/trixie-root.sh: built there by its gcc, run with its glibc
# 2.41, under its genuine loader and ours. Mounts are private to the run. Needs root and a built ld_tests; skipped without the folder.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
root=$here/build/real/trixie
tests=$here/build/release/tests/ld/ld_tests
[ -e "$root/etc/debian_version" ] || { echo "trixie-ld.sh: skipped, no $root: make real"; exit 0; }
[ -x "$tests" ] || { echo "trixie-ld.sh: no $tests: make build" >&2; exit 1; }
[ "${1:-}" = --inside ] || exec unshare --mount --propagation private "$0" --inside "$@"
shift

mkdir -p "$root$here"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount --bind "$here" "$root$here"
if [ ! -x "$root/usr/bin/g++" ]; then
  chroot "$root" sh -c 'apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends g++ libc6-dev' \
    >"$root/tmp/log" 2>&1 || { tail -5 "$root/tmp/log" >&2; exit 1; }
fi
exec chroot "$root" "$tests" "$@"
