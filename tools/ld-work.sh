#!/usr/bin/env bash
# ld-work.sh: real work under our loader and the genuine one, natively: the same output and exit code. Each job is a program with
# arguments; it is started as `LOADER program ...`, its children with the machine's own loader. What is not installed is skipped,
# printed and counted (`make real` installs more). LOADER=path chooses the loader.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
loader=$(realpath "${LOADER:-$here/../build/release/ld-pagefold.so}")
readonly genuine=/lib64/ld-linux-x86-64.so.2
readonly seconds=60
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
same=0 skipped=0
different=()

# job NAME PROGRAM ARGUMENT...: runs it in a folder of its own under both.
job() {
  local name=$1 program=$2 way code ours
  shift 2
  if [[ ! -x $program ]]; then
    echo "ld-work: skipped: $name: no $program"
    skipped=$((skipped + 1))
    return
  fi
  for way in genuine tested; do
    mkdir -p "$folder/work"
    code=0
    ours=$([[ $way == genuine ]] && echo "$genuine" || echo "$loader")
    (cd "$folder/work" && cp -r "$folder/input/." . && HOME=$folder/work LC_ALL=C.UTF-8 LD_SO=$ours timeout -k 1 "$seconds" \
      "$ours" "$program" "$@" </dev/null) >"$folder/$way" 2>&1 || code=$?
    sed -i -e "s#$ours#LOADER#g" -e 's/0x[0-9a-f]*/ADDRESS/g' -e 's/process [0-9]*/process N/g' -e 's/LWP [0-9]*/LWP N/g; s/expected=[0-9]*/expected=N/g' "$folder/$way"
    echo "exit code $code" >>"$folder/$way"
    rm -rf "$folder/work"
  done
  if cmp -s "$folder/genuine" "$folder/tested"; then
    same=$((same + 1))
  else
    different+=("$name")
    echo "ld-work: differs: $name"
    diff "$folder/genuine" "$folder/tested" | head -n 10
  fi
}

# python NAME MODULES CODE: skipped when a module is missing.
python() {
  local module
  for module in $2; do
    /usr/bin/python3 -c "import $module" 2>/dev/null && continue
    echo "ld-work: skipped: $1: no module $module"
    skipped=$((skipped + 1))
    return
  done
  job "$1" /usr/bin/python3 -c "$3"
}

mkdir "$folder/input"
cat >"$folder/input/prog.c" <<'C'
#include <stdio.h>
int main(void) { puts("compiled"); return 0; }
C
cat >"$folder/input/script.gdb" <<'G'
set confirm off
set debuginfod enabled off
set width 0
break puts
run
info symbol $pc
info threads
continue
G

cat >"$folder/input/threads.c" <<'C'
#include <pthread.h>
__thread int mine = 3;
void meet(void) {}
static void* work(void* x) { mine++; meet(); return x; }
int main(void) { pthread_t t; pthread_create(&t, 0, work, 0); pthread_join(t, 0); return 0; }
C

python "python ssl" ssl 'import ssl; c = ssl.create_default_context(); print(ssl.OPENSSL_VERSION, len(c.get_ciphers()) > 5)'
python "python ctypes" ctypes 'import ctypes; l = ctypes.CDLL("libm.so.6"); l.cos.restype = ctypes.c_double; print(l.cos(ctypes.c_double(0)), ctypes.CDLL(None).abs(-4))'
python "python sqlite3" sqlite3 'import sqlite3; d = sqlite3.connect(":memory:"); d.execute("create table t (a)"); d.executemany("insert into t values (?)", [(i,) for i in range(1000)]); print(d.execute("select sum(a) from t").fetchone())'
python "python multiprocessing" multiprocessing 'import multiprocessing as m; m.set_start_method("fork"); print(m.Pool(3).map(abs, range(-50, 0)))'
python "python threads" threading 'import threading, zlib, hashlib; r = []; t = [threading.Thread(target=lambda i=i: r.append(hashlib.sha256(zlib.compress(bytes([i]) * 9999)).hexdigest())) for i in range(8)]; [x.start() for x in t]; [x.join() for x in t]; print(sorted(r))'
python "python numpy" numpy 'import numpy; a = numpy.arange(10000.0).reshape(100, 100); print((a @ a).sum(), numpy.linalg.det(numpy.eye(5)))'
job "perl XS" /usr/bin/perl -MPOSIX -MList::Util=sum -MDigest::MD5=md5_hex -MSocket -e 'print floor(3.7), sum(1 .. 10), md5_hex("x"), inet_ntoa(inet_aton("127.0.0.1")), "\n"'
job "gcc" /usr/bin/gcc -O2 -flto prog.c -o prog
job "clang" /usr/bin/clang -O2 -S prog.c -o -
job "git" /usr/bin/git -c init.defaultBranch=main init -q repo
job "git log" /usr/bin/git -C "$here/.." log --oneline -n 20
job "getent" /usr/bin/getent passwd root
job "getent hosts" /usr/bin/getent hosts localhost
job "iconv" /usr/bin/iconv -f UTF-8 -t UTF-16LE prog.c
job "iconv of a module" /usr/bin/iconv -f UTF-8 -t EUC-JP prog.c
job "gdb on a breakpoint in a library" /usr/bin/gdb -q -batch -x script.gdb --args /usr/bin/printenv LC_ALL
# Here the program that is debugged has the loader as its PT_INTERP.
job "gdb on a program of the loader" /usr/bin/bash -c 'gcc -g -Wl,--dynamic-linker="$LD_SO" prog.c -o prog && gdb -q -batch -x script.gdb -ex "info sharedlibrary" ./prog'
job "gdb and threads" /usr/bin/bash -c 'gcc -g -pthread -Wl,--dynamic-linker="$LD_SO" threads.c -o prog && gdb -q -batch -ex "break meet" -ex run -ex thread -ex "up" -ex "print mine" -ex "info sharedlibrary" ./prog'
job "sqlite3" /usr/bin/sqlite3 :memory: 'select sum(value) from generate_series(1, 100);'
job "openssl" /usr/bin/openssl dgst -sha256 prog.c
job "ffmpeg" /usr/bin/ffmpeg -v error -f lavfi -i testsrc=duration=1:size=64x64:rate=5 -f framemd5 -
job "LibreOffice" /usr/lib/libreoffice/program/soffice.bin --headless --version
job "GTK" /usr/bin/gtk-query-immodules-3.0
job "node" /usr/bin/node -e 'console.log([1, 2, 3].map(x => x * 2), require("zlib").gzipSync("x").length)'

echo "ld-work: $same the same, ${#different[@]} differ, $skipped skipped"
((same > 0 && ${#different[@]} == 0))
