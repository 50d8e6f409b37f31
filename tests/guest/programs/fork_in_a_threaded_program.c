// fork copies the memory while other threads write it; only the calling thread is in the child. Source: fork(2).
#include "guest.h"

static volatile bool stop;
static char* area;
enum { kPages = 128 };

// Writes the same number to the first and last words of a page: a torn copy of one store would show.
static void* writer(void* argument) {
  long lane = (long)argument;
  for (long number = 1; !stop; ++number) {
    volatile long* page = (volatile long*)(area + (size_t)(number * 4 + lane) % kPages * PAGE);
    page[1] = number;
  }
  return 0;
}

static int threads_alive(void) {
  char line[256];
  int count = 0;
  FILE* status = fopen("/proc/self/status", "r");
  while (fgets(line, sizeof line, status)) sscanf(line, "Threads: %d", &count);
  fclose(status);
  return count;
}

int main(void) {
  area = map_anon(kPages * PAGE);
  char* quiet = map_anon(16 * PAGE);
  pthread_t threads[4];
  for (long i = 0; i < 4; ++i) pthread_create(&threads[i], 0, writer, (void*)i);
  int good = 0;
  for (int round = 0; round < 30; ++round) {
    memset(quiet, 'a' + round % 26, 16 * PAGE);
    pid_t child = MUST(fork());
    if (child == 0) {
      bool right = all_are(quiet, 16 * PAGE, (char)('a' + round % 26)) && threads_alive() == 1;
      long before = 0, after = 0;
      for (int page = 0; page < kPages; ++page) before += ((volatile long*)(area + page * (long)PAGE))[1];
      usleep(1000);
      for (int page = 0; page < kPages; ++page) after += ((volatile long*)(area + page * (long)PAGE))[1];
      memset(area, 0, kPages * PAGE);
      _exit(right && before == after ? 0 : 1);
    }
    int status;
    MUST(waitpid(child, &status, 0));
    good += status == 0;
  }
  stop = true;
  for (int i = 0; i < 4; ++i) pthread_join(threads[i], 0);
  printf("%d of 30 children saw still memory and one thread\n", good);
  return 0;
}
