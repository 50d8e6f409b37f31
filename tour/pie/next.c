#include "next.h"

int number;

int next_number(void) { return ++number; }

#ifndef __PIE__  // a library's: the main program does not have these
int announced = 42;
int* where_library_finds_number(void) { return &number; }
int* where_library_finds_announced(void) { return &announced; }
#endif
