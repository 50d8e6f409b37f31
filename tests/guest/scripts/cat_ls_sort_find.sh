# The everyday tools on files with fixed dates. Runs in a fresh directory; prints nothing that varies.
set -eu
seq 1 5000 > numbers
printf 'pear\napple\nfig\nBanana\napple\n' > fruit
mkdir -p tree/a/b tree/c
touch -d '2020-02-03 04:05:06' tree/a/one tree/c/two
echo three > tree/a/b/three
ln -s ../a/one tree/c/link
chmod 640 tree/a/b/three
touch -d '2021-01-01 00:00:00' tree/a/b/three fruit
cat fruit
cat numbers fruit | tail -3
cat < fruit - fruit < numbers | sha256sum
cat /no/such/file || echo "cat said $?"
ls -l fruit tree/a/one tree/c/two tree/a/b/three
ls -R tree
LC_ALL=C sort fruit; sort -u fruit; sort -rn numbers | head -2; sort --parallel=2 -S 1M -k1,1 numbers | sha256sum
find tree -type f | sort
find tree -name 't*' -newermt 2020-06-01 | sort
find tree -type l -exec readlink {} \;
grep -n 'p' fruit; grep -c '^1' numbers; grep -E '^(12|34)5+$' numbers
grep missing fruit || echo "grep said $?"
wc numbers fruit | sed 's/^ *//'
cut -c1-2 fruit | tr a-z A-Z | uniq | paste -s -d+
head -c 100000 /dev/zero | od -An -tx1 | sha256sum
diff fruit <(sort fruit) || echo "diff said $?"
cp -r tree copy; mv copy other; rm -r tree; find other | sort; du -a --apparent-size other | wc -l
dd if=numbers of=copy bs=1000 count=3 status=none; cmp copy numbers || true
split -l 2000 numbers part.; wc -l part.* | sed 's/^ *//'
sha256sum numbers fruit; md5sum < numbers; cksum fruit; base64 fruit | base64 -d
comm -12 <(sort -u fruit) <(printf 'apple\nfig\n'); join <(printf '1 a\n2 b\n') <(printf '1 x\n2 y\n')
tac fruit | nl; rev fruit; expand <<< $'a\tb'; fold -w 3 fruit | head -3; seq 3 | shuf --random-source=numbers
