// The size and identity of a file, without its times. Who asks for times makes the kernel (from Linux 6.13 on) give the next change
// a time of its own, which costs that change, and the next synchronisation, a journal entry.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/error.h"

namespace pagefold {

// As fstat(2); the times are 0.
inline Result<struct stat> stat_without_times(int fd) {
  struct statx all {};
  if (::statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS & ~static_cast<unsigned>(STATX_ATIME | STATX_MTIME | STATX_CTIME), &all) != 0)
    return fail_errno("statx");
  struct stat status {};
  status.st_dev = ::makedev(all.stx_dev_major, all.stx_dev_minor);
  status.st_ino = all.stx_ino;
  status.st_mode = all.stx_mode;
  status.st_nlink = all.stx_nlink;
  status.st_uid = all.stx_uid;
  status.st_gid = all.stx_gid;
  status.st_size = static_cast<off_t>(all.stx_size);
  status.st_blocks = static_cast<blkcnt_t>(all.stx_blocks);
  status.st_blksize = static_cast<blksize_t>(all.stx_blksize);
  return status;
}

}  // namespace pagefold
