// A file that nobody has read before: each page is full of a letter of its own.
#pragma once

#include "guest.h"

enum { PAGES = 32 };

static char byte_of(int page) { return (char)('a' + page % 26); }

static void write_file(const char* name) {
  static char contents[PAGES * PAGE];
  for (int page = 0; page < PAGES; ++page) memset(contents + (size_t)page * PAGE, byte_of(page), PAGE);
  int fd = MUST(open(name, O_WRONLY | O_CREAT, 0600));
  MUST(write(fd, contents, sizeof contents));
  close(fd);
}
