# A drop to another user by setpriv: what it may read and run, with files of that user's own.
command -v setpriv > /dev/null || { echo "setpriv is not installed"; exit 77; }
[ "$(id -u)" = 0 ] || { echo "a drop of privileges needs root"; exit 77; }
set -u
mkdir theirs; echo secret > secret; chmod 600 secret; chown 65534:65534 theirs
drop() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
drop id -u; drop id -g
drop cat secret 2> /dev/null; echo "secret: $?"
drop sh -c 'echo mine > theirs/file; chmod 700 theirs/file; cat theirs/file; ls -ln theirs/file | cut -d" " -f1,3,4'
drop bash -c 'for i in 1 2 3; do (echo sub $i); done; seq 1 3000 | sort -rn | head -1; cat <(echo substitution)'
cp /bin/echo theirs/echo; chown 65534 theirs/echo; chmod 700 theirs/echo; drop theirs/echo a file of mode 0700
printf '#!/bin/sh\necho script of theirs\n' > theirs/script; chown 65534 theirs/script; chmod 700 theirs/script; drop theirs/script
drop sh -c 'kill -0 1' 2> /dev/null; echo "kill: $?"
drop perl -e 'my $p = fork; exit 3 if !$p; wait; print $? >> 8, "\n"' 2> /dev/null || true
setpriv --no-new-privs sh -c 'grep NoNewPrivs /proc/self/status'
setpriv --bounding-set=-all --inh-caps=-all sh -c 'grep -E "Cap(Bnd|Inh)" /proc/self/status'
drop setpriv --no-new-privs id -u
drop sh -c 'grep -E "^(Uid|Gid|Groups)" /proc/self/status'
id -u
