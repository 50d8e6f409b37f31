// /proc/PID of a child, asked by its parent: maps, smaps, status, cmdline, comm, exe, environ, mem. Source: proc(5).
#include "guest.h"

static char text[1 << 20];

static char* read_file(pid_t pid, const char* name) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
  return read_text(path, text, sizeof text);
}

// The line of maps that starts at the address, without it.
static void show_line(pid_t pid, const char* title, char* address) {
  char start[32];
  snprintf(start, sizeof start, "%lx-", (unsigned long)address);
  char* line = strstr(read_file(pid, "maps"), start);
  unsigned long from, to, offset;
  char permissions[8];
  if (line && sscanf(line, "%lx-%lx %7s %lx", &from, &to, permissions, &offset) == 4)
    printf("%s: %lu pages %s offset %lu\n", title, (to - from) / PAGE, permissions, offset);
  else
    printf("%s: not mapped\n", title);
}

int main(void) {
  char* area = map_anon(16 * PAGE);
  memset(area, 'p', 4 * PAGE);
  int fd = make_file_read_only("file", 8 * PAGE);
  char* file = map_island(4 * PAGE, PROT_READ, MAP_SHARED, fd, 2 * PAGE);
  int to_child[2], to_parent[2];
  char byte;
  MUST(pipe(to_child));
  MUST(pipe(to_parent));
  pid_t child = fork_child();
  if (child == 0) {
    MUST(read(to_child[0], &byte, 1));
    MUST(mprotect(area, 2 * PAGE, PROT_READ));
    MUST(munmap(file, 4 * PAGE));
    strcpy(area + 3 * PAGE, "child's own");
    MUST(write(to_parent[1], "x", 1));
    MUST(read(to_child[0], &byte, 1));
    execl("/bin/sleep", "sleeper", "30", (char*)0);
    _exit(1);
  }
  show_line(child, "anonymous", area);
  show_line(child, "file", file);
  MUST(write(to_child[1], "x", 1));
  MUST(read(to_parent[0], &byte, 1));
  show_line(child, "anonymous", area);
  show_line(child, "the rest of it", area + 2 * PAGE);
  show_line(child, "file", file);
  show_line(getpid(), "ours", area);

  // Its memory, touched and not. A page that has not been touched yet is out of reach of /proc/PID/mem under Pagefold (EIO):
  // the kernel does not wait for a fault it takes there. process_vm_readv does.
  char path[64], copy[32] = "";
  snprintf(path, sizeof path, "/proc/%d/mem", child);
  int memory = MUST(open(path, O_RDWR));
  SHOW(pread(memory, copy, 12, (off_t)(uintptr_t)(area + 3 * PAGE)));
  printf("%s\n", copy);
  struct iovec untouched_local = {copy, 8}, untouched = {area + 10 * PAGE, 8};
  SHOW(process_vm_readv(child, &untouched_local, 1, &untouched, 1, 0));
  CHECK(all_are(copy, 8, 0));
  SHOW(pread(memory, copy, 8, (off_t)(uintptr_t)file));
  struct iovec local = {copy, 12}, remote = {area + 3 * PAGE, 12};
  SHOW(process_vm_readv(child, &local, 1, &remote, 1, 0));
  printf("%s\n", copy);
  close(memory);

  MUST(write(to_child[1], "x", 1));
  while (strcmp(read_file(child, "comm"), "sleep\n") != 0) usleep(1000);
  while (strncmp(read_file(child, "cmdline"), "sleeper", 7) != 0) usleep(1000);
  CHECK(memcmp(text, "sleeper\00030", 11) == 0);
  char exe[4096] = "";
  snprintf(path, sizeof path, "/proc/%d/exe", child);
  MUST(readlink(path, exe, sizeof exe - 1));
  printf("%s\n", strrchr(exe, '/'));
  CHECK(strstr(read_file(child, "maps"), "/sleep") && strstr(text, "[stack]") && !strstr(text, "memfd"));
  CHECK(strncmp(read_file(child, "environ"), "PATH=/", 6) == 0);
  kill(child, SIGKILL);
  show_end("sleeper", child);
  SHOW(open(path, O_RDONLY));
  return 0;
}
