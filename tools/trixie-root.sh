#!/bin/sh
# trixie-root.sh: a Debian 13 (glibc 2.41) below build/real/trixie, on which the loader is tested with a second glibc. Part of
# `make real`. Needs root and a mirror; does nothing when the folder is there, and only says so where it cannot be made.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)/build/real/trixie
[ ! -e "$root/etc/debian_version" ] || exit 0
if [ "$(id -u)" -ne 0 ]; then
  echo "trixie-root.sh: skipped, needs root: tests with glibc 2.41 will be skipped"
  exit 0
fi
command -v debootstrap >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends debootstrap; }
rm -rf "$root.part"
mkdir -p "$root.part"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! debootstrap --variant=minbase --include=python3-minimal trixie "$root.part" "${MIRROR:-http://deb.debian.org}/debian" >"$log" 2>&1; then
  tail -5 "$log" >&2
  rm -rf "$root.part"
  echo "trixie-root.sh: skipped, debootstrap failed: tests with glibc 2.41 will be skipped" >&2
  exit 0
fi
mv "$root.part" "$root"
