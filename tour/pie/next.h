// One function, compiled into a library (-fpic) and into the main program (-fpie); and a variable that only the library
// defines.
#pragma once

extern int number;  // both define it
int next_number(void);

extern int announced;  // only the library defines it
int* where_library_finds_number(void);
int* where_library_finds_announced(void);
