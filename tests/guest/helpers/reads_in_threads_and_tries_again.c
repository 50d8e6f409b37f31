// Four threads walk over one mapping of the file "data", each in its own order, with a timer's signals in between; a page that
// raises SIGBUS is tried again. Prints how the file's bytes came out, and whether SIGBUS was met.
#include "guest.h"

enum { kPages = 300, kThreads = 4, kTries = 1000000, kStride = 7, kApart = 13 };

static __thread sigjmp_buf back;
static volatile int met;
static const volatile char* file;

static void on_bus(int number) {
  (void)number;
  met = 1;
  siglongjmp(back, 1);
}
static void on_timer(int number) { (void)number; }

static void* walk(void* argument) {
  const long id = (long)argument;
  volatile long good = 0;
  for (volatile long i = 0; i < kPages; ++i) {
    const volatile long page = (i * kStride + id * kApart) % kPages;
    volatile int tries = 0;
    sigsetjmp(back, 1);
    if (tries++ < kTries) good += file[page * (long)PAGE] == 'd';
  }
  return (void*)good;
}

int main(void) {
  struct sigaction bus = {.sa_handler = on_bus, .sa_flags = SA_NODEFER}, timer = {.sa_handler = on_timer, .sa_flags = SA_RESTART};
  MUST(sigaction(SIGBUS, &bus, 0));
  MUST(sigaction(SIGALRM, &timer, 0));
  int fd = MUST(open("data", O_RDONLY));
  file = mmap(0, kPages * PAGE, PROT_READ, MAP_SHARED, fd, 0);
  ualarm(1000, 1000);
  pthread_t threads[kThreads];
  for (long i = 0; i < kThreads; ++i) pthread_create(&threads[i], 0, walk, (void*)i);
  long good = 0;
  for (int i = 0; i < kThreads; ++i) {
    void* count;
    pthread_join(threads[i], &count);
    good += (long)count;
  }
  printf("%ld good bytes, %s\n", good, met ? "after SIGBUS" : "no SIGBUS");
  return 0;
}
