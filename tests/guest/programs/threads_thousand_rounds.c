// A thousand rounds of create and join, with stacks that are used and freed. Source: pthread_create(3).
#include "guest.h"

static void* work(void* argument) {
  volatile char on_stack[40000];
  for (size_t i = 0; i < sizeof on_stack; i += 1000) on_stack[i] = (char)(long)argument;
  char* heap = malloc(20000);
  memset(heap, (int)(long)argument, 20000);
  long sum = on_stack[3000] + heap[19999];
  free(heap);
  return (void*)sum;
}

static volatile int ended;

static void* bump(void* unused) {
  __atomic_add_fetch(&ended, 1, __ATOMIC_SEQ_CST);
  return unused;
}

int main(void) {
  long total = 0;
  for (long round = 0; round < 1000; ++round) {
    pthread_t threads[3];
    for (long i = 0; i < 3; ++i)
      if (pthread_create(&threads[i], 0, work, (void*)((round + i) % 50)) != 0) return 1;
    for (int i = 0; i < 3; ++i) {
      void* sum;
      pthread_join(threads[i], &sum);
      total += (long)sum;
    }
  }
  printf("sum %ld\n", total);

  // Detached threads, and stacks of other sizes.
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  for (int i = 0; i < 100; ++i) {
    pthread_t thread;
    pthread_attr_setstacksize(&attributes, 64 * KIB + (size_t)(i % 8) * MIB);
    if (pthread_create(&thread, &attributes, bump, 0) != 0) return 2;
  }
  while (ended < 100) usleep(100);
  printf("%d detached\n", ended);
  return 0;
}
