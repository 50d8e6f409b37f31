// The main program's and the library's version of one function, and who uses whose variables.
#include "../common/objects.h"

#include "next.h"

static void* library(void) {
  void* handle =
      dlopen(object_at((const void*)(uintptr_t)where_library_finds_number).dli_fname, RTLD_NOW | RTLD_NOLOAD);
  if (handle == NULL) die("dlopen");
  return handle;
}

// Loads of an address from a table: `mov slot(%rip), register` (48 8b, operand 5, 32 bits) whose slot has that address.
static long loads_of_address(struct code code, const int* address) {
  long loads = 0;
  for (size_t i = 0; i + 7 <= code.size; i++) {
    if (code.start[i] != 0x48 || code.start[i + 1] != 0x8b || (code.start[i + 2] & 0xc7) != 5) continue;
    int32_t distance;
    memcpy(&distance, (const unsigned char*)(uintptr_t)code.start + i + 3, sizeof distance);
    loads += *(const int* const volatile*)(uintptr_t)(code.start + i + 7 + distance) == address;
  }
  return loads;
}

static void tell_code(const char* which, const void* function) {
  const struct code code = code_of(function);
  char key[64];
  snprintf(key, sizeof key, "%s, loads of the variable's address from the GOT", which);
  tell(key, loads_of_address(code, &number));
  snprintf(key, sizeof key, "%s, bytes", which);
  tell(key, (long)code.size);
  snprintf(key, sizeof key, "%s, code at", which);
  tell_address(key, code.start);
  snprintf(key, sizeof key, "%s, code", which);
  tell_bytes(key, code.start, code.size);
}

static int in_main_program(const void* address) {
  return object_at(address).dli_fbase == object_at((const void*)(uintptr_t)library).dli_fbase;
}

int main(void) {
  void* handle = library();
  int (*of_library)(void) = (int (*)(void))(uintptr_t)dlsym(handle, "next_number");
  const int* own_number = dlsym(handle, "number");
  const int* own_announced = dlsym(handle, "announced");
  if (of_library == NULL || own_number == NULL || own_announced == NULL) die("dlsym");
  tell_code("fpie", (const void*)(uintptr_t)next_number);
  tell_code("fpic", (const void*)(uintptr_t)of_library);

  tell("library has a variable of its own", own_number != &number);
  next_number();
  of_library();
  tell("main program's variable, after both counted", number);
  tell("library's variable, after both counted", *own_number);
  tell("library's code finds the main program's", where_library_finds_number() == &number);

  announced++;
  tell("variable that the library defines lies in the main program", in_main_program(&announced));
  tell("library's code finds it there", where_library_finds_announced() == &announced);
  tell("it began with the library's value and was counted up to", announced);
  tell("at its place in the library there is still", *own_announced);
  return 0;
}
