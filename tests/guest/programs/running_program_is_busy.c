// A program that runs cannot be opened for writing (ETXTBSY), may be renamed and unlinked, and goes on; a file that is
// only mapped, even executable, can be written. Source: open(2) ETXTBSY; the lecture, 18.
#include "guest.h"

int main(int argc, char** argv) {
  (void)argv;
  if (argc > 1) {
    // The copy, running: tries on itself.
    SHOW(open("copy", O_RDWR));
    SHOW(open("copy", O_WRONLY | O_TRUNC));
    SHOW(truncate("copy", 0));
    SHOW(open("copy", O_RDONLY) >= 0);
    pid_t child = fork_child();
    if (child == 0) {
      SHOW(open("copy", O_RDWR));
      leave(0);
    }
    show_end("child", child);
    SHOW(rename("copy", "moved"));
    SHOW(open("moved", O_RDWR));
    SHOW(unlink("moved"));
    char exe[4096] = "";
    MUST(readlink("/proc/self/exe", exe, sizeof exe - 1));
    printf("exe: %s\n", strstr(exe, "moved"));
    return 0;
  }
  char buffer[64 * 1024];
  int in = MUST(open("/proc/self/exe", O_RDONLY)), out = MUST(open("copy", O_WRONLY | O_CREAT, 0755));
  for (ssize_t count; (count = MUST(read(in, buffer, sizeof buffer))) > 0;) MUST(write(out, buffer, (size_t)count));
  close(out);
  int mapped = MUST(open("copy", O_RDONLY));
  char* area = map_island(PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, mapped, 0);
  CHECK(memcmp(area, "\177ELF", 4) == 0);
  int writer = MUST(open("copy", O_WRONLY));
  printf("mapped only: can be opened for writing\n");
  close(writer);
  pid_t child = fork_child();
  if (child == 0) {
    execl("copy", "copy", "again", (char*)0);
    leave(1);
  }
  show_end("the copy", child);
  return 0;
}
