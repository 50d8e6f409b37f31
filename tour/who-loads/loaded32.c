// A 32-bit program without the C library: it calls a function of a 32-bit library, which the 32-bit loader has mapped
// and bound, and shows its own maps. It also shows the library's code, byte by byte.
#include <stddef.h>

int* where_counter(void);
int next_count(void);

enum { kExit = 1, kRead = 3, kWrite = 4, kOpen = 5, kCodeBytes = 52 };

static int call(int number, int a, int b, int c) {
  int result;
  __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c) : "memory");
  return result;
}

static void print(const char* text) {
  size_t length = 0;
  while (text[length] != 0) length++;
  call(kWrite, 1, (int)text, (int)length);
}

static void print_hex(unsigned value, int digits) {
  char text[9] = {0};
  for (int i = 0; i < digits; i++) text[i] = "0123456789abcdef"[(value >> (4 * (digits - 1 - i))) & 15];
  print(text);
}

static void print_maps(void) {
  char buffer[4096];
  const int fd = call(kOpen, (int)"/proc/self/maps", 0, 0);
  for (int got; (got = call(kRead, fd, (int)buffer, sizeof buffer)) > 0;) call(kWrite, 1, (int)buffer, got);
}

void _start(void);
void _start(void) {
  print("bytes in a pointer: ");
  print_hex(sizeof(void*), 1);
  next_count();
  print("\nlibrary's function counted to: ");
  print_hex((unsigned)next_count(), 1);
  print("\nits variable, it found, lies at: ");
  print_hex((unsigned)where_counter(), 8);
  // The address of the function as bound, not of a stub: it goes through the GOT.
  int (*volatile function)(void) = next_count;
  const unsigned char* code = (const unsigned char*)function;
  print("\nlibrary, code at: ");
  print_hex((unsigned)code, 8);
  print("\nlibrary, code:");
  for (int i = 0; i < kCodeBytes; i++) {
    print(" ");
    print_hex(code[i], 2);
  }
  print("\n");
  print_maps();
  call(kExit, 0, 0, 0);
  __builtin_unreachable();
}
