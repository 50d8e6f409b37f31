// compute [MILLIONS]: arithmetic on a small array that stays in the caches, no system call; ns in all.
#include "measure.h"

int main(int argc, char** argv) {
  const long millions = argument(argc, argv, 300);
  static uint64_t cells[4096];
  uint64_t state = 1;
  const int64_t start = now_ns();
  for (long i = 0; i < millions * 1000000; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    cells[state >> 52] += state;
  }
  const int64_t total = now_ns() - start;
  report_ns(total, 1);
  return cells[0] == 42;
}
