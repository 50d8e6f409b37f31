// Each thread has its own thread-local variables, initialised or zero; a forked child keeps those of the thread that
// forked; keys run their destructors. Source: ELF TLS; pthread_key_create(3).
#include "guest.h"

static __thread int initialised = 7;
static __thread char zeroed[3 * 4096];
static pthread_key_t key;
static int destroyed;

static void destroy(void* value) { __atomic_add_fetch(&destroyed, (int)(long)value, __ATOMIC_SEQ_CST); }

static void* work(void* argument) {
  long number = (long)argument;
  bool fresh = initialised == 7 && all_are(zeroed, sizeof zeroed, 0);
  initialised = (int)number;
  memset(zeroed, (int)number, sizeof zeroed);
  pthread_setspecific(key, argument);
  int status = -1;
  pid_t child = fork();
  if (child == 0)
    _exit(initialised == number && zeroed[5000] == number && pthread_getspecific(key) == argument ? 0 : 1);
  waitpid(child, &status, 0);
  errno = (int)number;
  usleep(1000);
  return (void*)(long)(fresh && status == 0 && initialised == number && errno == number);
}

int main(void) {
  pthread_key_create(&key, destroy);
  pthread_t threads[10];
  long good = 0;
  for (long i = 0; i < 10; ++i) pthread_create(&threads[i], 0, work, (void*)(i + 1));
  for (int i = 0; i < 10; ++i) {
    void* result;
    pthread_join(threads[i], &result);
    good += (long)result;
  }
  printf("%ld of 10 threads had their own storage, destroyed %d, ours is still %d\n", good, destroyed, initialised);
  return 0;
}
