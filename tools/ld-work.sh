#!/usr/bin/env bash
# ld-work.sh: real work under our loader and the genuine one, natively: the same output and exit code. Each job is a program with
# arguments. It is done as `LOADER program ...` with each loader, children having the machine's own; and once more in a mount
# namespace where our loader lies in the place of the genuine one, so that it loads every program of the job. What is not
# installed is skipped, printed and counted (`make real` installs more). LOADER=path chooses the loader; VERBOSE=1 shows what the jobs said.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
loader=$(realpath "${LOADER:-$here/../build/release/ld-pagefold.so}")
readonly genuine=/lib64/ld-linux-x86-64.so.2
readonly seconds=60
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
same=0 skipped=0
different=()
ways="genuine tested"

# Runs a command with the tested loader in the place of the genuine one.
everywhere() {
  unshare -m sh -c 'mount --bind "$0" "$1" && shift && exec "$@"' "$loader" "$(realpath $genuine)" "$@"
}
if everywhere true 2>/dev/null; then
  ways+=" everywhere"
else
  echo "ld-work: skipped: our loader in the place of the genuine one (needs root)"
fi

# needs NAME FILE...: false, and a skipped job, if one of the files is missing.
needs() {
  local name=$1 file
  shift
  for file; do
    [[ -e $file ]] && continue
    echo "ld-work: skipped: $name: no $file"
    skipped=$((skipped + 1))
    return 1
  done
}

# job NAME PROGRAM ARGUMENT...: runs it in a folder of its own under both.
job() {
  local name=$1 program=$2 way code ours start
  shift 2
  needs "$name" "$program" || return
  for way in $ways; do
    mkdir -p "$folder/work"
    code=0
    ours=$([[ $way == tested ]] && echo "$loader" || echo "$genuine")
    start=("$ours" "$program")
    [[ $way == everywhere ]] && start=(everywhere "$program")
    (export -f everywhere; export loader genuine; cd "$folder/work" && cp -r "$folder/input/." . &&
      HOME=$folder/work LC_ALL=C.UTF-8 LD_SO=$ours timeout -k 1 "$seconds" bash -c '"$@"' job "${start[@]}" "$@" \
        </dev/null) >"$folder/$way" 2>&1 || code=$?
    sed -i -e "s#$ours#LOADER#g" -e 's/  */ /g' -e 's/([a-z]*:[0-9]*)/(NAME:N)/' -e 's/0x[0-9a-f]*/ADDRESS/g' -e 's/process [0-9]*/process N/g' -e 's/LWP [0-9]*/LWP N/g; s/expected=[0-9]*/expected=N/g' "$folder/$way"
    echo "exit code $code" >>"$folder/$way"
    rm -rf "$folder/work"
  done
  [[ -z ${VERBOSE-} ]] || sed "s/^/$name: /" "$folder/genuine"
  for way in ${ways#genuine }; do
    cmp -s "$folder/genuine" "$folder/$way" && continue
    different+=("$name")
    echo "ld-work: differs: $name ($way)"
    diff "$folder/genuine" "$folder/$way" | head -n 10
    return
  done
  same=$((same + 1))
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
set breakpoint pending on
break exit
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

cat >"$folder/input/plugin.c" <<'C'
#include <stdio.h>
int plugin_is_GPL_compatible;
int plugin_init(void* information, void* version) { return puts("initialised"), information == version; }
__attribute__((constructor)) static void loaded(void) { puts("loaded"); }
C
echo '<html><body><h1>Title</h1><p>Some words.</p></body></html>' >"$folder/input/page.html"
printf 'a,b\n1,2\n3,=A2+B2\n' >"$folder/input/sheet.csv"
# The first start makes the profile and asks for another.
cat >"$folder/input/convert.sh" <<'B'
for round in 1 2; do
  "$LD_SO" /usr/lib/libreoffice/program/soffice.bin --headless --norestore -env:UserInstallation="file://$HOME/profile" --convert-to "$1" --outdir out "$2"
  echo "exit code $?"
done
cat "out/${2%.*}.$3"
B
# A dialogue of GTK, on a screen of its own, that goes away by itself after a second.
cat >"$folder/input/dialogue.sh" <<'B'
mkfifo display
"$LD_SO" /usr/bin/Xvfb -displayfd 3 -screen 0 640x480x24 3<>display 2>/dev/null &
read -r number <display
DISPLAY=:$number "$LD_SO" /usr/bin/zenity --info --text=hello --timeout=1
echo "exit code $?"
kill $!
B

# A window of Qt, drawn and read back; it closes itself.
cat >"$folder/input/window.py" <<'P'
from PyQt5.QtCore import QTimer
from PyQt5.QtWidgets import QApplication, QLabel
application = QApplication(["window"])
label = QLabel("hello")
label.resize(200, 100)
label.show()
def look():
    image = label.grab().toImage()
    colours = {image.pixel(x, y) for x in range(200) for y in range(100)}
    print(application.platformName(), label.isVisible(), image.width(), image.height(), len(colours) > 1)
    application.quit()
QTimer.singleShot(300, look)
print(application.exec_())
P
cat >"$folder/input/window.sh" <<'B'
mkfifo display
"$LD_SO" /usr/bin/Xvfb -displayfd 3 -screen 0 640x480x24 3<>display 2>/dev/null &
read -r number <display
XDG_RUNTIME_DIR=$HOME QT_QPA_PLATFORM=xcb DISPLAY=:$number "$LD_SO" /usr/bin/python3 window.py
echo "exit code $?"
kill $!
B

python "python ssl" ssl 'import ssl; c = ssl.create_default_context(); print(ssl.OPENSSL_VERSION, len(c.get_ciphers()) > 5)'
python "python ctypes" ctypes 'import ctypes; l = ctypes.CDLL("libm.so.6"); l.cos.restype = ctypes.c_double; print(l.cos(ctypes.c_double(0)), ctypes.CDLL(None).abs(-4))'
python "python sqlite3" sqlite3 'import sqlite3; d = sqlite3.connect(":memory:"); d.execute("create table t (a)"); d.executemany("insert into t values (?)", [(i,) for i in range(1000)]); print(d.execute("select sum(a) from t").fetchone())'
python "python multiprocessing" multiprocessing 'import multiprocessing as m; m.set_start_method("fork"); print(m.Pool(3).map(abs, range(-50, 0)))'
python "python threads" threading 'import threading, zlib, hashlib; r = []; t = [threading.Thread(target=lambda i=i: r.append(hashlib.sha256(zlib.compress(bytes([i]) * 9999)).hexdigest())) for i in range(8)]; [x.start() for x in t]; [x.join() for x in t]; print(sorted(r))'
python "python numpy" numpy 'import numpy; a = numpy.arange(10000.0).reshape(100, 100); print((a @ a).sum(), numpy.linalg.det(numpy.eye(5)))'
job "perl XS" /usr/bin/perl -MPOSIX -MList::Util=sum -MDigest::MD5=md5_hex -MSocket -e 'print floor(3.7), sum(1 .. 10), md5_hex("x"), inet_ntoa(inet_aton("127.0.0.1")), "\n"'
job "gcc" /usr/bin/gcc -O2 -flto prog.c -o prog
job "clang" /usr/bin/clang -O2 -S prog.c -o -
job "gcc with a plugin" /usr/bin/bash -c 'gcc -shared -fPIC plugin.c -o plugin.so && gcc -E prog.c -o prog.i && "$LD_SO" "$(gcc -print-prog-name=cc1)" -quiet -O2 -fplugin=./plugin.so prog.i -o -'
needs "clang with a plugin" /usr/bin/clang && job "clang with a plugin" /usr/bin/bash -c 'gcc -shared -fPIC plugin.c -o plugin.so && "$LD_SO" /usr/bin/clang -fplugin=./plugin.so -O2 -S prog.c -o -'
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
readonly office=/usr/lib/libreoffice/program/soffice.bin
job "LibreOffice" $office --headless --version
needs "LibreOffice Writer" $office ${office%/*}/libswlo.so && job "LibreOffice Writer" /usr/bin/bash convert.sh txt:Text page.html txt
needs "LibreOffice Calc" $office ${office%/*}/libsclo.so && job "LibreOffice Calc" /usr/bin/bash convert.sh 'csv:Text - txt - csv (StarCalc):59,34,76' sheet.csv csv
needs "GTK under Xvfb" /usr/bin/Xvfb /usr/bin/zenity && job "GTK under Xvfb" /usr/bin/bash dialogue.sh
needs "Qt under Xvfb" /usr/bin/Xvfb /usr/lib/python3/dist-packages/PyQt5/QtWidgets.abi3.so && job "Qt under Xvfb" /usr/bin/bash window.sh
job "node" /usr/bin/node -e 'console.log([1, 2, 3].map(x => x * 2), require("zlib").gzipSync("x").length)'

echo "ld-work: $same the same, ${#different[@]} differ, $skipped skipped"
((same > 0 && ${#different[@]} == 0))
