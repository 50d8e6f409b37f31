// Opening, closing, thread-local storage, fork and signals at the same time. Bounded in time; what is printed does not
// depend on the order of events: only that nothing failed.
#include <gtest/gtest.h>

#include "scene.h"

namespace pagefold::ld_test {
namespace {

void build_libraries(Scene& scene) {
  scene.library("base", "__thread long base_calls; long base(void) { return ++base_calls; }");
  scene.library("first", "long plus(long x) { return x + 1; } long use_first(long x) { return plus(x); }",
                {.needs = {"base"}, .flags = {"-Wl,-z,lazy"}});
  for (int i = 0; i < 6; ++i) {
    scene.library(
        "s" + std::to_string(i),
        "long base(void); static __thread long calls = 100; static long loads; ON_LOAD load(void) { loads++; }\n"
        "ON_UNLOAD unload(void) { loads--; }\nlong use(void) { return loads != 1 || base() < 1 || ++calls <= 100; }",
        {.needs = {"base"},
         .flags = {i % 2 ? "-mtls-dialect=gnu2" : "-mtls-dialect=gnu", i % 3 ? "-Wl,-z,lazy" : "-Wl,-z,now"}});
  }
}

constexpr const char* kStress = R"(
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
long use_first(long);
static volatile int stop;
static volatile long failures, opens, forks, signals_seen;
static __thread long own = 7;
static void failed(const char* what) {
  if (__sync_fetch_and_add(&failures, 1) < 5) say("%s: %s\n", what, dlerror());
}
static void* opener(void* number) {
  unsigned seed = (unsigned)(long)number;
  char name[16];
  while (!stop) {
    snprintf(name, sizeof name, "s%d.so", rand_r(&seed) % 6);
    void* handle = dlopen(name, rand_r(&seed) % 2 ? RTLD_NOW : RTLD_LAZY);
    if (!handle) { failed("dlopen"); continue; }
    long (*use)(void) = dlsym(handle, "use");
    if (!use || use()) failed("use");
    if (dlclose(handle)) failed("dlclose");
    if (own != 7) failed("own");
    __sync_fetch_and_add(&opens, 1);
  }
  return 0;
}
static int count_one(struct dl_phdr_info* info, size_t size, void* count) {
  *(int*)count += info->dlpi_phnum > 0 && size > 0;
  return 0;
}
static void* walker(void* unused) {
  while (!stop) {
    int count = 0;
    Dl_info info;
    struct dl_find_object found;
    dl_iterate_phdr(count_one, &count);
    if (count < 3) failed("dl_iterate_phdr");
    if (!dladdr((void*)walker, &info)) failed("dladdr");
    if (_dl_find_object((void*)walker, &found)) failed("_dl_find_object");
  }
  return unused;
}
static void* short_lived(void* unused) { if (own++ != 7) failed("fresh storage"); return unused; }
static void* creator(void* unused) {
  while (!stop) {
    pthread_t thread;
    if (pthread_create(&thread, 0, short_lived, 0)) { failed("pthread_create"); continue; }
    pthread_join(thread, 0);
  }
  return unused;
}
static void* forker(void* unused) {
  while (!stop) {
    pid_t child = fork();
    if (child == 0) {
      char* memory = malloc(100000);
      _exit(memory && use_first(5) == 6 && own == 7 ? 0 : 1);
    }
    int status = 0;
    if (child < 0) { failed("fork"); continue; }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
    if (status) failed("child");
    __sync_fetch_and_add(&forks, 1);
    usleep(2000);
  }
  return unused;
}
static void alarm_came(int number) { own += number - number; signals_seen++; }
int main(void) {
  struct sigaction action = {.sa_handler = alarm_came, .sa_flags = SA_RESTART};
  sigaction(SIGALRM, &action, 0);
  struct itimerval every = {{0, 1000}, {0, 1000}};
  setitimer(ITIMER_REAL, &every, 0);
  pthread_t thread[7];
  void* (*const work[7])(void*) = {opener, opener, opener, walker, creator, forker, opener};
  for (long i = 0; i < 7; ++i) pthread_create(&thread[i], 0, work[i], (void*)i);
  struct timespec end, now;
  clock_gettime(CLOCK_MONOTONIC, &end);
  do {
    usleep(50000);
    clock_gettime(CLOCK_MONOTONIC, &now);
  } while (now.tv_sec * 1000 + now.tv_nsec / 1000000 < end.tv_sec * 1000 + end.tv_nsec / 1000000 + MILLISECONDS);
  stop = 1;
  for (int i = 0; i < 7; ++i) pthread_join(thread[i], 0);
  say("%ld failures, opened %d, forked %d, interrupted %d\n", failures, opens > 20, forks > 3, signals_seen > 3);
}
)";

TEST(LoaderStress, OpenCloseStorageForkAndSignalsInParallel) {
  Scene scene;
  build_libraries(scene);
  scene.program(kStress, {.needs = {"first"}, .flags = {"-DMILLISECONDS=1500", "-Wl,-z,lazy"}});
  EXPECT_EQ(agreed(scene, {.ways = {Way::Interpreter}}).out, "0 failures, opened 1, forked 1, interrupted 1\n");
}

// What a child may rely on in glibc 2.36 when it was forked during an open of another thread: functions of loaded
// libraries, bound already or not, and memory. Not dlopen, dl_iterate_phdr or new thread-local blocks: the genuine
// loader hangs in them.
TEST(LoaderStress, ForkWhileAnotherThreadOpens) {
  Scene scene;
  build_libraries(scene);
  scene.program(R"(
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
long use_first(long);
static volatile int stop;
static void* opener(void* unused) {
  while (!stop) { void* a = dlopen("s2.so", RTLD_NOW); if (!a || dlclose(a)) say("failed\n"); }
  return unused;
}
int main(void) {
  pthread_t thread;
  pthread_create(&thread, 0, opener, 0);
  int good = 0;
  for (int i = 0; i < 150; ++i) {
    pid_t child = fork();
    if (child == 0) {
      char* memory = malloc(100000);
      _exit(memory && use_first(1) == 2 ? 0 : 1);
    }
    int status = 1;
    waitpid(child, &status, 0);
    good += status == 0;
  }
  stop = 1;
  pthread_join(thread, 0);
  say("%d\n", good);
}
)",
                {.needs = {"first"}, .flags = {"-Wl,-z,lazy"}});
  EXPECT_EQ(agreed(scene, {.ways = {Way::Interpreter}}).out, "150\n");
}

TEST(LoaderStress, ManyThreadsMakeTheSameLazyCallFirst) {
  Scene scene;
  std::string functions;
  std::string calls;
  for (int i = 0; i < 200; ++i) {
    functions += "int f" + std::to_string(i) + "(int x) { return x + " + std::to_string(i) + "; }\n";
    calls += "sum += f" + std::to_string(i) + "(1);\n";
  }
  std::string declared = functions;
  for (std::size_t at = 0; (at = declared.find(" { return", at)) != std::string::npos;)
    declared.replace(at, declared.find('}', at) + 1 - at, ";");
  scene.library("a", functions);
  scene.program("#include <pthread.h>\n" + declared + R"(
static pthread_barrier_t start;
static void* call(void* out) {
  long sum = 0;
  pthread_barrier_wait(&start);
)" + calls + R"(
  *(long*)out = sum;
  return 0;
}
int main(void) {
  pthread_t thread[8];
  long sum[8];
  pthread_barrier_init(&start, 0, 8);
  for (int i = 0; i < 8; ++i) pthread_create(&thread[i], 0, call, &sum[i]);
  long all = 0;
  for (int i = 0; i < 8; ++i) { pthread_join(thread[i], 0); all += sum[i]; }
  say("%ld\n", all);
}
)",
                {.needs = {"a"}, .flags = {"-Wl,-z,lazy"}});
  EXPECT_EQ(agreed(scene).out, "160800\n");
}

}  // namespace
}  // namespace pagefold::ld_test
