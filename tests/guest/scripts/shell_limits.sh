# Shell limits: stack, address space, files; and commands that change session, nice value, directory and root.
bash -c 'ulimit -s 65536; ulimit -s; perl -e "sub d { my \$n = shift; \$n ? 1 + d(\$n - 1) : 0 } no warnings; print d(50000), qq(\n)"' 2>&1
bash -c 'ulimit -s 1024; bash -c "ulimit -s; echo small stack"'
bash -c 'ulimit -s unlimited; bash -c "ulimit -s; f() { [ \$1 = 0 ] || f \$((\$1 - 1)); }; f 2000; echo deep"'
bash -c 'ulimit -v 4000000; perl -e "my \$x = chr(120) x 8_000_000_000; print length \$x" 2> /dev/null; echo "said $?"'
bash -c 'ulimit -n 20; for i in $(seq 1 30); do exec {fd}< /dev/null; done; echo ends' 2> /dev/null; echo "said $?"
bash -c 'ulimit -f 10; head -c 100000 /dev/zero > large; echo "said $?"' 2> /dev/null; stat -c %s large
nice -n 5 nice; setsid -w sh -c 'exit 6'; echo "setsid said $?"
nohup echo nohup 2> /dev/null; stdbuf -oL echo stdbuf; env -C / pwd; chroot / /bin/echo chroot 2> /dev/null || echo "chroot said $?"
timeout --preserve-status 5 sh -c 'exit 9'; echo "said $?"
sh -c 'umask 027; touch masked; stat -c %a masked'
seq 1 50 | xargs -P 4 -n 1 sh -c 'echo $0' | sort -n | tail -1
