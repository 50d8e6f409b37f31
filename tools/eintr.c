// Counts the calls that fail with EINTR while a timer interrupts the program 5,000 times a second: mmap and munmap never do so natively.
// eintr PAIRS: prints "calls C interrupted I signals S".
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

static volatile sig_atomic_t signals;

static void on_alarm(int number) {
  (void)number;
  ++signals;
}

int main(int argc, char** argv) {
  const long pairs = argc > 1 ? atol(argv[1]) : 100000;
  const size_t page = (size_t)sysconf(_SC_PAGESIZE);

  struct sigaction action = {.sa_handler = on_alarm};  // no SA_RESTART
  sigaction(SIGALRM, &action, NULL);
  const struct itimerval every = {.it_interval = {.tv_usec = 200}, .it_value = {.tv_usec = 200}};
  setitimer(ITIMER_REAL, &every, NULL);

  long calls = 0, interrupted = 0;
  for (long i = 0; i < pairs; ++i) {
    void* memory;
    for (;;) {
      ++calls;
      memory = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (memory != MAP_FAILED) break;
      if (errno != EINTR) return perror("mmap"), 1;
      ++interrupted;
    }
    *(volatile char*)memory = 1;
    for (;;) {
      ++calls;
      if (munmap(memory, page) == 0) break;
      if (errno != EINTR) return perror("munmap"), 1;
      ++interrupted;
    }
  }
  printf("calls %ld interrupted %ld signals %d\n", calls, interrupted, (int)signals);
  return 0;
}
