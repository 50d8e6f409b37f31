#!/bin/bash
# crash-proof.sh [BUDGET]: real databases under `pagefold crash`, each with at most BUDGET (3000) states for a model, as a table. Every
# store tells each record after having made it durable; the check asks for soundness and for every record that was told.
# Programs: tools/crash-proof/; libraries: make real. A store whose library is missing is left out.
set -u
budget=${1:-3000}
root=$(cd "$(dirname "$0")/.." && pwd)
pagefold=${PAGEFOLD:-$root/build/release/pagefold}
work=$root/build/crash-proof
mkdir -p "$work/bin" && cd "$work" || exit 1
status=0

# build NAME COMPILER LIBRARY
build() {
  local source
  source=$(ls "$root/tools/crash-proof/$1".c*)
  "$2" -O1 -I "$root/tools/crash-proof" -o "bin/$1" "$source" "-l$3" 2>"bin/$1.log" || { echo "left out: $1 (lib$3-dev is missing, see $work/bin/$1.log)"; return 1; }
}

# prove EXPECTED TITLE MODEL FILES CHECK WRITER...: one row. EXPECTED: clean, broken or any.
prove() {
  local expected=$1 title=$2 model=$3 files=$4 check=$5
  shift 5
  rm -rf files && mkdir files && cd files || exit 1
  timeout -k 1 300 "$pagefold" crash --files "$files" --check "$check" --model "$model" --budget "$budget" --output ../out -- "$@" </dev/null >../said 2>&1
  local code=$?
  cd ..
  local states extent violations verdict
  states=$(sed -n 's/^\([0-9]*\) states checked.*/\1/p' said)
  extent=$(sed -n 's/.* states checked (\([^)]*\)).*/\1/p' said)
  violations=$(sed -n 's/.*; \([0-9]*\) violations$/\1/p' said)
  case $code/$expected in
    [03]/clean | 1/broken | [013]/any) verdict='' ;;
    *) verdict=UNEXPECTED status=1 ;;
  esac
  printf '%-34s %-13s %7s  %-26s %10s  %s\n' "$title" "$model" "${states:-?}" "${extent:-exit code $code}" "${violations:-?}" "$verdict"
  [ "$code" = 1 ] && sed -n '/^The check says/{n;p;}' said | sed 's/^/    /'
  [ -n "$states" ] || tail -3 said
}

printf '%-34s %-13s %7s  %-26s %10s\n' store model states extent violations
b=$work/bin
models='strict posix ext4-ordered'
if build lmdb cc lmdb; then
  for model in $models; do
    prove clean 'LMDB' $model x.mdb "$b/lmdb check {}" "$b/lmdb" write x.mdb 300
    prove clean 'LMDB, MDB_WRITEMAP' $model x.mdb "$b/lmdb check {}" "$b/lmdb" write x.mdb 300 writemap
  done
fi
if build sqlite cc sqlite3; then
  for model in $models; do
    # FULL does not synchronise the directory after deleting the journal, which is the commit.
    [ $model = strict ] && durable=clean || durable=broken
    prove clean 'SQLite, WAL, synchronous=full' $model 'x.db*' "$b/sqlite check {}" "$b/sqlite" write . 24 wal
    prove $durable 'SQLite, rollback, synchronous=full' $model 'x.db*' "$b/sqlite check {}" "$b/sqlite" write . 24 rollback
    prove clean '  the same, asked for soundness' $model 'x.db*' "$b/sqlite check {} sound" "$b/sqlite" write . 24 rollback
    prove clean 'SQLite, rollback, synchronous=extra' $model 'x.db*' "$b/sqlite check {}" "$b/sqlite" write . 24 extra
  done
fi
if build gdbm cc gdbm; then
  for model in $models; do prove any 'gdbm, gdbm_sync' $model x.gdbm "$b/gdbm check {}" "$b/gdbm" write x.gdbm 100; done
fi
if build tkrzw c++ tkrzw; then
  for model in $models; do prove any 'Tkrzw, Synchronize(true)' $model x.tkh "$b/tkrzw check {}" "$b/tkrzw" write x.tkh 200 sync; done
  prove broken 'Tkrzw, no synchronisation' posix x.tkh "$b/tkrzw check {}" "$b/tkrzw" write x.tkh 20 nosync
fi
remote=/lib/systemd/systemd-journal-remote
if [ -x $remote ]; then
  for i in $(seq 1 24); do
    printf '__REALTIME_TIMESTAMP=%d\n__MONOTONIC_TIMESTAMP=%d\n_BOOT_ID=0123456789abcdef0123456789abcdef\nMESSAGE=record %d %0200d\n\n' \
      $((1700000000000000 + i)) $((1000 + i)) "$i" "$i"
  done >journal-entries
  for model in $models; do
    prove any 'systemd-journal-remote' $model out.journal 'journalctl --verify --file={}' $remote -o out.journal "$work/journal-entries"
  done
else
  echo "left out: systemd-journal-remote (not installed)"
fi
exit $status
