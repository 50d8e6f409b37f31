// Inside another root, with nothing but one static program there. Source: chroot(2), execve(2).
#include "guest.h"

int main(int argc, char** argv) {
  if (argc > 1) {
    printf("inside: %s\n", argv[1]);
    SHOW(open("/bin/sh", O_RDONLY));
    SHOW(open("/proc/self/maps", O_RDONLY));
    char* area = map_anon(16 * PAGE);
    memset(area, 'i', 16 * PAGE);
    int fd = MUST(open("/file", O_RDONLY));
    char* file = map_island(PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
    printf("%.5s\n", file);
    pid_t child = fork_child();
    if (child == 0) leave(all_are(area, 16 * PAGE, 'i') ? 4 : 1);
    show_end("child inside", child);
    return 0;
  }
  if (geteuid() != 0) skip("chroot needs root");
  MUST(mkdir("root", 0755));
  close(make_file("root/file", PAGE));
  int in = MUST(open("/proc/self/exe", O_RDONLY)), out = MUST(open("root/program", O_WRONLY | O_CREAT, 0755));
  copy_rest(in, out);
  close(out);
  pid_t child = fork_child();
  if (child == 0) {
    MUST(chroot("root"));
    MUST(chdir("/"));
    execl("/program", "program", "an argument", (char*)0);
    printf("exec: %s\n", errno_name(errno));  // the dynamic variant has no interpreter there
    leave(1);
  }
  show_end("chroot", child);
  return 0;
}
