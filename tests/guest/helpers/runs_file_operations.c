// Runs a program of memory and file operations, one a line, from the file named by its argument, and prints what each one
// gave: result or errno, bytes (as a sum), signal with code and place. tests/soak makes such programs at random; tests of
// single rules write them by hand.
//
// A line is a word and numbers. Files have names f0, f1, ..., descriptors and mappings are slots; mapping slot m is an
// island of its own, kSlotPages long, at an address that no output shows. Offsets and lengths are in bytes.
#include <dirent.h>
#include <sys/sendfile.h>
#include <sys/statfs.h>

#include "guest.h"

enum { kFds = 8, kMaps = 8, kSlotPages = 64, kNumbers = 8, kMostBytes = 1 << 20 };
#define ISLAND ((char*)0x20000000000)
#define SLOT_STRIDE ((size_t)256 * MIB)

static int fds[kFds];
static char buffer[kMostBytes];
static long a[kNumbers];
static int line_number;
static char name1[8], name2[8];

static char* slot(long m) { return ISLAND + (size_t)(m & (kMaps - 1)) * SLOT_STRIDE; }
static int fd_of(long f) { return fds[f & (kFds - 1)]; }
static const char* name_of(long n, char* into) {
  sprintf(into, "f%ld", n & 7);
  return into;
}
static size_t bounded(long length) { return (size_t)length & (kMostBytes - 1); }

static unsigned sum(const char* bytes, size_t length) {
  unsigned h = 2166136261u;
  for (size_t i = 0; i < length; ++i) h = (h ^ (unsigned char)bytes[i]) * 16777619u;
  return h;
}

static void tell(long result) {
  if (result == -1)
    printf(" = %s", errno_name(errno));
  else
    printf(" = %ld", result);
}

static void tell_bytes(long result) {
  tell(result);
  if (result > 0) printf(" %08x", sum(buffer, (size_t)result));
}

static sigjmp_buf back;
static siginfo_t what;
static void on_signal(int number, siginfo_t* info, void* context) {
  (void)number, (void)context;
  what = *info;
  siglongjmp(back, 1);
}

static void tell_signal(void) {
  size_t offset = (size_t)((char*)what.si_addr - ISLAND);
  printf(" %s/%d@%zu+%zu", sigabbrev_np(what.si_signo), what.si_code, offset / SLOT_STRIDE, offset % SLOT_STRIDE);
}

// Touches [at, at + length) page by page.
static void reach(char* at, size_t length, int store, int byte) {
  volatile unsigned h = 0;
  volatile size_t done = 0;
  while (done < length) {
    const volatile size_t ahead = PAGE - ((uintptr_t)(at + done) & (PAGE - 1)), n = ahead < length - done ? ahead : length - done;
    if (sigsetjmp(back, 1) == 0) {
      if (store)
        memset(at + done, byte, n);
      else
        h = h * 31 + sum(at + done, n);
    } else {
      tell_signal();
    }
    done += n;
  }
  if (!store) printf(" %08x", h);
}

static void fill(int byte, size_t length) {
  for (size_t i = 0; i < length; ++i) buffer[i] = (char)(byte + (int)(i >> 9));
}

static const int kOpen[] = {O_RDONLY, O_RDWR, O_WRONLY, O_RDWR | O_CREAT, O_RDWR | O_CREAT | O_TRUNC, O_RDWR | O_APPEND, O_WRONLY | O_TRUNC, O_RDWR | O_DIRECT};
static const int kAllocate[] = {0, 1 /* KEEP_SIZE */, 3 /* PUNCH_HOLE */, 0x10 /* ZERO_RANGE */, 0x11, 8 /* COLLAPSE */, 0x20 /* INSERT */};
static const int kAdvice[] = {MADV_DONTNEED, MADV_WILLNEED, MADV_POPULATE_READ, MADV_POPULATE_WRITE, MADV_REMOVE, MADV_SEQUENTIAL};
static const int kSync[] = {MS_SYNC, MS_ASYNC, MS_INVALIDATE | MS_SYNC, MS_INVALIDATE, 0};
#define PICK(table, i) table[(size_t)(i) % (sizeof table / sizeof *table)]

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
// The file's own bytes, to and from a mapping: the kernel touches the pages.
static void op_read_map(void) {
  tell(pread(fd_of(a[0]), slot(a[1]) + a[2], bounded(a[3]), a[4]));
}
static void op_map(void) {
  int flags = (a[4] & 1 ? MAP_SHARED : MAP_PRIVATE) | MAP_FIXED | (a[4] & 2 ? MAP_POPULATE : 0);
  size_t length = (size_t)(a[2] % kSlotPages) * PAGE;
  tell(mmap(slot(a[0]), length, (int)a[3] & 7, flags, fd_of(a[1]), a[5] * (off_t)PAGE) == MAP_FAILED ? -1 : 0);
}
static void op_unmap(void) { tell(munmap(slot(a[0]) + a[1] * (long)PAGE, (size_t)a[2] * PAGE)); }
static void op_protect(void) { tell(mprotect(slot(a[0]) + a[1] * (long)PAGE, (size_t)a[2] * PAGE, (int)a[3] & 7)); }
static void op_msync(void) { tell(msync(slot(a[0]) + a[1] * (long)PAGE, (size_t)a[2] * PAGE, PICK(kSync, a[3]))); }
static void op_advise(void) { tell(madvise(slot(a[0]) + a[1] * (long)PAGE, (size_t)a[2] * PAGE, PICK(kAdvice, a[3]))); }
static void op_store(void) { reach(slot(a[0]) + a[1], bounded(a[2]), 1, (int)a[3]); }
static void op_load(void) { reach(slot(a[0]) + a[1], bounded(a[2]), 0, 0); }
static void op_ftruncate(void) { tell(ftruncate(fd_of(a[0]), a[1])); }
static void op_truncate(void) { tell(truncate(name_of(a[0], name1), a[1])); }
static void op_allocate(void) { tell(fallocate(fd_of(a[0]), PICK(kAllocate, a[1]), a[2], a[3])); }
static void op_fsync(void) { tell(a[1] & 1 ? fsync(fd_of(a[0])) : fdatasync(fd_of(a[0]))); }
static void op_sendfile(void) {
  off_t from = a[2];
  tell(sendfile(fd_of(a[0]), fd_of(a[1]), &from, bounded(a[3])));
  printf(" %ld", (long)from);
}
static void op_copy(void) {
  loff_t from = a[1], to = a[3];
  tell(copy_file_range(fd_of(a[0]), &from, fd_of(a[2]), &to, bounded(a[4]), 0));
  printf(" %ld %ld", (long)from, (long)to);
}
static void op_splice(void) {
  int ends[2];
  MUST(pipe(ends));
  loff_t from = a[1], to = a[3];
  size_t length = bounded(a[4]) % 60000;
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
// This program's own mappings, in runs: neighbours that continue each other count as one. Linux keeps them apart when they were
// made through different opens, or have been given different advice.
struct run {
  unsigned long start, end, offset;
  char what[600];
};
static size_t read_runs(struct run* runs, size_t most) {
  FILE* maps = MUST(fopen("/proc/self/maps", "r") ?: (FILE*)-1);
  char text[600];
  size_t count = 0;
  while (fgets(text, sizeof text, maps) != NULL && count < most) {
    struct run* r = runs + count;
    unsigned long inode;
    char prot[8], path[512] = "";
    if (sscanf(text, "%lx-%lx %7s %lx %*s %lu %511[^\n]", &r->start, &r->end, prot, &r->offset, &inode, path) < 5) continue;
    if (r->start < (unsigned long)ISLAND || r->start >= (unsigned long)ISLAND + kMaps * SLOT_STRIDE) continue;
    const char* last = strrchr(path, '/');
    snprintf(r->what, sizeof r->what, "%s%s", prot, last ? last : "");
    struct run* b = count > 0 ? r - 1 : NULL;
    if (b != NULL && b->end == r->start && b->offset + (b->end - b->start) == r->offset && strcmp(b->what, r->what) == 0)
      b->end = r->end;
    else
      ++count;
  }
  fclose(maps);
  return count;
}
enum { kMostRuns = 256 };
static struct run runs[kMostRuns];
static void op_maps(void) {
  size_t count = read_runs(runs, kMostRuns);
  for (size_t i = 0; i < count; ++i) {
    unsigned long at = runs[i].start - (unsigned long)ISLAND;
    printf(" %lu+%lu-%lu %s %lx", at / SLOT_STRIDE, at % SLOT_STRIDE / PAGE, (runs[i].end - runs[i].start) / PAGE, runs[i].what,
           runs[i].offset);
  }
}
// Not where the bytes read and those written are the same ones of one file: how far a write has got when it reads them again is
// left to the file system. Nor past O_DIRECT from a mapping of the very file, whose pages the write invalidates.
static int meets_itself(const char* from, int fd, size_t length, off_t to) {
  struct stat target, source;
  if (fstat(fd, &target) != 0) return 0;
  const int flags = fcntl(fd, F_GETFL);
  if (flags & O_APPEND) to = target.st_size;
  size_t count = read_runs(runs, kMostRuns);
  for (size_t i = 0; i < count; ++i) {
    const char* name = strrchr(runs[i].what, '/');
    const unsigned long begin = runs[i].start > (unsigned long)from ? runs[i].start : (unsigned long)from;
    const unsigned long end = runs[i].end < (unsigned long)from + length ? runs[i].end : (unsigned long)from + length;
    if (name == NULL || begin >= end) continue;
    if (stat(name + 1, &source) == 0 && source.st_ino != target.st_ino) continue;
    if (flags & O_DIRECT) return 1;
    const off_t first = (off_t)(runs[i].offset + (begin - runs[i].start)), last = first + (off_t)(end - begin);
    if (first < to + (off_t)length + (off_t)PAGE && to < last + (off_t)PAGE) return 1;
  }
  return 0;
}
static void op_write_map(void) {
  char* from = slot(a[1]) + a[2];
  if (!meets_itself(from, fd_of(a[0]), bounded(a[3]), a[4])) tell(pwrite(fd_of(a[0]), from, bounded(a[3]), a[4]));
}
// Into a pipe: the kernel itself touches the pages.
static void op_pipe_map(void) {
  int ends[2];
  MUST(pipe(ends));
  tell(write(ends[1], slot(a[0]) + a[1], bounded(a[2]) % (16 * PAGE)));
  close(ends[0]), close(ends[1]);
}
// Ranges of several mappings can be moved since Linux 6.17 only: not asked for.
static void op_remap(void) {
  char* from = slot(a[0]) + a[1] * (long)PAGE;
  size_t count = read_runs(runs, kMostRuns), i = 0;
  while (i < count && !(runs[i].start <= (unsigned long)from && (unsigned long)from + (size_t)a[2] * PAGE <= runs[i].end)) ++i;
  if (i == count) return;
  void* moved =
      mremap(from, (size_t)a[2] * PAGE, (size_t)a[3] * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, slot(a[4]) + a[5] * (long)PAGE);
  tell(moved == MAP_FAILED ? -1 : 0);
}
// In place: grows where there is room, shrinks.
static int is_in_one_run(const char* from, size_t length) {
  size_t count = read_runs(runs, kMostRuns), i = 0;
  while (i < count && !(runs[i].start <= (unsigned long)from && (unsigned long)from + length <= runs[i].end)) ++i;
  return i < count;
}
static void op_resize(void) {
  char* from = slot(a[0]) + a[1] * (long)PAGE;
  if (!is_in_one_run(from, (size_t)a[2] * PAGE)) return;
  tell(mremap(from, (size_t)a[2] * PAGE, (size_t)a[3] * PAGE, 0) == MAP_FAILED ? -1 : 0);
}
// A second mapping of the same pages (old size 0: shared ones only), or one that leaves the old range mapped and empty.
static void op_twin(void) {
  char *from = slot(a[0]) + a[1] * (long)PAGE, *to = slot(a[4]) + a[5] * (long)PAGE;
  const int flags = MREMAP_MAYMOVE | MREMAP_FIXED;
  if (!is_in_one_run(from, (size_t)a[2] * PAGE)) return;
  void* made = a[3] & 1 ? mremap(from, 0, (size_t)a[2] * PAGE, flags, to)
                        : mremap(from, (size_t)a[2] * PAGE, (size_t)a[2] * PAGE, flags | 4 /* MREMAP_DONTUNMAP */, to);
  tell(made == MAP_FAILED ? -1 : 0);
}
static void op_lock(void) {
  char* from = slot(a[0]) + a[1] * (long)PAGE;
  tell(a[3] & 1 ? mlock(from, (size_t)a[2] * PAGE) : munlock(from, (size_t)a[2] * PAGE));
}
static void op_preadv_map(void) {
  struct iovec v[2] = {{slot(a[1]) + a[2], bounded(a[3])}, {buffer, bounded(a[3])}};
  tell(preadv(fd_of(a[0]), v, 2, a[4]));
}
static void op_pwritev_map(void) {
  struct iovec v[3] = {{slot(a[1]) + a[2], bounded(a[3])}, {buffer, 100}, {slot(a[1]) + a[2] + PAGE, 10}};
  if (meets_itself(slot(a[1]) + a[2], fd_of(a[0]), bounded(a[3]) + PAGE + 10, a[4])) return;
  fill('v', 100);
  tell(pwritev(fd_of(a[0]), v, 3, a[4]));
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
// Asks for so many MiB of memory, touches all, gives it back: under a memory limit other pages have to go.
static void op_press(void) {
  const size_t length = (size_t)a[0] * MIB;
  char* memory = MUST(mmap(NULL, length, RW, ANON, -1, 0));
  for (int round = 0; round < 2; ++round)
    for (size_t at = 0; at < length; at += PAGE) memory[at] = (char)(at / PAGE + (size_t)round);
  MUST(munmap(memory, length));
}
// For a driver: says that this line has been reached, and waits to be told to go on.
static void op_meet(void) {
  char text[32];
  sprintf(text, "at-%ld", a[0]);
  close(MUST(open(text, O_WRONLY | O_CREAT, 0644)));
  sprintf(text, "go-%ld", a[0]);
  while (access(text, F_OK) != 0) usleep(500);
}

static void end_partner(void);
static void clear(void) {
  end_partner();
  for (int i = 0; i < kFds; ++i) {
    if (fds[i] >= 0) close(fds[i]);
    fds[i] = -1;
  }
  for (int m = 0; m < kMaps; ++m) munmap(slot(m), SLOT_STRIDE);
  for (int i = 0; i < 8; ++i) unlink(name_of(i, name1));
}
// Three files that nobody has open for writing.
static void op_reset(void) {
  clear();
  for (int i = 0; i < 3; ++i) close(make_file(name_of(i, name1), (size_t)(i == 1 ? 20 : 3 + i) * PAGE + (i == 2 ? 100 : 0)));
}
// What the files hold in the end.
static void op_files(void) {
  for (int i = 0; i < 8; ++i) {
    int fd = open(name_of(i, name1), O_RDONLY);
    if (fd < 0) continue;
    unsigned h = 0;
    long total = 0;
    for (ssize_t n; (n = read(fd, buffer, sizeof buffer)) > 0; total += n) h = h * 31 + sum(buffer, (size_t)n);
    printf(" %s:%ld:%08x", name1, total, h);
    close(fd);
  }
}
static void op_child(void);
static void op_partner(void);

static const struct {
  const char* word;
  void (*run)(void);
} kOperations[] = {
    {"open", op_open},         {"close", op_close},       {"read", op_read},         {"pread", op_pread},       {"preadv", op_preadv},
    {"write", op_write},       {"pwrite", op_pwrite},     {"pwritev", op_pwritev},   {"seek", op_seek},         {"hole", op_hole},
    {"read_map", op_read_map}, {"write_map", op_write_map}, {"map", op_map},         {"unmap", op_unmap},       {"protect", op_protect},
    {"msync", op_msync},       {"advise", op_advise},     {"remap", op_remap},       {"store", op_store},       {"load", op_load},
    {"ftruncate", op_ftruncate}, {"truncate", op_truncate}, {"allocate", op_allocate}, {"fsync", op_fsync},     {"sendfile", op_sendfile},
    {"copy", op_copy},         {"splice", op_splice},     {"rename", op_rename},     {"link", op_link},         {"unlink", op_unlink},
    {"stat", op_stat},         {"maps", op_maps},         {"meet", op_meet},         {"reset", op_reset},       {"files", op_files},
    {"child", op_child},       {"pipe_map", op_pipe_map},
    {"resize", op_resize},     {"twin", op_twin},         {"lock", op_lock},         {"preadv_map", op_preadv_map},
    {"pwritev_map", op_pwritev_map}, {"exchange", op_exchange}, {"append", op_append}, {"partner", op_partner},
    {"press", op_press},
};

static FILE* program;

static int run_line(void) {
  char text[256];
  if (fgets(text, sizeof text, program) == NULL) return 0;
  char word[16];
  int at = 0;
  if (sscanf(text, "%15s%n", word, &at) != 1 || word[0] == '#') return 1;
  memset(a, 0, sizeof a);
  char* rest = text + at;
  for (int i = 0; i < kNumbers; ++i) a[i] = strtol(rest, &rest, 10);
  for (size_t i = 0; i < sizeof kOperations / sizeof *kOperations; ++i) {
    if (strcmp(word, kOperations[i].word) != 0) continue;
    text[strcspn(text, "\n")] = 0;
    printf("%d %s:", ++line_number, text);
    kOperations[i].run();
    printf("\n");
    return 1;
  }
  printf("unknown: %s", text);
  _exit(98);
}

// The next lines, as many as the number says, are a child's. It has read them with stdio, so the parent skips them.
static void op_child(void) {
  long lines = a[0] % 16;
  fflush(stdout);
  long here = ftell(program);
  pid_t child = fork_child();
  if (child == 0) {
    fclose(program);
    program = fopen("program", "r");
    fseek(program, here, SEEK_SET);
    while (lines-- > 0 && run_line() != 0) {
    }
    leave(0);
  }
  int status;
  MUST(waitpid(child, &status, 0));
  printf(" child %d", status);
  char text[256];
  while (lines-- > 0 && fgets(text, sizeof text, program) != NULL) ++line_number;
}

// A second process that lives on until the next reset, forked when it is first asked for: it runs the next lines, as many as the
// number says, with the mappings and descriptors that it has. The first process waits.
static pid_t partner;
static int to_partner = -1, from_partner = -1;

struct order {
  long place, lines;
  int line_number;
};

static void end_partner(void) {
  if (to_partner < 0) return;
  close(to_partner), close(from_partner);
  to_partner = from_partner = -1;
  MUST(waitpid(partner, NULL, 0));
}

static void be_partner(int in, int out) {
  struct order order;
  fclose(program);
  program = fopen("program", "r");
  while (read(in, &order, sizeof order) == sizeof order) {
    line_number = order.line_number;
    fseek(program, order.place, SEEK_SET);
    while (order.lines-- > 0 && run_line() != 0) {
    }
    fflush(stdout);
    MUST(write(out, "", 1));
  }
  leave(0);
}

static void start_partner(void) {
  int to[2], from[2];
  MUST(pipe2(to, O_CLOEXEC)), MUST(pipe2(from, O_CLOEXEC));
  partner = fork_child();
  if (partner == 0) {
    close(to[1]), close(from[0]);
    be_partner(to[0], from[1]);
  }
  close(to[0]), close(from[1]);
  to_partner = to[1], from_partner = from[0];
}

static void op_partner(void) {
  if (to_partner < 0) start_partner();
  struct order order = {ftell(program), a[0] % 16, line_number};
  char byte, text[256];
  fflush(stdout);
  MUST(write(to_partner, &order, sizeof order));
  MUST(read(from_partner, &byte, 1));
  long lines = order.lines;
  while (lines-- > 0 && fgets(text, sizeof text, program) != NULL) ++line_number;
  printf(" end of partner");
}

int main(int argc, char** argv) {
  program = argc > 1 ? fopen(argv[1], "r") : NULL;
  if (program == NULL) return 98;
  for (int i = 0; i < kFds; ++i) fds[i] = -1;
  struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_NODEFER};
  sigaction(SIGSEGV, &action, 0);
  sigaction(SIGBUS, &action, 0);
  while (run_line() != 0) {
  }
  fflush(stdout);
  return 0;
}
