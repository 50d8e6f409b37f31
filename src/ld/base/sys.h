// The system calls the loader makes, each by its own name. They return what the kernel returns: a value, or -errno in
// the last page of the address space. Nothing here touches `errno`: there may be no thread block yet.
#pragma once

#include <asm/unistd.h>
#include <stddef.h>
#include <stdint.h>

namespace pagefold::ld::sys {

inline int64_t call(int64_t number, uint64_t a = 0, uint64_t b = 0, uint64_t c = 0, uint64_t d = 0, uint64_t e = 0,
                    uint64_t f = 0) {
  int64_t result;
  register uint64_t r10 asm("r10") = d;
  register uint64_t r8 asm("r8") = e;
  register uint64_t r9 asm("r9") = f;
  asm volatile("syscall"
               : "=a"(result)
               : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return result;
}

template <class T>
uint64_t word(T* p) {
  return reinterpret_cast<uint64_t>(p);
}

constexpr bool failed(int64_t result) { return result < 0 && result >= -4095; }
constexpr int error_of(int64_t result) { return static_cast<int>(-result); }

// <fcntl.h>, <sys/mman.h>: the few values used, as the kernel defines them for x86-64.
inline constexpr int kReadOnly = 0, kWriteOnly = 1, kCreate = 0100, kAppend = 02000, kNoFollow = 0400000,
                     kCloseOnExec = 02000000;
inline constexpr uint32_t kProtNone = 0, kProtRead = 1, kProtWrite = 2, kProtExec = 4, kProtGrowsDown = 0x01000000;
inline constexpr uint32_t kMapShared = 1, kMapPrivate = 2, kMapFixed = 0x10, kMapAnonymous = 0x20,
                          kMapDenyWrite = 0x800, kMapNoReserve = 0x4000, kMapFixedNoReplace = 0x100000;
inline constexpr int kEperm = 1, kEnoent = 2, kEnomem = 12, kEacces = 13, kEinval = 22;

// struct stat of the kernel (x86-64), the fields used.
struct Stat {
  uint64_t device, inode, links;
  uint32_t mode, user, group, padding;
  uint64_t special_device;
  int64_t size;
  uint64_t rest[11];

  bool is_directory() const { return (mode & 0170000) == 0040000; }
};
static_assert(sizeof(Stat) == 144);

inline int64_t open(const char* path, int flags, uint32_t mode = 0) {
  return call(__NR_open, word(path), static_cast<uint64_t>(flags), mode);
}
inline int64_t close(int64_t fd) { return call(__NR_close, static_cast<uint64_t>(fd)); }
inline int64_t read_at(int64_t fd, void* to, uint64_t size, uint64_t offset) {
  return call(__NR_pread64, static_cast<uint64_t>(fd), word(to), size, offset);
}
inline int64_t read(int64_t fd, void* to, uint64_t size) {
  return call(__NR_read, static_cast<uint64_t>(fd), word(to), size);
}
inline int64_t write(int64_t fd, const void* from, uint64_t size) {
  return call(__NR_write, static_cast<uint64_t>(fd), word(from), size);
}
inline int64_t stat(const char* path, Stat* out) { return call(__NR_stat, word(path), word(out)); }
inline int64_t fstat(int64_t fd, Stat* out) { return call(__NR_fstat, static_cast<uint64_t>(fd), word(out)); }
inline int64_t readlink(const char* path, char* to, uint64_t size) {
  return call(__NR_readlink, word(path), word(to), size);
}
inline int64_t getcwd(char* to, uint64_t size) { return call(__NR_getcwd, word(to), size); }
inline int64_t getpid() { return call(__NR_getpid); }
inline int64_t map(uint64_t at, uint64_t size, uint32_t protection, uint32_t flags, int64_t fd, uint64_t offset) {
  return call(__NR_mmap, at, size, protection, flags, static_cast<uint64_t>(fd), offset);
}
inline int64_t map_anonymous(uint64_t size) {
  return map(0, size, kProtRead | kProtWrite, kMapPrivate | kMapAnonymous, -1, 0);
}
inline int64_t unmap(uint64_t at, uint64_t size) { return call(__NR_munmap, at, size); }
inline int64_t protect(uint64_t at, uint64_t size, uint32_t protection) {
  return call(__NR_mprotect, at, size, protection);
}
[[noreturn]] inline void exit_group(int status) {
  for (;;) call(__NR_exit_group, static_cast<uint64_t>(status));
}

}  // namespace pagefold::ld::sys
