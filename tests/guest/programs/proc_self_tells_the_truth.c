// /proc/self speaks of the program: its file, name, arguments, ranges, and nothing of what carries it. Source: proc(5).
#include <sys/prctl.h>

#include "guest.h"

static char text[1 << 20];

static char* read_file(const char* name) { return read_text(name, text, sizeof text); }

static int occurrences(const char* what) {
  int count = 0;
  for (char* at = text; (at = strstr(at, what)); ++at) ++count;
  return count;
}

// The number behind a label in the part of smaps that starts with the range of the given address.
static long smaps_kib(const char* address, const char* label) {
  char line[64];
  snprintf(line, sizeof line, "%lx-", (unsigned long)address);
  char* at = strstr(read_file("/proc/self/smaps"), line);
  long value = -1;
  if (at && (at = strstr(at, label))) sscanf(at + strlen(label), ": %ld", &value);
  return value;
}

static void maps(const char* exe) {
  read_file("/proc/self/maps");
  CHECK(occurrences("[stack]") == 1);
  CHECK(occurrences("[vdso]") == 1);
  CHECK(occurrences("[heap]") == 1);
  CHECK(occurrences("memfd") == 0 && occurrences("pagefold-stub") == 0 && occurrences("userfaultfd") == 0);
  printf("%d ranges of the program\n", occurrences(exe));
  printf("%d ranges of libc\n", occurrences("libc.so.6"));
  printf("%d writable and executable, %d shared\n", occurrences(" rwx"), occurrences("s "));

  // Ascending, disjoint, page-aligned.
  unsigned long last = 0;
  bool good = true;
  for (char* line = strtok(text, "\n"); line; line = strtok(0, "\n")) {
    unsigned long from, to;
    good = good && sscanf(line, "%lx-%lx", &from, &to) == 2 && from >= last && to > from && (from | to) % PAGE == 0;
    last = to;
  }
  CHECK(good);
}

static void smaps(void) {
  char* area = map_anon(40 * PAGE);
  // Neither at the mapping's start nor near each other, where touches look sequential and bring neighbours in; and no page only
  // read: natively that shows the kernel's one page of zeros, which is not counted, in Pagefold it has a frame.
  memset(area + 2 * PAGE, 1, 3 * PAGE);
  area[30 * PAGE] = 1;
  const char* labels[] = {"Size", "KernelPageSize", "Rss", "Private_Dirty", "Anonymous", "Swap", "Locked"};
  for (int i = 0; i < 7; ++i) printf("anonymous %s %ld\n", labels[i], smaps_kib(area, labels[i]));
  int fd = make_file_read_only("file", 4 * PAGE);
  char* file = map_island(4 * PAGE, RW, MAP_PRIVATE, fd, 0);
  file[2 * PAGE] = 'w';
  printf("file Size %ld, Anonymous %ld\n", smaps_kib(file, "Size"), smaps_kib(file, "Anonymous"));
  pid_t child = fork_child();
  if (child == 0) {
    area[2 * PAGE] = 2;
    // Which pages the two share depends on what was copied ahead of need.
    printf("child Rss %ld\n", smaps_kib(area, "Rss"));
    printf("child dirty %ld\n", smaps_kib(area, "Private_Dirty") + smaps_kib(area, "Shared_Dirty"));
    leave(0);
  }
  show_end("child", child);
}

int main(int argc, char** argv) {
  static char buffer[1 << 16];
  setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
  static char* volatile block;  // the heap exists
  block = malloc(1);
  free(block);
  char exe[4096] = "";
  MUST(readlink("/proc/self/exe", exe, sizeof exe - 1));
  printf("exe ends in %s, argc %d\n", strrchr(exe, '/'), argc);
  CHECK(strcmp(exe, argv[0]) == 0);
  printf("comm %s", read_file("/proc/self/comm"));
  CHECK(strcmp(read_file("/proc/self/cmdline"), argv[0]) == 0);
  CHECK(strncmp(read_file("/proc/self/environ"), "PATH=/", 6) == 0);
  MUST(prctl(PR_SET_NAME, "renamed"));
  printf("comm %s", read_file("/proc/self/comm"));
  maps(exe);
  smaps();
  read_file("/proc/self/status");
  CHECK(strncmp(text, "Name:\trenamed\n", 14) == 0);
  CHECK(occurrences("VmPeak:") == 1 && occurrences("VmRSS:") == 1 && occurrences("TracerPid:\t0\n") == 1);
  long size, resident, shared;
  CHECK(sscanf(read_file("/proc/self/statm"), "%ld %ld %ld", &size, &resident, &shared) == 3);
  CHECK(size > resident && resident >= shared && size < 10000);
  char state;
  int pid;
  CHECK(sscanf(read_file("/proc/self/stat"), "%d (renamed) %c", &pid, &state) == 2 && pid == getpid() && state == 'R');

  // The kernel counts resident pages per processor and may be off by some dozens; Pagefold fills up to 256 pages ahead.
  // A large mapping shows in VmSize by its length, in VmRSS by what was touched.
  long before, before_resident;
  sscanf(read_file("/proc/self/statm"), "%ld %ld", &before, &before_resident);
  char* large = MUST((char*)mmap(0, 64 * MIB, RW, ANON, -1, 0));
  for (size_t page = 0; page < 2048; ++page) large[page * PAGE] = 1;
  sscanf(read_file("/proc/self/statm"), "%ld %ld", &size, &resident);
  CHECK(size - before == (long)(64 * MIB / PAGE));
  CHECK(resident - before_resident >= 2048 - 128 && resident - before_resident <= 2048 + 256 + 128);
  return 0;
}
