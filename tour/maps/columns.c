// Takes the second column of its own /proc/self/maps at its word: for one mapping of each kind, does what the letters
// allow and what they do not, and counts where the processor disagrees with the letters.
#include "../common/probe.h"

static const char constant[] = "only to be read";
static int variable = 42;
static int function_calls;

static __attribute__((noinline)) void function(void) { function_calls++; }

static void check(const char* what, volatile unsigned char* at) {
  struct mapping m;
  if (!find_mapping(at, &m)) die("no mapping");
  const char same = m.permissions[0] == 'r' ? (char)*at : 0;
  const int read = try_access('r', at, 0).signal == 0;
  const int written = try_access('w', at, (unsigned char)same).signal == 0;
  const int run = try_access('x', at, 0).signal == 0;
  printf("%s: %s, did %c%c%c\n", what, m.permissions, read ? 'r' : '-', written ? 'w' : '-', run ? 'x' : '-');
  const char* name = strrchr(m.path, '/');
  printf("%s file: %s\n", what, name != NULL ? name + 1 : m.path);
}

int main(void) {
  check("constant", (volatile unsigned char*)(uintptr_t)constant);
  check("variable", (volatile unsigned char*)&variable);
  check("function", (volatile unsigned char*)(uintptr_t)function);
  tell("function calls", function_calls);
  return 0;
}
