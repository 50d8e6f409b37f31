// Operations on files by their descriptors and names.
#pragma once

#include <sys/sendfile.h>
#include <sys/statfs.h>

#include "operations.h"

static const int kOpen[] = {O_RDONLY,          O_RDWR,           O_WRONLY,          O_RDWR | O_CREAT, O_RDWR | O_CREAT | O_TRUNC,
                            O_RDWR | O_APPEND, O_WRONLY | O_TRUNC, O_RDWR | O_DIRECT, O_RDWR | O_DSYNC, O_RDONLY | O_NOFOLLOW};
static const int kAllocate[] = {0, 1 /* KEEP_SIZE */, 3 /* PUNCH_HOLE */, 0x10 /* ZERO_RANGE */, 0x11, 8 /* COLLAPSE */, 0x20 /* INSERT */};

static void op_open(void) {
  long f = a[0] & (kFds - 1);
  if (fds[f] >= 0) close(fds[f]);
  int flags = PICK(kOpen, a[2]);
  fds[f] = open(name_of(a[1], name1), flags, 0644);
  tell(fds[f] < 0 ? -1 : 0);
}
static void op_close(void) {
  tell(close(fd_of(a[0])));
  fds[a[0] & (kFds - 1)] = -1;
}
static void op_read(void) { tell_bytes(read(fd_of(a[0]), buffer, bounded(a[1]))); }
static void op_pread(void) { tell_bytes(pread(fd_of(a[0]), buffer, bounded(a[2]), a[1])); }
static void op_preadv(void) {
  struct iovec v[3] = {{buffer, bounded(a[2])}, {0, 0}, {buffer + bounded(a[2]), bounded(a[3]) / 2}};
  tell_bytes(preadv(fd_of(a[0]), v, 3, a[1]));
}
static void op_write(void) {
  fill((int)a[2], bounded(a[1]));
  tell(write(fd_of(a[0]), buffer, bounded(a[1])));
}
static void op_pwrite(void) {
  fill((int)a[3], bounded(a[2]));
  tell(pwrite(fd_of(a[0]), buffer, bounded(a[2]), a[1]));
}
static void op_pwritev(void) {
  fill((int)a[3], bounded(a[2]));
  struct iovec v[3] = {{buffer, bounded(a[2]) / 3}, {0, 0}, {buffer + 100, bounded(a[2]) / 2}};
  tell(pwritev2(fd_of(a[0]), v, 3, a[1], a[4] & 1 ? RWF_APPEND : 0));
}
static void op_seek(void) { tell(lseek(fd_of(a[0]), a[1], (int)(a[2] % 3))); }
// Reading a hole of a file on tmpfs through a mapping fills it; so where its holes are is nobody's business.
static void op_hole(void) {
  struct statfs fs;
  if (fstatfs(fd_of(a[0]), &fs) == 0 && fs.f_type == 0x01021994) return;
  tell(lseek(fd_of(a[0]), a[1], a[2] & 1 ? SEEK_HOLE : SEEK_DATA));
}
static void op_ftruncate(void) { tell(ftruncate(fd_of(a[0]), a[1])); }
static void op_truncate(void) { tell(truncate(name_of(a[0], name1), a[1])); }
static void op_allocate(void) { tell(fallocate(fd_of(a[0]), PICK(kAllocate, a[1]), a[2], a[3])); }
static void op_fsync(void) { tell(a[1] & 1 ? fsync(fd_of(a[0])) : fdatasync(fd_of(a[0]))); }
// Copies that change bytes of their own source before they come to it: see meets_itself() in own_maps.h. And half a page by
// O_DIRECT: what comes before it may have been written when it is refused.
static int is_undefined_copy(int in, long from, int out, long to, long length) {
  struct stat source, target;
  if (fstat(in, &source) != 0 || fstat(out, &target) != 0) return 0;
  const int direct = (fcntl(out, F_GETFL) & O_DIRECT) != 0, same = source.st_ino == target.st_ino;
  if (direct && ((from | to | length) & (long)(PAGE - 1))) return 1;
  const long slack = direct ? (long)PAGE : 0;
  return same && (direct || from < to) && from < to + length + slack && to < from + length + slack;
}
static void op_sendfile(void) {
  off_t from = a[2];
  if (is_undefined_copy(fd_of(a[1]), from, fd_of(a[0]), lseek(fd_of(a[0]), 0, SEEK_CUR), (long)bounded(a[3]))) return;
  tell(sendfile(fd_of(a[0]), fd_of(a[1]), &from, bounded(a[3])));
  printf(" %ld", (long)from);
}
static void op_copy(void) {
  loff_t from = a[1], to = a[3];
  if (is_undefined_copy(fd_of(a[0]), from, fd_of(a[2]), to, (long)bounded(a[4]))) return;
  tell(copy_file_range(fd_of(a[0]), &from, fd_of(a[2]), &to, bounded(a[4]), 0));
  printf(" %ld %ld", (long)from, (long)to);
}
static void op_splice(void) {
  int ends[2];
  loff_t from = a[1], to = a[3];
  size_t length = bounded(a[4]) % 60000;
  if (is_undefined_copy(fd_of(a[0]), from, fd_of(a[2]), to, (long)length)) return;
  MUST(pipe(ends));
  long in = splice(fd_of(a[0]), &from, ends[1], 0, length, SPLICE_F_NONBLOCK);
  tell(in);
  if (in > 0) tell(splice(ends[0], 0, fd_of(a[2]), &to, (size_t)in, 0));
  printf(" %ld %ld", (long)from, (long)to);
  close(ends[0]), close(ends[1]);
}
static void op_rename(void) { tell(rename(name_of(a[0], name1), name_of(a[1], name2))); }
static void op_link(void) { tell(link(name_of(a[0], name1), name_of(a[1], name2))); }
static void op_unlink(void) { tell(unlink(name_of(a[0], name1))); }
static void op_stat(void) {
  struct stat status;
  long result = stat(name_of(a[0], name1), &status);
  tell(result);
  if (result == 0) printf(" %ld", (long)status.st_size);
}
static void op_exchange(void) {
  tell(renameat2(AT_FDCWD, name_of(a[0], name1), AT_FDCWD, name_of(a[1], name2), RENAME_EXCHANGE));
}
static void op_append(void) {
  fill((int)a[2], bounded(a[1]));
  int fd = open(name_of(a[0], name1), O_WRONLY | O_APPEND);
  if (fd < 0) return tell(-1);
  tell(write(fd, buffer, bounded(a[1])));
  close(fd);
}

// The same open file twice: offset and flags are shared.
static void op_dup(void) {
  const long from = a[0] & (kFds - 1), to = a[1] & (kFds - 1);
  if (from == to) return;
  if (fds[to] >= 0) close(fds[to]);
  fds[to] = dup(fds[from]);
  tell(fds[to] < 0 ? -1 : 0);
}
// Copies that use and move the descriptors' own offsets.
static void op_sendfile_here(void) {
  const int out = fd_of(a[0]), in = fd_of(a[1]);
  const long from = lseek(in, 0, SEEK_CUR), to = lseek(out, 0, SEEK_CUR);
  if (is_undefined_copy(in, from, out, to, (long)bounded(a[2]))) return;
  tell(sendfile(out, in, NULL, bounded(a[2])));
  printf(" %ld %ld", (long)lseek(in, 0, SEEK_CUR), (long)lseek(out, 0, SEEK_CUR));
}
static void op_copy_here(void) {
  const int in = fd_of(a[0]), out = fd_of(a[1]);
  const long from = lseek(in, 0, SEEK_CUR), to = lseek(out, 0, SEEK_CUR);
  if (is_undefined_copy(in, from, out, to, (long)bounded(a[2]))) return;
  tell(copy_file_range(in, NULL, out, NULL, bounded(a[2]), 0));
  printf(" %ld %ld", (long)lseek(in, 0, SEEK_CUR), (long)lseek(out, 0, SEEK_CUR));
}
// A pipe with these bytes goes to the file's own offset.
static void op_splice_here(void) {
  int ends[2];
  const size_t length = bounded(a[1]) % 60000;
  if (is_undefined_copy(-1, 0, fd_of(a[0]), lseek(fd_of(a[0]), 0, SEEK_CUR), (long)length)) return;
  MUST(pipe(ends));
  fill((int)a[2], length);
  MUST(write(ends[1], buffer, length));
  close(ends[1]);
  tell(splice(ends[0], 0, fd_of(a[0]), 0, length + 1, 0));
  printf(" %ld", (long)lseek(fd_of(a[0]), 0, SEEK_CUR));
  close(ends[0]);
}
static void op_symlink(void) {
  char link[16];
  sprintf(link, "f%ld", 5 + (a[1] & 1));
  tell(symlink(name_of(a[0], name1), link));
}
// A file without a name gets one.
static void op_unnamed(void) {
  long f = a[0] & (kFds - 1);
  char link[32];
  if (fds[f] >= 0) close(fds[f]);
  fds[f] = open(".", O_TMPFILE | O_RDWR, 0644);
  if (fds[f] < 0) return tell(-1);
  fill((int)a[2], bounded(a[3]));
  tell(write(fds[f], buffer, bounded(a[3])));
  if (a[1] < 0) return;
  sprintf(link, "/proc/self/fd/%d", fds[f]);
  tell(linkat(AT_FDCWD, link, AT_FDCWD, name_of(a[1], name1), AT_SYMLINK_FOLLOW));
}
// What only concerns the host's cache and disk.
static void op_hint(void) {
  switch (a[1] & 3) {
    case 0: return tell(posix_fadvise(fd_of(a[0]), a[2], a[3], POSIX_FADV_DONTNEED));
    case 1: return tell(posix_fadvise(fd_of(a[0]), a[2], a[3], POSIX_FADV_WILLNEED));
    case 2: return tell(sync_file_range(fd_of(a[0]), a[2], a[3], SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER));
    default: return tell(readahead(fd_of(a[0]), a[2], bounded(a[3])));
  }
}
