// What the proof's stores share. Each is `NAME write PATH N [mode]`, which stores records 1 to N, each durably, and tells "stored i"
// after each; and `NAME check PATH`, which asks whether the files are sound and everything that had been told is there.
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RECORD = 300 };

// The contents of record i.
static inline void make_record(int i, char* bytes) {
  for (int k = 0; k < RECORD; ++k) bytes[k] = (char)('a' + (i * 7 + k) % 26);
}

static inline int is_record(int i, const void* bytes, size_t length) {
  char wanted[RECORD];
  make_record(i, wanted);
  return length == RECORD && memcmp(bytes, wanted, RECORD) == 0;
}

static inline void tell(int i) {
  printf("stored %d\n", i);
  fflush(stdout);
}

// The last record that had been told when the power was cut.
static inline int told(void) {
  const char* path = getenv("PAGEFOLD_CRASH_OUTPUT");
  FILE* output = path != NULL ? fopen(path, "r") : NULL;
  int last = 0;
  while (output != NULL && fscanf(output, "stored %d\n", &last) == 1) continue;
  return last;
}

static inline int broken(const char* what, const char* why) {
  printf("%s: %s\n", what, why);
  return 1;
}

static inline int lost(int found) {
  printf("record %d had been told, but only %d are there\n", told(), found);
  return 1;
}
