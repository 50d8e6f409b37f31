# Job control as a script may use it: set -m, background jobs, fg, wait -n, stopped and killed jobs.
set -m
exec 2> /dev/null  # the shell names process ids there
sleep 0.05 & wait $!; echo "waited $?"
(exit 3) & wait $!; echo "waited $?"
(exit 4) & (sleep 0.4; exit 5) & wait -n; echo "first $?"; wait -n; echo "second $?"
sleep 30 & job=$!; kill $job; wait $job 2> /dev/null; echo "terminated $?"
sleep 30 & job=$!; kill -KILL $job; wait $job 2> /dev/null; echo "killed $?"
sleep 30 & job=$!; kill -STOP $job; while ! grep -q '^State:.T' /proc/$job/status; do sleep 0.01; done
jobs | sed 's/ *&$//' | tr -s ' '
kill -CONT $job; while grep -q '^State:.T' /proc/$job/status; do sleep 0.01; done; kill $job
code=147; while [ $code = 147 ]; do wait $job; code=$?; done; echo "continued and terminated $code"  # 147: still told as stopped
{ sleep 0.05; echo from the group; } | cat & fg > /dev/null; echo "fg $?"
bash -c 'kill -TERM $$'; echo "child by signal $?"
bash -c 'ulimit -c 0; kill -SEGV $$' 2> /dev/null; echo "child by signal $?"
timeout 0.1 sleep 10; echo "timeout $?"
timeout -s KILL 0.1 sleep 10; echo "timeout $?"
disown -a; echo done
