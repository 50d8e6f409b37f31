// threads_touch [MB]: four threads, each first touches that much fresh memory of its own; ns in all.
#include <pthread.h>
#include <sys/mman.h>

#include "measure.h"

enum { kThreads = 4 };
static size_t bytes_each;

static void* work(void* result) {
  char* memory = mmap(NULL, bytes_each, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  must(memory != MAP_FAILED, "mmap");
  for (size_t i = 0; i < bytes_each; i += 4096) memory[i] = (char)i;
  munmap(memory, bytes_each);
  *(int*)result = 1;
  return NULL;
}

int main(int argc, char** argv) {
  bytes_each = (size_t)argument(argc, argv, 100) * 1000000;
  pthread_t threads[kThreads];
  int done[kThreads] = {0};
  const int64_t start = now_ns();
  for (int i = 0; i < kThreads; ++i) must(pthread_create(&threads[i], NULL, work, &done[i]) == 0, "pthread_create");
  for (int i = 0; i < kThreads; ++i) must(pthread_join(threads[i], NULL) == 0 && done[i], "pthread_join");
  report_ns(now_ns() - start, 1);
  return 0;
}
