# perl: regular expressions, sort, hashes, fork, pipes, sockets, eval, alarm; awk: arrays, printf, pipes.
command -v perl > /dev/null || { echo "perl is not installed"; exit 77; }
perl -e '
use strict; use warnings; $| = 1;
my %count; $count{$_ % 17}++ for 1 .. 20000;
print join(",", map { "$_=$count{$_}" } sort { $a <=> $b } keys %count), "\n";
my $text = "x" x 1_000_000; $text =~ s/x{1000}/y/g; print length($text), "\n";
my @sorted = sort { $a <=> $b } map { ($_ * 7919) % 10007 } 1 .. 10000; print "@sorted[0..4]\n";
pipe(my $r, my $w); my $pid = fork();
if (!$pid) { close $r; print $w "child says hello\n"; exit 6 }
close $w; print <$r>; waitpid($pid, 0); print $? >> 8, "\n";
print scalar(`echo backticks`); system("sh", "-c", "exit 4"); print $? >> 8, "\n";
open(my $sort, "|-", "sort") or die; print $sort "b\na\n"; close $sort;
use Socket; socketpair(my $a, my $b, AF_UNIX, SOCK_STREAM, PF_UNSPEC); syswrite $a, "socket\n"; sysread $b, my $got, 100; print $got;
eval { local $SIG{ALRM} = sub { die "alarm\n" }; alarm 1; select(undef, undef, undef, 5) }; print $@;
eval { die { code => 7 } }; print $@->{code}, "\n";
my $deep = 0; sub down { my $n = shift; return $n ? 1 + down($n - 1) : 0 } no warnings; print down(20000), "\n";
local $SIG{USR1} = sub { print "USR1\n" }; kill USR1 => $$; 
printf "%.10f %s\n", atan2(1, 1) * 4, sprintf("%b", 1000);
my @big = (1) x 2_000_000; print scalar(@big), "\n"; undef @big;
for my $i (1 .. 20) { my $p = fork(); if (!$p) { exit $i } } my $sum = 0; while (wait() > 0) { $sum += $? >> 8 } print "$sum\n";
'
echo "perl said $?"
seq 1 20000 | awk '{ sum += $1; last[$1 % 10] = $1 } END { printf "%d", sum; for (i = 0; i < 10; ++i) printf " %d", last[i]; print "" }'
awk 'BEGIN { while (("seq 3" | getline line) > 0) print "line", line; print "sorted" | "sort"; close("sort"); print substr("abcdef", 2, 3), toupper("x"), 2 ^ 10, sin(0) }'
awk -F: '$3 == 0 { print $1 }' /etc/passwd
awk 'BEGIN { for (i = 0; i < 300000; ++i) a[i] = i; n = 0; for (k in a) n += a[k]; print n }'
awk 'BEGIN { exit 3 }'; echo "awk said $?"
