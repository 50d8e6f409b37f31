#!/usr/bin/env bash
# sweep.sh [NAME...]: `--version` of every ELF program in /usr/bin (or of these), twice natively and once in another way: the same
# output and exit code. Programs whose native runs differ, or that run into the time limit natively, are set aside; where only the
# order of lines varies, sweep-judge.sh tells what may pass, and the output says which programs it was.
# The other way is SWEEP_WAY: `pagefold` (run under it; PAGEFOLD=path chooses the command) or `loader` (natively, with our
# dynamic loader in the genuine one's place; LOADER=path chooses it; no genuine one is in reach then, so nothing is handed over -
# except to programs with privileges, which are always the genuine loader's).
#
# Every run is isolated: mount, pid, net, ipc and uts namespaces of its own, over a throw-away overlay of the root file system,
# without a terminal, with a small fixed environment. Programs that might reach beyond that are not run at all (denied).
# Fails when more than 1 % differ, or one differs without a reason in the way's list.
# Results of what differs: build/sweep-WAY/. JOBS=n: how many run at once. Needs root.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
release=$here/../build/release
export SWEEP_WAY=${SWEEP_WAY:-pagefold}
case $SWEEP_WAY in
  pagefold) tested=${PAGEFOLD:-$release/pagefold} reasons=$here/sweep-reasons.txt ;;
  loader) tested=${LOADER:-$release/ld-pagefold.so} reasons=$here/sweep-ld-reasons.txt ;;
  *) echo "sweep: no way '$SWEEP_WAY'" >&2; exit 1 ;;
esac
tested=$(realpath "$tested")
genuine_loader=$(realpath /lib64/ld-linux-x86-64.so.2)
results=$(dirname "$here")/build/sweep-$SWEEP_WAY

readonly most_differing_per_cent=1
readonly seconds=10
readonly most_native_runs=20  # to see the order of lines vary
readonly denied='killall* pkill skill snice reboot halt poweroff shutdown telinit init runlevel mkfs* mke2fs fsck* wipefs
  blkdiscard fdisk sfdisk cfdisk parted dd shred su login sudo sulogin agetty newgrp sg passwd chpasswd vipw swapon swapoff mount umount
  fusermount* losetup kexec insmod rmmod modprobe hwclock systemctl loginctl machinectl systemd-* busctl hostnamectl timedatectl
  localectl unshare nsenter chroot pivot_root switch_root setarch pagefold docker* containerd* runc ctr podman Xorg X Xvfb
  xinit startx dbus-* ssh-agent gpg-agent screen tmux watch top htop yes'

is_denied() {
  local pattern
  set -f
  for pattern in $denied; do
    # shellcheck disable=SC2053 # a pattern is wanted
    [[ $1 == $pattern ]] && { set +f; return 0; }
  done
  set +f
  return 1
}

is_elf() { [[ $(head -c 4 "$1" | od -An -tx1 | tr -d ' \n') == 7f454c46 ]]; }

# Set-id bits or file capabilities: its start is AT_SECURE.
is_privileged() { [[ -u $1 || -g $1 ]] || [[ -n $(getcap "$1" 2>/dev/null) ]]; }

# --- inside the namespaces: run one program on a root file system of its own -------------------------------------------------
# isolated PROGRAM native|pagefold|loader, standard output and error going to where the caller sent them; says on descriptor 9 that the
# root file system stands, so that a failure to build it is not taken for what the program did.
isolated() {
  local program=$1 way=$2 root=/mnt
  mount -t tmpfs tmpfs "$root"
  mkdir "$root/upper" "$root/work" "$root/root"
  mount -t overlay overlay -o "lowerdir=/,upperdir=$root/upper,workdir=$root/work" "$root/root"
  root=$root/root
  mount -t proc proc "$root/proc"
  mount --bind "$root/proc/sys" "$root/proc/sys"
  mount -o remount,bind,ro "$root/proc/sys"
  [[ ! -e $root/proc/sysrq-trigger ]] || mount --bind /dev/null "$root/proc/sysrq-trigger"
  mount -t sysfs -o ro sysfs "$root/sys"
  local cgroup
  cgroup=$(awk '/ - cgroup2 / { print $5; exit }' /proc/self/mountinfo)
  if [[ -n $cgroup ]]; then
    [[ -d $root$cgroup ]] || mount -t tmpfs tmpfs "$root/sys/fs/cgroup"
    mkdir -p "$root$cgroup"
    mount --bind "$cgroup" "$root$cgroup"
  fi
  mount -t tmpfs tmpfs "$root/dev"
  mkdir "$root/dev/shm" "$root/dev/pts"
  mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
  ln -s pts/ptmx "$root/dev/ptmx"
  ln -s /proc/self/fd "$root/dev/fd"
  local node
  for node in null zero full random urandom tty userfaultfd; do
    [[ -e /dev/$node ]] || continue
    touch "$root/dev/$node"
    mount --bind "/dev/$node" "$root/dev/$node"
  done
  case $way in
    pagefold) touch "$root/dev/pagefold"; mount --bind "$tested" "$root/dev/pagefold" ;;
    loader)
      if is_privileged "$program"; then
        rm "$root/usr/lib64/$(basename "$genuine_loader")"
        touch "$root/usr/lib64/$(basename "$genuine_loader")"
        mount --bind "$tested" "$root/usr/lib64/$(basename "$genuine_loader")"
      else
        mount --bind "$tested" "$root$genuine_loader"
      fi
      ;;
  esac
  for node in tmp run var/tmp; do mount -t tmpfs -o mode=1777 tmpfs "$root/$node"; done

  local -a command=("$program" --version)
  [[ $way != pagefold ]] || command=(/dev/pagefold run -q -- "${command[@]}")
  echo ready >&9
  exec 9>&-
  local code=0
  env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 LC_ALL=C.UTF-8 TERM=dumb USER=root LOGNAME=root TZ=UTC \
    setsid -w timeout -k 1 "$seconds" chroot "$root" "${command[@]}" </dev/null || code=$?
  return "$code"
}

# --- one program: three runs or, where the order of lines varies, more; one line of verdict ----------------------------------------------------------------------------
# one_run PROGRAM WAY FOLDER: leaves stdout, stderr and code in the folder.
one_run() {
  local code=0
  mkdir -p "$3"
  timeout -k 1 $((seconds + 10)) unshare --mount --pid --net --ipc --uts --fork --kill-child --mount-proc \
    -- "$here/sweep.sh" --isolated "$1" "$2" >"$3/stdout" 2>"$3/stderr" 9>"$3/isolated" </dev/null || code=$?
  echo "$code" >"$3/code"
}

verdict() {
  local program=$1 name folder
  name=$(basename "$program")
  folder=$results/$name
  one_run "$program" native "$folder/native1"
  one_run "$program" native "$folder/native2"
  if [[ ! -s $folder/native1/isolated ]]; then
    echo "broken $name $(tail -n 1 "$folder/native1/stderr")"
  elif [[ $("$here/sweep-judge.sh" "$folder" none) != same ]]; then
    echo "varies $name"
  elif [[ $(<"$folder/native1/code") == 124 || $(<"$folder/native1/code") == 137 ]]; then
    echo "endless $name"
  else
    one_run "$program" "$SWEEP_WAY" "$folder/$SWEEP_WAY"
    local judged runs=2
    judged=$("$here/sweep-judge.sh" "$folder" "$SWEEP_WAY")
    while [[ $judged == differs* ]] && ((runs < most_native_runs)); do
      one_run "$program" native "$folder/native$((++runs))"
      judged=$("$here/sweep-judge.sh" "$folder" "$SWEEP_WAY")
    done
    echo "${judged%% *} $name ${judged#* }"
    [[ $judged != differs* ]] || return 0
  fi
  rm -rf "$folder"
}

case ${1:-} in
  --isolated) isolated "$2" "$3"; exit ;;
  --verdict) verdict "$2"; exit ;;
esac

# --- the whole sweep ---------------------------------------------------------------------------------------------------------
[[ -x $tested ]] || { echo "sweep: no $tested: make build" >&2; exit 1; }
[[ $(id -u) -eq 0 ]] || { echo "sweep: needs root, for the namespaces" >&2; exit 1; }
rm -rf "$results"
mkdir -p "$results"

candidates=()
if (($# > 0)); then
  candidates=("${@/#//usr/bin/}")
else
  while IFS= read -r file; do candidates+=("$file"); done < <(find /usr/bin -maxdepth 1 -type f -perm /111 | sort)
fi
programs=()
not_run=0
privileged=0
for file in "${candidates[@]}"; do
  is_elf "$file" || continue
  if is_denied "$(basename "$file")"; then not_run=$((not_run + 1)); continue; fi
  programs+=("$file")
  if is_privileged "$file"; then privileged=$((privileged + 1)); fi
done

SECONDS=0
printf '%s\0' "${programs[@]}" | xargs -0 -n 1 -P "${JOBS:-$(nproc)}" "$here/sweep.sh" --verdict >"$results/verdicts"

count() { grep -c "^$1 " "$results/verdicts" || true; }
same=$(count same)
differing=$(count differs)
judged=$((same + differing))
reason_of() { awk -v name="$1" '$1 == name { $1 = ""; print substr($0, 2); exit }' "$reasons"; }

unexplained=0
while read -r _ name _; do
  reason=$(reason_of "$name")
  if [[ -z $reason ]]; then
    unexplained=$((unexplained + 1))
    reason="no reason known"
  fi
  echo "differs: $name: $reason"
  diff -r "$results/$name/native1" "$results/$name/$SWEEP_WAY" 2>/dev/null | head -n 8 | sed 's/^/    /' || true
done < <(grep '^differs ' "$results/verdicts" | sort)

sed -n -E 's/^same ([^ ]+) (as one|lines) /judged: \1: same \2 /p' "$results/verdicts"
echo "sweep: ${#programs[@]} programs in $SECONDS s: $same same, $differing differ, $(count varies) vary natively," \
  "$(count endless) do not end, $not_run denied"
[[ $SWEEP_WAY != loader ]] || echo "sweep: $privileged of them have privileges and were left to the genuine loader"
if grep -m 1 '^broken ' "$results/verdicts"; then
  echo "sweep: the namespaces could not be made" >&2
  exit 1
fi
((judged > 0)) || { echo "sweep: nothing was compared" >&2; exit 1; }
per_cent=$(awk -v d="$differing" -v j="$judged" 'BEGIN { printf "%.2f", 100 * d / j }')
echo "sweep: $per_cent % differ, at most $most_differing_per_cent % may; $unexplained without a reason in $(basename "$reasons")"
((differing * 100 <= judged * most_differing_per_cent && unexplained == 0))
