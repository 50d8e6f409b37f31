// Threads with stacks and data that do not fit under --mem. Each joins in time: when a thread ends, the kernel clears its id in
// memory and does not wait for a page that has been evicted.
#include "guest.h"

#define THREADS 8
#define ROUNDS 12
#define PAGES ((size_t)1024)

static char* memory[THREADS];

static void* work(void* argument) {
  const size_t me = (size_t)argument;
  size_t wrong = 0;
  for (size_t i = 0; i < PAGES; ++i) {
    uint64_t* word = (uint64_t*)(memory[me] + i * PAGE);
    if (word[7] != 0 && word[8] != word[7] + i) ++wrong;
    word[7] = word[7] + me + 1;
    word[8] = word[7] + i;
  }
  if (me % 2 == 0) usleep(1000);  // long enough for its stack to be taken
  return (void*)wrong;
}

int main(void) {
  for (size_t t = 0; t < THREADS; ++t) memory[t] = MUST(mmap(NULL, PAGES * PAGE, RW, ANON, -1, 0));
  size_t wrong = 0;
  for (int round = 0; round < ROUNDS; ++round) {
    pthread_t threads[THREADS];
    for (size_t t = 0; t < THREADS; ++t) pthread_create(&threads[t], NULL, work, (void*)t);
    for (size_t t = 0; t < THREADS; ++t) {
      void* result = NULL;
      pthread_join(threads[t], &result);
      wrong += (size_t)result;
    }
  }
  CHECK(wrong == 0);
  for (size_t t = 0; t < THREADS; ++t)
    for (size_t i = 0; i < PAGES; ++i) wrong += ((uint64_t*)(memory[t] + i * PAGE))[7] != ROUNDS * (t + 1);
  CHECK(wrong == 0);
  return 0;
}
