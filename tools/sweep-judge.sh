#!/usr/bin/env bash
# sweep-judge.sh FOLDER WAY: could the run FOLDER/WAY have been a native one? Judged by the native runs FOLDER/native*; each run is a
# folder with stdout, stderr and code. Prints one line, a verdict and how it was reached:
#   same     it is byte for byte one of the native runs; or the native runs were seen to differ, and only in the order of
#            their lines, and it has the same lines
#   varies   the native runs differ in more than the order of their lines: nothing can be said
#   differs  neither; further native runs may still show that the order varies
# Without FOLDER/WAY the native runs alone are judged: same or varies.
set -euo pipefail

folder=$1
way=$folder/$2
natives=("$folder"/native*/)

is_equal() { cmp -s "$1/stdout" "$2/stdout" && cmp -s "$1/stderr" "$2/stderr" && cmp -s "$1/code" "$2/code"; }

# The same run but for the order of lines: those of each stream, and the exit code.
lines_of() {
  local stream
  for stream in stdout stderr code; do
    echo "$stream"
    LC_ALL=C sort "$1/$stream"
  done | cksum
}

varying=no
for native in "${natives[@]}"; do
  is_equal "${natives[0]}" "$native" || varying=yes
  if [[ $(lines_of "$native") != $(lines_of "${natives[0]}") ]]; then
    echo "varies natively"
    exit
  fi
done

if [[ ! -d $way ]]; then
  echo "same"
  exit
fi
for native in "${natives[@]}"; do
  is_equal "$native" "$way" || continue
  [[ $varying == no ]] && echo "same" || echo "same as one of ${#natives[@]} native runs, whose order of lines varies"
  exit
done
if [[ $varying == yes && $(lines_of "$way") == $(lines_of "${natives[0]}") ]]; then
  echo "same lines in another order, as ${#natives[@]} native runs have them in varying order"
else
  echo "differs from ${#natives[@]} native runs"
fi
