#!/usr/bin/env bash
# fresh.sh: `make run` and `make test` as a stranger would type them, in a new Debian 12 (debootstrap, minbase, plus make) below
# build/fresh. What is tested is the last commit. The package sources are those of this machine. Everything is unmounted
# and removed at the end, also after an error: the mounts live in a mount namespace that ends with this script.
# FRESH_KEEP=yes keeps the folder.
set -euo pipefail

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly release=bookworm
readonly packages=make,ca-certificates
root=$repository/build/fresh

[[ $(id -u) -eq 0 ]] || { echo "fresh: needs root" >&2; exit 1; }
command -v debootstrap >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends debootstrap; }

# One line for every Debian source of this machine: URI, suite, components.
debian_sources() {
  local file
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
    [[ -f $file ]] && sed -n 's/^ *deb *\(\[[^]]*\]\)\? *//p' "$file"
  done
  for file in /etc/apt/sources.list.d/*.sources; do
    [[ -f $file ]] || continue
    awk 'function flush(  i, j, u, s) {
           if (types ~ /(^| )deb( |$)/) for (i = split(uris, u, " "); i > 0; --i)
             for (j = split(suites, s, " "); j > 0; --j) print u[i], s[j], components
           types = uris = suites = components = ""
         }
         /^#/ { next }
         /^$/ { flush() }
         { key = tolower($1); value = $0; sub(/^[^:]*: */, "", value) }
         key == "types:" { types = value } key == "uris:" { uris = value }
         key == "suites:" { suites = value } key == "components:" { components = value }
         END { flush() }' "$file"
  done
}
wanted_sources() { debian_sources | awk -v r="$release" '$2 == r || index($2, r "-") == 1' | sort -u; }

# Processes that a package or a test left in the chroot keep its files busy: end them, by id.
end_processes() {
  local folder
  for folder in /proc/[0-9]*; do
    if [[ $(readlink "$folder/root" 2>/dev/null) == "$root" ]]; then kill -9 "${folder#/proc/}" 2>/dev/null || true; fi
  done
}
clean_up() {
  end_processes
  [[ ${FRESH_KEEP:-} == yes ]] || rm -rf --one-file-system "$root"
}

inside() {
  local sources mirror
  sources=$(wanted_sources)
  mirror=$(awk -v r="$release" '$2 == r { print $1; exit }' <<<"$sources")
  [[ -n $mirror ]] || { echo "fresh: no source of Debian $release in /etc/apt" >&2; exit 1; }

  echo "fresh: debootstrap --variant=minbase $release"
  debootstrap --variant=minbase --include="$packages" "$release" "$root" "$mirror" >"$root.log" 2>&1 ||
    { tail -n 20 "$root.log" >&2; exit 1; }
  awk '{ print "deb", $0 }' <<<"$sources" >"$root/etc/apt/sources.list"
  apt-config dump | grep -E '^Acquire::([a-z]+::Proxy|Check-|Retries)' >"$root/etc/apt/apt.conf.d/99host" || true
  cp -L /etc/resolv.conf /etc/hosts "$root/etc/" || true

  # Its root is to be a mount point, as on a real machine: unshare(1) and pivot_root(2) inside expect that.
  mount --bind "$root" "$root"
  mount -t proc proc "$root/proc"
  mount --rbind /sys "$root/sys"
  mount --rbind /dev "$root/dev"
  mount -t tmpfs tmpfs "$root/run"

  git clone -q --no-hardlinks "$repository" "$root/root/pagefold"
  echo "fresh: make run"
  in_chroot make run
  echo "fresh: make test"
  in_chroot make test
}
in_chroot() {
  local began=$SECONDS
  chroot "$root" /usr/bin/env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin TERM="${TERM:-dumb}" LANG=C.UTF-8 \
    ${http_proxy:+"http_proxy=$http_proxy"} ${https_proxy:+"https_proxy=$https_proxy"} sh -c 'cd /root/pagefold && exec "$@"' sh "$@" </dev/null
  echo "fresh: $* took $((SECONDS - began)) s"
}

if [[ ${1:-} == --inside ]]; then
  inside
  exit
fi
clean_up
mkdir -p "$root"
trap clean_up EXIT
trap 'exit 130' INT TERM
unshare --mount --propagation private -- "${BASH_SOURCE[0]}" --inside
echo "fresh: both commands passed"
