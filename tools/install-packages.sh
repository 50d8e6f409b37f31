#!/bin/sh
# install-packages.sh GROUP...: installs the packages of these groups (tools/packages.txt) that are missing. Silent, and needs
# neither root nor network, when there is nothing to do.
set -eu
list=$(dirname "$0")/packages.txt

missing=
for group in "$@"; do
  names=$(awk -v group="$group" '$1 == group { print $2 }' "$list")
  [ -n "$names" ] || { echo "install-packages.sh: no group '$group' in $list" >&2; exit 2; }
  for name in $names; do
    status=$(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null || true)
    [ "$status" = installed ] || missing="$missing $name"
  done
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
  echo "These packages are missing; install them as root, then try again:" >&2
  echo "  apt-get install -y --no-install-recommends$missing" >&2
  exit 1
fi

echo "installing:$missing"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# Several installations may want dpkg at once: wait for each other.
# shellcheck disable=SC2086 # the list is meant to be split
if ! { apt-get update -qq && apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=300 $missing; } \
    >"$log" 2>&1; then
  cat "$log" >&2
  exit 1
fi
