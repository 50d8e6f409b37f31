// Text file busy, exactly: what counts as a writer of a file that is to be executed (a descriptor, a shared mapping made
// through one, one that was moved, split, forgotten by its descriptor), and what is not busy although it is mapped or is
// part of a running program: its libraries, its loader, a script. Source: open(2), execve(2) ETXTBSY; kernel fs/exec.c
// (deny_write_access), MAP_DENYWRITE ignored since 2.0.
#include <link.h>
#include <sys/sendfile.h>

#include "guest.h"

static void copy_of(const char* from, const char* to) {
  struct stat status;
  int in = MUST(open(from, O_RDONLY)), out = MUST(open(to, O_WRONLY | O_CREAT | O_TRUNC, 0755));
  MUST(fstat(in, &status));
  MUST(sendfile(out, in, 0, (size_t)status.st_size));
  close(in), close(out);
}

// Executes it: it ends at once with 7.
static void try_exec(const char* title, const char* path) {
  pid_t child = fork_child();
  if (child == 0) {
    execl(path, path, "7", (char*)0);
    printf("%s: %s\n", title, errno_name(errno));
    leave(0);
  }
  show_end(title, child);
}

static int try_open(const char* title, const char* path, int flags) {
  int fd = open(path, flags, 0644);
  printf("%s: %s\n", title, fd < 0 ? errno_name(errno) : "opened");
  return fd;
}

static void writers(void) {
  copy_of("/proc/self/exe", "copy");
  int fd = MUST(open("copy", O_RDWR));
  try_exec("open for writing", "copy");
  int twin = MUST(dup(fd));
  close(fd);
  try_exec("its dup is open", "copy");
  char* map = map_island(3 * PAGE, RW, MAP_SHARED, twin, 0);
  char* view = map_island(PAGE, PROT_READ, MAP_SHARED, twin, 0);
  char* own = map_island(PAGE, RW, MAP_PRIVATE, twin, 0);
  close(twin);
  try_exec("mapped shared", "copy");
  MUST(munmap(map + PAGE, PAGE));
  try_exec("the middle unmapped", "copy");
  MUST(munmap(map, PAGE));
  char* elsewhere = MUST((char*)mmap(0, PAGE, PROT_NONE, ANON, -1, 0));
  MUST((char*)mremap(map + 2 * PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, elsewhere));
  try_exec("the rest moved", "copy");
  MUST(mprotect(elsewhere, PAGE, PROT_READ));
  try_exec("read-only, but of a writable descriptor", "copy");
  MUST(munmap(elsewhere, PAGE));
  try_exec("a read-only view through that descriptor is left", "copy");
  MUST(munmap(view, PAGE));
  try_exec("a private mapping through that descriptor is left", "copy");
  MUST((char*)mmap(own, PAGE, PROT_NONE, ANON | MAP_FIXED, -1, 0));
  try_exec("nothing is left", "copy");
}

// Stores through a mapping do not keep the file busy once it is gone.
static void after_stores(void) {
  int fd = MUST(open("copy", O_RDWR));
  char* map = map_island(PAGE, RW, MAP_SHARED, fd, 0);
  close(fd);
  map[9] = map[9];
  *(volatile char*)(map + 10) = map[10];
  MUST(munmap(map, PAGE));
  try_exec("stored into, unmapped", "copy");
  pid_t child = fork_child();
  if (child == 0) {
    int writer = MUST(open("copy", O_RDWR));
    char* mine = map_island(PAGE, RW, MAP_SHARED, writer, 0);
    *(volatile char*)(mine + 11) = mine[11];
    leave(0);
  }
  show_end("a child that maps and ends", child);
  try_exec("afterwards", "copy");
}

// A program that runs, and ends when go_on is closed.
static pid_t started(const char* program, const char* argument, int* go_on) {
  int ends[2], back[2];
  MUST(pipe(ends)), MUST(pipe(back));
  const pid_t child = fork_child();
  if (child == 0) {
    dup2(ends[0], 0), dup2(back[1], 1);
    close(ends[0]), close(ends[1]), close(back[0]), close(back[1]);
    execl(program, program, argument, (char*)0);
    leave(1);
  }
  close(ends[0]), close(back[1]);
  char byte;
  MUST(read(back[0], &byte, 1));
  *go_on = ends[1];
  return child;
}

// While a copy runs: every way to write to it.
static void running(void) {
  int go_on;
  const pid_t child = started("copy", "wait", &go_on);
  MUST(link("copy", "also"));
  MUST(symlink("copy", "symbolic"));
  try_open("write", "copy", O_WRONLY);
  try_open("read and write", "copy", O_RDWR);
  try_open("append", "copy", O_WRONLY | O_APPEND);
  try_open("truncating", "copy", O_WRONLY | O_TRUNC);
  try_open("reading and truncating", "copy", O_RDONLY | O_TRUNC);
  try_open("by another name", "also", O_WRONLY);
  try_open("by a symbolic link, truncating", "symbolic", O_WRONLY | O_TRUNC);
  try_open("creating", "copy", O_WRONLY | O_CREAT);
  SHOW(creat("copy", 0644));
  SHOW(truncate("copy", 0));
  SHOW(truncate("also", 100));
  int reader = try_open("read", "copy", O_RDONLY);
  SHOW(ftruncate(reader, 0));
  SHOW(fallocate(reader, 0, 0, 100));
  char path[64];
  sprintf(path, "/proc/%d/exe", child);
  try_open("by /proc", path, O_WRONLY);
  SHOW((long)mmap(0, PAGE, RW, MAP_SHARED, reader, 0));
  SHOW(chmod("copy", 0700));
  SHOW(close(go_on));
  show_end("the running copy", child);
  int writer = try_open("write, when it has ended", "copy", O_WRONLY);
  close(writer), close(reader);
  MUST(unlink("also")), MUST(unlink("symbolic"));
}

// The loader and the libraries of this program: mapped, but not busy. Not to be touched: copies are.
static int find_libc(struct dl_phdr_info* info, size_t size, void* into) {
  (void)size;
  if (strstr(info->dlpi_name, "libc.so") != NULL) strcpy(into, info->dlpi_name);
  return 0;
}

static void libraries(void) {
  char libc[4096] = "";
  dl_iterate_phdr(find_libc, libc);
  if (libc[0] == 0) return;  // a static program
  copy_of(libc, "library");
  int fd = MUST(open("library", O_RDONLY));
  char* text = map_island(4 * PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_DENYWRITE | MAP_EXECUTABLE, fd, 0);
  CHECK(memcmp(text, "\177ELF", 4) == 0);
  int writer = try_open("a mapped library", "library", O_RDWR);
  char first = 'x';
  SHOW(pwrite(writer, &first, 1, 0));
  CHECK(text[0] == 'x');
  close(writer);
  SHOW(truncate("library", PAGE));
  TOUCH(Read, text + 2 * PAGE);
}

static void scripts(void) {
  int fd = MUST(open("script", O_WRONLY | O_CREAT, 0755));
  MUST(write(fd, "#!./copy 7\n", 11));
  try_exec("a script open for writing", "script");
  close(fd);
  try_exec("a script", "script");
  fd = MUST(open("copy", O_WRONLY));
  try_exec("a script whose interpreter is open for writing", "script");
  close(fd);
  fd = MUST(open("waiting", O_WRONLY | O_CREAT, 0755));
  MUST(write(fd, "#!./copy wait\n", 14));
  close(fd);
  int go_on;
  const pid_t child = started("waiting", NULL, &go_on);
  close(try_open("a script that runs", "waiting", O_WRONLY | O_TRUNC));
  try_open("its interpreter", "copy", O_WRONLY);
  close(go_on);
  show_end("the script", child);
}

static void memory_file(void) {
  int memory = MUST(memfd_create("program", 0)), in = MUST(open("copy", O_RDONLY));
  struct stat status;
  MUST(fstat(in, &status));
  MUST(sendfile(memory, in, 0, (size_t)status.st_size));
  char path[64];
  sprintf(path, "/proc/self/fd/%d", memory);
  try_exec("a memory file open for writing", path);
  int reader = MUST(open(path, O_RDONLY));
  close(memory);
  sprintf(path, "/proc/self/fd/%d", reader);
  try_exec("a memory file", path);
}

int main(int argc, char** argv) {
  if (argc > 1 && strcmp(argv[1], "wait") == 0) {
    char byte = '.';
    MUST(write(1, &byte, 1));
    while (read(0, &byte, 1) == 1) {
    }
    return 0;
  }
  if (argc > 1) return atoi(argv[1]);
  writers();
  after_stores();
  running();
  libraries();
  scripts();
  memory_file();
  return 0;
}
