// A program for which nobody has chosen whether it is position independent: what did the compiler choose?
#include "../common/objects.h"

extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));

int main(void) {
#ifdef __PIE__
  tell("compiled as with -fpie", 1);
#else
  tell("compiled as with -fpie", 0);
#endif
#ifdef __SHARED__
  tell("compiled as with -fpic", 1);
#else
  tell("compiled as with -fpic", 0);
#endif
  tell("ELF type", __ehdr_start.e_type);
  return 0;
}
