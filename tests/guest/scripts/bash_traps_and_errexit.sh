# Traps, set -e, exit codes and signals between shells.
bash -c 'set -e; echo before; false; echo never'; echo "set -e: $?"
bash -c 'set -e; if false; then :; fi; false || true; ! true; echo survived'; echo "conditions: $?"
bash -c 'set -eu; echo $unset_variable' 2> /dev/null; echo "set -u: $?"
bash -c 'set -e; trap "echo ERR at \$LINENO" ERR; trap "echo EXIT" EXIT; false'; echo "err trap: $?"
bash -c 'trap "echo caught TERM; exit 9" TERM; kill -TERM $$; sleep 1'; echo "term trap: $?"
bash -c 'trap "" TERM; kill -TERM $$; echo ignored'; echo "ignored: $?"
bash -c 'trap "echo USR1" USR1; for i in 1 2 3; do kill -USR1 $$; done; echo end'; echo "usr1: $?"
bash -c 'trap "echo child ended" CHLD; /bin/true; /bin/true; echo end' | sort; echo "chld: ${PIPESTATUS[0]}"
bash -c 'trap "echo int; exit 1" INT; (sleep 0.1; kill -INT $$) & while :; do sleep 0.05; done'; echo "int: $?"
bash -c 'exit 300'; echo "exit 300: $?"
bash -c 'trap "rm -f lock; echo cleaned" EXIT; touch lock; exit 3'; echo "exit 3: $?"; ls lock 2> /dev/null
bash -c 'trap "echo debug \$BASH_COMMAND" DEBUG; x=1; y=2'
bash -c 'exec no-such-program' 2> /dev/null; echo "exec: $?"
touch plain; bash -c 'exec ./plain' 2> /dev/null; echo "not executable: $?"
{ bash -c 'kill -9 $$'; } 2> /dev/null; echo "kill -9: $?"
sh -c 'trap "echo sh trap" 0; exit 5'; echo "sh: $?"
