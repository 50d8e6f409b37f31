// Thread-local storage: every access model, at start-up and opened later, in threads older and younger than the
// library.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "scene.h"

namespace pagefold::ld_test {
namespace {

using testing::HasSubstr;

struct Model {
  const char* name;
  const char* flag;
};

void PrintTo(const Model& model, std::ostream* out) { *out << model.name; }

const Model kModels[] = {{"GlobalDynamic", "-ftls-model=global-dynamic"},
                         {"LocalDynamic", "-ftls-model=local-dynamic"},
                         {"InitialExec", "-ftls-model=initial-exec"},
                         {"Descriptors", "-mtls-dialect=gnu2"}};

// Three variables with and without contents; each thread must see fresh ones, initialised and aligned.
constexpr const char* kVariables = R"(
#include <stdint.h>
__thread int initialised = 41;
__thread long zero[5];
static __thread char aligned __attribute__((aligned(64))) = 'x';
void visit(const char* who) {
  initialised++;
  zero[4]++;
  say("%s: %d %ld %d %d %c\n", who, initialised, zero[4], (int)zero[0], (int)((uintptr_t)&aligned % 64), aligned);
}
)";

// Two threads older than the open, one younger; they take turns, so that the output has one order.
constexpr const char* kThreads = R"(
#include <dlfcn.h>
#include <pthread.h>
void visit(const char*);
static void (*call)(const char*) = CALL;
static pthread_barrier_t turn[3];
static void* old_thread(void* number) {
  long i = (long)number;
  pthread_barrier_wait(&turn[i]);
  call(i ? "second old thread" : "first old thread");
  call(i ? "second old thread" : "first old thread");
  pthread_barrier_wait(&turn[i]);
  return 0;
}
static void* young_thread(void* unused) { call("young thread"); return unused; }
int main(void) {
  pthread_t thread[3];
  for (long i = 0; i < 2; ++i) {
    pthread_barrier_init(&turn[i], 0, 2);
    pthread_create(&thread[i], 0, old_thread, (void*)i);
  }
  if (!call) {
    void* a = dlopen("a.so", RTLD_NOW);
    if (!a) say("%s\n", dlerror());
    call = dlsym(a, "visit");
  }
  call("main");
  for (int i = 0; i < 2; ++i) { pthread_barrier_wait(&turn[i]); pthread_barrier_wait(&turn[i]); }
  pthread_create(&thread[2], 0, young_thread, 0);
  for (int i = 2; i >= 0; --i) pthread_join(thread[i], 0);
  call("main");
}
)";

constexpr const char* kVisits = R"(main: 42 1 0 0 x
first old thread: 42 1 0 0 x
first old thread: 43 2 0 0 x
second old thread: 42 1 0 0 x
second old thread: 43 2 0 0 x
young thread: 42 1 0 0 x
main: 43 2 0 0 x
)";

class LoaderTls : public testing::TestWithParam<Model> {};

TEST_P(LoaderTls, StartUp) {
  Scene scene;
  scene.library("a", kVariables, {.flags = {GetParam().flag}});
  scene.program(kThreads, {.needs = {"a"}, .flags = {"-DCALL=visit"}});
  EXPECT_EQ(agreed(scene).out, kVisits);
}

TEST_P(LoaderTls, OpenedWhileThreadsRun) {
  Scene scene;
  scene.library("a", kVariables, {.flags = {GetParam().flag}});
  scene.program(kThreads, {.flags = {"-DCALL=0"}});
  EXPECT_EQ(agreed(scene).out, kVisits);
}

// Another library's and the program's variables through the same model, so that the loader must look the symbol up.
TEST_P(LoaderTls, VariableOfAnotherLibrary) {
  if (std::string(GetParam().name) == "LocalDynamic") GTEST_SKIP() << "that model is for a library's own variables";
  Scene scene;
  scene.library("owner", "__thread int shared = 5;");
  scene.library("a", "extern __thread int shared; void visit(const char* who) { say(\"%s %d\\n\", who, shared++); }",
                {.needs = {"owner"}, .flags = {GetParam().flag}});
  scene.program(kThreads, {.flags = {"-DCALL=0"}});
  EXPECT_THAT(agreed(scene).out, HasSubstr("young thread 5\nmain 6\n"));
}

INSTANTIATE_TEST_SUITE_P(Model, LoaderTls, testing::ValuesIn(kModels),
                         [](const auto& info) { return info.param.name; });

TEST(LoaderTlsRules, LocalExecOfTheProgramBesideLibraries) {
  Scene scene;
  scene.library("a", kVariables);
  for (const char* kind : {"-pie", "-no-pie"}) {
    scene.program(R"(
#include <stdint.h>
void visit(const char*);
__thread int mine = 7;
__thread char wide[3] __attribute__((aligned(256))) = "ab";
__thread int zero;
int main(void) { visit("main"); say("%d %s %d %d\n", mine, wide, (int)((uintptr_t)wide % 256), zero); }
)",
                  {.needs = {"a"}, .flags = {kind}});
    EXPECT_EQ(agreed(scene).out, "main: 42 1 0 0 x\n7 ab 0 0\n");
  }
}

TEST(LoaderTlsRules, UndefinedWeakVariableIsNullInEveryModel) {
  Scene scene;
  for (const Model& model : kModels) {
    if (std::string(model.name) == "LocalDynamic") continue;
    scene.library("a", "extern __thread int nowhere __attribute__((weak)); int has(void) { return &nowhere != 0; }",
                  {.flags = {model.flag}});
    scene.program("int has(void); int main(void) { has(); say(\"alive\\n\"); }", {.needs = {"a"}});
    EXPECT_EQ(agreed(scene).out, "alive\n") << model.name;
  }
}

// Runs a function in a thread of its own and waits for it.
constexpr const char* kInAThread = R"(
#include <pthread.h>
static void in_a_thread(void* (*work)(void*), void* argument) {
  pthread_t thread;
  pthread_create(&thread, 0, work, argument);
  pthread_join(thread, 0);
}
)";

TEST(LoaderTlsRules, DlsymGivesTheCallingThreadsVariable) {
  Scene scene;
  scene.library("a", "__thread int value = 3; int get(void) { return value; }");
  scene.program(std::string(kInAThread) + R"(
#include <dlfcn.h>
static void* a;
static void* look(void* unused) {
  int* value = dlsym(a, "value");
  int (*get)(void) = dlsym(a, "get");
  *value += 10;
  say("%d\n", get());
  return unused;
}
int main(void) {
  a = dlopen("a.so", RTLD_NOW);
  look(0);
  in_a_thread(look, 0);
  look(0);
}
)");
  EXPECT_EQ(agreed(scene).out, "13\n13\n23\n");
}

TEST(LoaderTlsRules, ClosedAndOpenedAgainIsFreshInEveryThread) {
  Scene scene;
  scene.library("a", "__thread int value = 3; int next(void) { return ++value; }");
  scene.program(R"(
#include <dlfcn.h>
#include <pthread.h>
static pthread_barrier_t turn;
static int (*next)(void);
static void* other(void* unused) {
  for (int i = 0; i < 3; ++i) {
    pthread_barrier_wait(&turn);
    int one = next(), two = next();
    say("thread %d %d\n", one, two);
    pthread_barrier_wait(&turn);
  }
  return unused;
}
int main(void) {
  pthread_t thread;
  pthread_barrier_init(&turn, 0, 2);
  pthread_create(&thread, 0, other, 0);
  for (int i = 0; i < 3; ++i) {
    void* a = dlopen("a.so", RTLD_NOW);
    next = dlsym(a, "next");
    say("main %d\n", next());
    pthread_barrier_wait(&turn);
    pthread_barrier_wait(&turn);
    dlclose(a);
  }
  pthread_join(thread, 0);
}
)");
  EXPECT_EQ(agreed(scene).out, "main 4\nthread 4 5\nmain 4\nthread 4 5\nmain 4\nthread 4 5\n");
}

TEST(LoaderTlsRules, TwoHundredModulesAtOnce) {
  Scene scene;
  scene.library("a", "__thread int value = 3; int next(void) { return ++value; }", {.soname = false});
  for (int i = 0; i < 200; ++i) scene.make({"cp", "a.so", "t" + std::to_string(i) + ".so"});
  scene.program(std::string(kInAThread) + R"(
#include <dlfcn.h>
#include <stdio.h>
static int (*next[200])(void);
static void* all(void* unused) {
  int sum = 0;
  for (int i = 0; i < 200; ++i) sum += next[i]();
  say("%d\n", sum);
  return unused;
}
int main(void) {
  char name[20];
  for (int i = 0; i < 200; ++i) {
    snprintf(name, sizeof name, "t%d.so", i);
    next[i] = dlsym(dlopen(name, RTLD_NOW), "next");
  }
  all(0);
  in_a_thread(all, 0);
  all(0);
}
)");
  EXPECT_EQ(agreed(scene).out, "800\n800\n1000\n");
}

TEST(LoaderTlsRules, StaticModelThatDoesNotFitIsRefused) {
  Scene scene;
  scene.library("a", "__thread char large[100000]; char* get(void) { return large; }",
                {.flags = {"-ftls-model=initial-exec"}});
  scene.program(
      "#include <dlfcn.h>\nint main(void) { say(\"%d\\n\", dlopen(\"a.so\", RTLD_NOW) == 0); say(\"%s\\n\", "
      "dlerror()); }");
  EXPECT_EQ(agreed(scene).out, "1\nSCENE/a.so: cannot allocate memory in static TLS block\n");
}

TEST(LoaderTlsRules, LargeAndStronglyAlignedBlocks) {
  Scene scene;
  scene.library("a", R"(
#include <stdint.h>
__thread char large[1 << 20];
__thread char page __attribute__((aligned(4096))) = 'p';
void visit(const char* who) { large[99999]++; say("%s: %d %c %d\n", who, large[99999], page, (int)((uintptr_t)&page % 4096)); }
)");
  scene.program(kThreads, {.needs = {"a"}, .flags = {"-DCALL=visit"}});
  EXPECT_THAT(agreed(scene).out, HasSubstr("young thread: 1 p 0\n"));
  scene.program(kThreads, {.flags = {"-DCALL=0"}});
  EXPECT_THAT(agreed(scene).out, HasSubstr("young thread: 1 p 0\n"));
}

// A thread_local object's destructor belongs to its thread and keeps its library: dlclose waits for it.
TEST(LoaderTlsRules, DestructorsRunWhenTheirThreadEndsAndKeepTheLibrary) {
  Scene scene;
  scene.library("a", R"(
struct Local { const char* who = "nobody"; ~Local() { say("~%s\n", who); } };
static thread_local Local local;
extern "C" void visit(const char* who) { local.who = who; }
ON_UNLOAD unload() { say("-a\n"); }
)",
                {.flags = {"-lstdc++"}, .language = "c++"});
  scene.program(std::string(kInAThread) + R"(
#include <dlfcn.h>
static void* thread_of(void* name) {
  void* a = dlopen("a.so", RTLD_NOW);
  void (*visit)(const char*) = dlsym(a, "visit");
  visit(name);
  say("closed: %d\n", dlclose(a));
  say("still there: %d\n", dlopen("a.so", RTLD_NOW | RTLD_NOLOAD) != 0);
  return 0;
}
int main(void) {
  in_a_thread(thread_of, "thread");
  say("joined\n");
  void* a = dlopen("a.so", RTLD_NOW);
  void (*visit)(const char*) = dlsym(a, "visit");
  visit("main");
  dlclose(a);
  say("end of main\n");
}
)");
  EXPECT_EQ(agreed(scene).out, "closed: 0\nstill there: 1\n~thread\njoined\nend of main\n~main\n-a\n");
}

TEST(LoaderTlsRules, ErrnoOfEachThreadIsItsOwn) {
  Scene scene;
  scene.library("a", "#include <errno.h>\nint* where(void) { return &errno; }");
  scene.program(std::string(kInAThread) + R"(
#include <errno.h>
int* where(void);
static void* other(void* of_main) { errno = 5; say("%d %d\n", where() == &errno, where() != of_main); return 0; }
int main(void) {
  errno = 3;
  in_a_thread(other, where());
  say("%d\n", errno);
}
)",
                {.needs = {"a"}});
  EXPECT_EQ(agreed(scene).out, "1 1\n3\n");
}

TEST(LoaderTlsRules, ThreadCreatedInAConstructorHasTheStaticBlocks) {
  Scene scene;
  scene.library("a", std::string(kInAThread) + R"(
__thread int value = 12;
static void* look(void* unused) { say("%d\n", value); return unused; }
ON_LOAD load(void) { in_a_thread(look, 0); }
)");
  scene.program("int main(void) { say(\"main\\n\"); }", {.needs = {"a"}});
  EXPECT_EQ(agreed(scene).out, "12\nmain\n");
}

}  // namespace
}  // namespace pagefold::ld_test
