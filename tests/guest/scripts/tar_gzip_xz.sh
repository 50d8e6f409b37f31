# Archives and compressors, single and threaded: the results are byte-identical.
set -eu
for i in $(seq 1 200); do seq $i $((i + 300)) > file$i; done
touch -d '2020-01-01 00:00:00' file*
tar --sort=name --owner=0 --group=0 --numeric-owner --mtime='2020-01-01' -cf all.tar file*
sha256sum all.tar
gzip -n -9 -k all.tar; sha256sum all.tar.gz; gzip -t all.tar.gz; zcat all.tar.gz | sha256sum
for i in 1 2 3 4 5 6; do cat all.tar; done > large.tar
for command in xz bzip2 zstd; do
  command -v $command > /dev/null || { echo "no $command" >&2; continue; }
  case $command in
    xz) xz -T2 --block-size=1MiB -1 -k large.tar; sha256sum large.tar.xz; xz -T2 -dc large.tar.xz | cmp - large.tar ;;
    *) $command -q -k all.tar; $command -dc all.tar.* 2> /dev/null | head -c 0; ls all.tar.* | sort | tail -1 ;;
  esac
done
mkdir out; tar -C out -xzf all.tar.gz; cat out/file* | sha256sum
tar -tf all.tar | wc -l
tar -cf - file1 file2 | (cd out && tar -xf - && cmp file1 ../file1 && echo through a pipe)
gzip -dc large.tar 2> errors || echo "gzip said $?"; cat errors
