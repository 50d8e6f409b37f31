// A scan over 24 MiB, twice, and at each of its steps eight touches of a hot set of 2 MiB: what a policy should keep is the
// hot set.
#include "../common/probe.h"

enum { kPages = (24 << 20) / 4096, kHot = (2 << 20) / 4096, kPasses = 2, kHotTouches = 8 };

static unsigned long long state = 88172645463325252ULL;
static size_t draw(size_t below) {  // xorshift64
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (size_t)(state % below);
}

int main(void) {
  unsigned char* memory = mmap(NULL, (size_t)(kPages + kHot) * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) die("mmap");
  volatile unsigned char* hot = memory + (size_t)kPages * 4096;
  volatile unsigned char* scanned = memory;
  long stores = 0;
  for (int pass = 0; pass < kPasses; pass++)
    for (size_t page = 0; page < kPages; page++) {
      scanned[page * 4096]++;
      for (int i = 0; i < kHotTouches; i++, stores++) hot[draw(kHot) * 4096]++;
    }
  long missing = 0;
  for (size_t page = 0; page < kPages; page++) missing += scanned[page * 4096] != kPasses;
  unsigned long sum = 0;
  for (size_t page = 0; page < kHot; page++) sum += hot[page * 4096];
  tell("scanned pages", kPages);
  tell("hot pages", kHot);
  tell("stores to the hot set, modulo 256", stores % 256);
  tell("found there, modulo 256", (long)(sum % 256));
  tell("scanned pages with a wrong count", missing);
  return 0;
}
