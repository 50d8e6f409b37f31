#!/bin/sh
# Writes the table of every libc that Debian's mirror offers for the suites below: unpacks libc6 and libc6-dbg into build/glibc/VERSION
# (nothing is installed, this machine's own apt sources stay as they are) and runs tools/glibc-layout.sh on each.
#   tools/glibc-layout-all.sh [SUITE...]
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
work=$root/build/glibc
mirror=${MIRROR:-http://deb.debian.org}
[ $# -gt 0 ] || set -- bookworm bookworm-updates bookworm-proposed-updates bookworm-security \
                       trixie trixie-updates trixie-security
mkdir -p "$work/apt/lists/partial" "$work/apt/cache/archives/partial" "$work/apt/etc/preferences.d"
: >"$work/apt/etc/sources.list"
for suite; do
  case $suite in *-security) area=debian-security ;; *) area=debian ;; esac
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror/$area $suite main"
done >"$work/apt/etc/sources.list"
: >"$work/apt/status"
apt="-o Dir::Etc=$work/apt/etc -o Dir::Etc::sourceparts=/dev/null -o Dir::State=$work/apt -o Dir::State::status=$work/apt/status
     -o Dir::Cache=$work/apt/cache -o APT::Architecture=amd64 -o APT::Architectures=amd64 -o APT::Sandbox::User=root
     -o Acquire::Languages=none -o Dpkg::Use-Pty=0 -qq"
# shellcheck disable=SC2086  # the options are words
apt-get $apt update || echo "some suites could not be read; going on with the rest" >&2
# shellcheck disable=SC2086
versions=$(apt-cache $apt madison libc6-dbg | cut -d'|' -f2 | sort -Vu)
[ -n "$versions" ] || { echo "the mirror offers no libc6-dbg" >&2; exit 1; }
for version in $versions; do
  tree=$work/$version
  if [ ! -d "$tree" ]; then
    mkdir -p "$work/deb" && rm -f "$work"/deb/*
    # shellcheck disable=SC2086
    if ! (cd "$work/deb" && apt-get $apt download "libc6=$version" "libc6-dbg=$version"); then
      echo "$version: skipped, libc6 or libc6-dbg cannot be fetched" >&2
      continue
    fi
    for package in "$work"/deb/*.deb; do dpkg-deb -x "$package" "$tree.part"; done
    mv "$tree.part" "$tree"
  fi
  libc=$(find "$tree/lib" "$tree/usr/lib" -path '*x86_64-linux-gnu/libc.so.6' 2>/dev/null | head -1)
  "$root/tools/glibc-layout.sh" "$libc" "$(dirname "$libc")/ld-linux-x86-64.so.2" "$tree/usr/lib/debug"
done
