// A program of the bench measures its own loop, so that the cost of starting it is not counted, and prints "ns N".
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static inline int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static inline void report_ns(int64_t total, int64_t per) { printf("ns %.1f\n", (double)total / (double)per); }

static inline long argument(int argc, char** argv, long otherwise) {
  return argc > 1 ? strtol(argv[1], NULL, 10) : otherwise;
}

static inline void must(int holds, const char* what) {
  if (holds) return;
  perror(what);
  exit(1);
}
