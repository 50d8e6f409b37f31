// siglongjmp out of SIGSEGV and SIGBUS handlers, ten thousand times, also from an alternate stack and in threads.
// Source: sigsetjmp(3), sigaltstack(2).
#include "guest.h"

static __thread sigjmp_buf back;

static void jump(int number) { siglongjmp(back, number); }

static long storm(char* none, char* behind, int rounds) {
  volatile long segv = 0, bus = 0;
  for (volatile int i = 0; i < rounds; ++i) {
    int number = sigsetjmp(back, 1);
    if (number == 0) {
      if (i % 3 == 0) (void)*(volatile char*)behind;
      *(volatile char*)none = 1;
    }
    segv += number == SIGSEGV;
    bus += number == SIGBUS;
  }
  return segv * 100000 + bus;
}

static char *none, *behind;

static void* in_a_thread(void* stack) {
  MUST(sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = 64 * KIB}, 0));
  return (void*)storm(none, behind, 2000);
}

int main(void) {
  none = map_island(PAGE, PROT_NONE, ANON, -1, 0);
  behind = map_island(2 * PAGE, PROT_READ, MAP_SHARED, make_file_read_only("file", 10), 0) + PAGE;
  struct sigaction action = {.sa_handler = jump, .sa_flags = SA_ONSTACK};
  MUST(sigaction(SIGSEGV, &action, 0));
  MUST(sigaction(SIGBUS, &action, 0));
  printf("plain: %ld\n", storm(none, behind, 9000));
  MUST(sigaltstack(&(stack_t){.ss_sp = map_anon(64 * KIB), .ss_size = 64 * KIB}, 0));
  printf("alternate: %ld\n", storm(none, behind, 9000));
  pthread_t threads[4];
  for (int i = 0; i < 4; ++i) pthread_create(&threads[i], 0, in_a_thread, map_anon(64 * KIB));
  for (int i = 0; i < 4; ++i) {
    void* result;
    pthread_join(threads[i], &result);
    printf("thread: %ld\n", (long)result);
  }
  return 0;
}
