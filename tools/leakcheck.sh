#!/usr/bin/env bash
# leakcheck.sh [RUNS]: that many short runs of `pagefold run -q -- ...`, every 20th ended by kill -9 of the supervisor, must leave
# nothing behind: no process, cgroup, abstract socket, temporary file, open file or host memory.
#
# It runs in pid, mount, network and ipc namespaces of its own, where everything that is left is ours, whatever else the machine
# does. Only the host's counters (shared memory, open files) are the whole machine's: the lowest of several readings counts.
# PAGEFOLD=path chooses another command. Needs root.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly text=$here/../LICENSE
PAGEFOLD=$(realpath "${PAGEFOLD:-$here/../build/release/pagefold}")
runs=${1:-1000}

readonly shmem_tolerance_kib=8192
readonly files_tolerance=256
readonly readings=10
readonly kill_every=20
readonly run_timeout=20

if [[ ${LEAKCHECK_INSIDE:-} != yes ]]; then
  [[ -x $PAGEFOLD ]] || { echo "leakcheck: no $PAGEFOLD: make build" >&2; exit 1; }
  export PAGEFOLD LEAKCHECK_INSIDE=yes
  exec unshare --mount --pid --net --ipc --fork --kill-child --mount-proc -- "${BASH_SOURCE[0]}" "$runs"
fi

failures=0
complain() {
  echo "leakcheck: $*" >&2
  failures=$((failures + 1))
}

# The lowest of some readings of a counter of the whole machine.
lowest() {
  local least='' value
  for _ in $(seq "$readings"); do
    value=$("$@")
    if [[ -z $least || $value -lt $least ]]; then least=$value; fi
    sleep 0.2
  done
  echo "$least"
}
shmem_kib() { awk '$1 == "Shmem:" { print $2 }' /proc/meminfo; }
open_files() { awk '{ print $1 }' /proc/sys/fs/file-nr; }

# Temporary folders: empty ones of our own, so that everything in them afterwards was left behind. One that holds the command
# or this repository cannot be covered; there the name has to tell.
covered=()
for folder in /tmp /var/tmp /dev/shm; do
  case $PAGEFOLD:$here in
    "$folder"/* | *:"$folder"/*) ;;
    *) mount -t tmpfs tmpfs "$folder" && covered+=("$folder") ;;
  esac
done
list_files() {
  ((${#covered[@]} == 0)) || find "${covered[@]}" -xdev -mindepth 1
  find /tmp /var/tmp /dev/shm /run -xdev -name '*pagefold*' ! -path "$PAGEFOLD*" ! -path "$here/*" 2>/dev/null || true
}
list_cgroups() {
  awk '/ - cgroup2 / { print $5 }' /proc/self/mountinfo | while read -r mount; do
    find "$mount" -mindepth 1 -type d -name '*pagefold*' -exec stat -c '%n %i' {} + 2>/dev/null || true
  done
}
appeared() { comm -13 <(sort -u <<<"$1") <(sort -u); }

# Each fills `left` with what is there and should not be.
processes_left() {
  local folder pid name state
  left=
  for folder in /proc/[0-9]*; do
    [[ $folder == /proc/1 ]] && continue
    { read -r pid name state _ <"$folder/stat"; } 2>/dev/null && left+="$pid $name $state"$'\n'
  done
  return 0
}
sockets_left() { left=$(awk '$8 ~ /^@pagefold\// { print $8 }' /proc/net/unix); }
files_left() { left=$(list_files | appeared "$files_before"); }
cgroups_left() {
  local name inode
  # Other runs on this machine have cgroups too: one that nobody lives in is left behind.
  left=$(list_cgroups | appeared "$cgroups_before" | while read -r name inode; do
    if grep -qx 'populated 0' "$name/cgroup.events" 2>/dev/null; then echo "$name ($inode)"; fi
  done)
}

# Gives what is ending five seconds to end.
nothing_left() {
  local _
  for _ in $(seq 50); do
    "$2"
    [[ -z $left ]] && return
    sleep 0.1
  done
  complain "$1 left:"$'\n'"$left"
}

# shellcheck disable=SC2016 # the guests' shells expand it
one_run() {
  local number=$1
  local -a command
  case $((number % 5)) in
    0) command=(/bin/true) ;;
    1) command=(cat "$text") ;;
    2) command=(/bin/sh -c 'ls / | sort | head -n 3') ;;
    3) command=(/bin/sh -c '(sleep 0.01; true) & exit 0') ;;
    4) command=(/bin/sh -c 'true & x=$(echo a); test "$x" = a; wait') ;;
  esac
  if ((number % kill_every == 0)); then
    "$PAGEFOLD" run -q -- /bin/sh -c '(setsid sleep 60 &) ; sleep 60' >/dev/null 2>&1 </dev/null &
    local supervisor=$!
    sleep 0.1
    kill -9 "$supervisor"
    wait "$supervisor" 2>/dev/null || true
    return 0
  fi
  local code=0
  timeout -k 1 "$run_timeout" "$PAGEFOLD" run -q -- "${command[@]}" >/dev/null </dev/null || code=$?
  ((code == 0)) || complain "run $number (${command[*]}) ended with $code"
}

# One run first, so that what the first use of anything costs is not counted.
cgroups_before=$(list_cgroups)
one_run 1
files_before=$(list_files)
shmem_before=$(lowest shmem_kib)
open_before=$(lowest open_files)

SECONDS=0
for number in $(seq "$runs"); do
  one_run "$number"
  ((failures < 10)) || { echo "leakcheck: giving up" >&2; break; }
done
echo "leakcheck: $runs runs in $SECONDS s"

nothing_left processes processes_left
nothing_left sockets sockets_left
nothing_left cgroups cgroups_left
nothing_left files files_left

shmem_after=$(lowest shmem_kib)
open_after=$(lowest open_files)
echo "leakcheck: shared memory $shmem_before -> $shmem_after KiB, open files of the machine $open_before -> $open_after"
((shmem_after - shmem_before <= shmem_tolerance_kib)) || complain "host memory left: $((shmem_after - shmem_before)) KiB"
((open_after - open_before <= files_tolerance)) || complain "open files left: $((open_after - open_before))"

((failures == 0)) || exit 1
echo "leakcheck: nothing left behind"
