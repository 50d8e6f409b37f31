// Memory without a file: it is zero, its line in maps names nothing, and after fork a private page is each process's
// own while a shared one is common.
#include "../common/probe.h"

#include <sys/wait.h>

enum { kPages = 64 };

int main(void) {
  const size_t page = page_size();
  unsigned char* p = map_or_die(NULL, kPages * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  unsigned char* s = map_or_die(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  struct mapping m;
  if (!find_mapping(p, &m)) die("find_mapping");
  printf("%lx-%lx %s %08lx\n", m.start, m.end, m.permissions, m.offset);
  tell("named in maps", m.path[0] != 0 || m.inode != 0);
  tell("bytes read", (long)((kPages + 1) * page));
  tell("bytes that are not zero", nonzero_bytes(p, kPages * page) + nonzero_bytes(s, page));

  p[0] = s[0] = 1;
  fflush(stdout);
  const pid_t child = fork();
  if (child < 0) die("fork");
  if (child == 0) {
    const int inherited = p[0] == 1 && s[0] == 1;
    p[0] = s[0] = 2;
    _exit(inherited ? 0 : 4);
  }
  int status = 0;
  if (waitpid(child, &status, 0) != child) die("waitpid");
  tell("child saw both pages", status == 0);
  tell("private page after the child's store", p[0]);
  tell("shared page after the child's store", s[0]);
  return 0;
}
