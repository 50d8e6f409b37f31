// Uses all of the library, tells the frames that hold it, and lives on until standard input ends.
#include "../common/children.h"
#include "shared.h"

int main(void) {
  static struct pages_held held;
  const volatile unsigned char* code = code_of_library();
  void* const volatile* pointers = pointers_of_library();
  const size_t page = page_size();
  for (size_t i = 0; i < kCodePages * page; i++) held.sum += code[i];
  for (size_t i = 0; i < kPointerPages * page / sizeof(void*); i++) held.wrong_pointers += pointers[i] != pointers[0];
  for (size_t i = 0; i < kCodePages; i++) held.code[i] = frame_of(code + i * page);
  for (size_t i = 0; i < kPointerPages; i++)
    held.pointers[i] = frame_of((const volatile unsigned char*)pointers + i * page);
  put(&held, sizeof held);
  live_until_input_ends();
  return 0;
}
