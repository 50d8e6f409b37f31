// What the library of the chapter "sharing" has, and what one of its users tells.
#pragma once

#include <stdint.h>

enum { kCodePages = 64, kPointerPages = 16 };

extern const unsigned char shared_code[] __attribute__((visibility("hidden")));
extern void* const shared_pointers[] __attribute__((visibility("hidden")));

const unsigned char* code_of_library(void);
void* const* pointers_of_library(void);

struct pages_held {
  uint64_t code[kCodePages], pointers[kPointerPages];  // frame numbers
  uint64_t sum;                                        // of the code's bytes
  uint64_t wrong_pointers;
};
