// Twelve generations: each adds a line to what it inherited, nobody sees what descendants wrote. Source: fork(2).
#include "guest.h"

enum { kDepth = 12 };
static char letters[kDepth + 2];

static void generation(int depth, char* area) {
  area[(size_t)depth * PAGE] = (char)('a' + depth);
  letters[depth] = (char)('A' + depth);
  if (depth < kDepth) {
    pid_t child = fork_child();
    if (child == 0) {
      generation(depth + 1, area);
      leave(depth);
    }
    show_end("a generation", child);
  }
  printf("%2d: %s ", depth, letters);
  for (int page = 0; page <= kDepth; ++page) putchar(area[(size_t)page * PAGE] ? area[(size_t)page * PAGE] : '.');
  putchar('\n');
}

int main(void) {
  generation(0, map_anon((kDepth + 1) * PAGE));
  return 0;
}
