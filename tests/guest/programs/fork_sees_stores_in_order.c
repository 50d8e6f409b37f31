// What a fork child sees of another thread's stores is a moment of the past: never a later store without an earlier one. Linux
// keeps to it (the map is locked and stores fault while pages are shared), and libc's lists of threads depend on it.
#include "guest.h"

enum { kPages = 24, kForks = 150 };
static volatile long* page[kPages];
static volatile bool stop;

static void* writer(void* unused) {
  for (long turn = 1; !stop; ++turn)
    for (int i = 0; i < kPages; ++i) __atomic_store_n(page[i], turn, __ATOMIC_RELEASE);
  return unused;
}

// Stored in order 0, 1, 2 ...: a moment shows n, n, n, n - 1, n - 1 ...
static bool is_a_moment(void) {
  for (int i = 1; i < kPages; ++i)
    if (*page[i] > *page[i - 1]) return false;
  return *page[0] - *page[kPages - 1] <= 1;
}

int main(void) {
  char* area = map_island(2 * kPages * PAGE, RW, ANON, -1, 0);
  for (int i = 0; i < kPages; ++i) page[i] = (long*)(area + (size_t)(i * 7 % kPages) * 2 * PAGE);
  pthread_t thread;
  pthread_create(&thread, NULL, writer, NULL);
  while (*page[kPages - 1] == 0) usleep(100);
  int torn = 0;
  for (int i = 0; i < kForks; ++i) {
    pid_t child = MUST(fork());
    if (child == 0) _exit(is_a_moment() ? 0 : 1);
    int status = 0;
    MUST(waitpid(child, &status, 0));
    torn += status != 0;
  }
  stop = true;
  pthread_join(thread, NULL);
  printf("torn: %d\n", torn);
  return 0;
}
