# The blocks that a file system keeps for root are not for others; what an ordinary user can write until the disk is full is
# the same natively, also where somebody writes in its place. Source: mkfs.ext4(8) -m; ext4_has_free_clusters().
[ "$(id -u)" = 0 ] && command -v mkfs.ext4 > /dev/null && command -v setpriv > /dev/null || { echo "wants root, mkfs.ext4, setpriv"; exit 77; }
truncate -s 24M disk && mkfs.ext4 -q -m 40 -O ^has_journal -E nodiscard disk || exit 77
mkdir mnt
export PATH="$PATH:/usr/sbin:/sbin"
unshare -m bash -c '
  mount -o loop disk mnt 2> /dev/null || exit 77
  mkdir mnt/theirs && chmod 777 mnt/theirs && chmod 755 . mnt
  cd mnt/theirs
  as_user() { setpriv --reuid 12345 --regid 12345 --clear-groups "$@"; }
  as_user dd if=/dev/zero of=file bs=64k 2> message; echo "user: $?"
  grep -o "No space left on device" message | head -1
  stat -c %s file
  as_user dd if=/dev/zero of=small bs=4k count=1 conv=notrunc 2> message; echo "user again: $?"
  as_user fallocate -l 4M more 2> message; echo "fallocate: $?"
  dd if=/dev/zero of=roots bs=64k count=16 2> message; echo "root: $?"
  stat -c %s roots
  cd / ; umount -l "$OLDPWD/.."
'
code=$?
rm -rf disk mnt
exit $code
