# Scripts that are interpreters of scripts, started every way a shell can.
set -u
printf '#!/bin/bash\necho "bash script: $# [$*] $(basename "$0")"\n' > one
printf '#!%s/one -flag\nignored\n' "$PWD" > two
printf '#!/usr/bin/env -S bash -u\necho "env script: $*"\n' > three
printf '#!/usr/bin/awk -f\nBEGIN { print "awk script", ARGC, ARGV[1] }\n' > four
printf 'echo "no first line: $1"\n' > five
printf '#!/bin/sh\nexec ./one through exec "$@"\n' > six
printf '#!/bin/sed -nf\ns/line/LINE/p\n' > seven
chmod +x one two three four five six seven
./one a 'b c'
./two x | sed "s|$PWD|.|g"
./three y z
./four argument
./five given
./six more
printf 'a line\nanother\n' | ./seven
env -i PATH="$PATH" ./one empty environment
PATH=.:$PATH one by path
bash one by bash; sh -c '. ./one' | sed 's/\[.*\]//'
nice -n 1 ./one nice; env A=b ./one env; (exec -a name ./one exec -a); setsid -w ./one setsid
printf '#!/no/such\n' > bad; chmod +x bad; ./bad 2> /dev/null; echo "bad: $?"
find . -name one -exec {} found \; ; echo x | xargs ./one xargs
