// Wants names of its libraries, one of which two of them define, and prints with puts. Then opens a library that wants
// a name nobody has.
#include "../common/children.h"
#include "../common/objects.h"

int in_two(void);
int only_in_gamma(void);

int main(void) {
  puts("printed: by puts");
  tell("in_two is number", in_two());
  tell("only_in_gamma is number", only_in_gamma());
  tell_text("puts is in", object_at((const void*)(uintptr_t)puts).dli_fname);
  char path[4200];
  snprintf(path, sizeof path, "%s/libwanting.so", own_directory());
  void* handle = dlopen(path, RTLD_NOW);
  tell("library that wants what nobody has was opened", handle != NULL);
  if (handle == NULL) {
    const char* complaint = dlerror();
    const char* last = complaint == NULL ? NULL : strrchr(complaint, '/');
    tell_text("dlerror", last == NULL ? "nothing" : last + 1);
  }
  return 0;
}
