// dlclose: when a library goes, what goes with it, and what must not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "scene.h"

namespace pagefold::ld_test {
namespace {

using testing::HasSubstr;

std::string tells(const std::string& name) {
  return "ON_LOAD load(void) { say(\"+" + name + "\\n\"); }\nON_UNLOAD unload(void) { say(\"-" + name + "\\n\"); }\n";
}

constexpr const char* kHeader = R"(
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static int mapped(const char* name) {
  char line[4096];
  int lines = 0;
  FILE* maps = fopen("/proc/self/maps", "r");
  while (fgets(line, sizeof line, maps)) lines += strstr(line, name) != 0;
  fclose(maps);
  return lines;
}
static void* opened(const char* name, int flags) {
  void* handle = dlopen(name, flags);
  if (!handle) say("%s\n", dlerror());
  return handle;
}
)";

TEST(LoaderUnload, LastCloseRemovesTheMappings) {
  Scene scene;
  scene.library("a", tells("a") + "int value = 1; char big[100000];");
  scene.program(std::string(kHeader) + R"(
int main(void) {
  void* a = opened("a.so", RTLD_NOW);
  opened("a.so", RTLD_NOW);
  int* value = dlsym(a, "value");
  *value = 5;
  say("%d\n", mapped("/a.so") > 0);
  dlclose(a);
  say("%d %d\n", mapped("/a.so") > 0, *value);
  dlclose(a);
  say("%d\n", mapped("/a.so"));
  a = opened("a.so", RTLD_NOW);
  say("fresh %d\n", *(int*)dlsym(a, "value"));
}
)");
  EXPECT_EQ(agreed(scene).out, "+a\n1\n1 5\n-a\n0\n+a\nfresh 1\n-a\n");
}

TEST(LoaderUnload, DependenciesGoWithTheirLastUser) {
  Scene scene;
  scene.library("c", tells("c")).library("b", tells("b"), {.needs = {"c"}}).library("a", tells("a"), {.needs = {"c"}});
  scene.program(std::string(kHeader) + R"(
int main(void) {
  void* a = opened("a.so", RTLD_NOW);
  void* b = opened("b.so", RTLD_NOW);
  dlclose(a);
  say("a closed, c %d\n", mapped("/c.so") > 0);
  dlclose(b);
  say("b closed, c %d\n", mapped("/c.so") > 0);
}
)");
  EXPECT_EQ(agreed(scene).out, "+c\n+a\n+b\n-a\na closed, c 1\n-b\n-c\nb closed, c 0\n");
}

// user.so was bound to provider.so though it does not need it: the binding alone keeps provider.so.
TEST(LoaderUnload, ABindingKeepsTheDefiner) {
  Scene scene;
  scene.library("provider", tells("provider") + "int provided(void) { return 4; }");
  scene.library("user", tells("user") + "int provided(void); int use(void) { return provided(); }");
  scene.program(std::string(kHeader) + R"(
int main(void) {
  void* provider = opened("provider.so", RTLD_NOW | RTLD_GLOBAL);
  void* user = opened("user.so", RTLD_NOW);
  dlclose(provider);
  say("provider %d\n", mapped("/provider.so") > 0);
  int (*use)(void) = dlsym(user, "use");
  say("%d\n", use());
  dlclose(user);
  say("provider %d, user %d\n", mapped("/provider.so") > 0, mapped("/user.so") > 0);
}
)");
  EXPECT_EQ(agreed(scene).out, "+provider\n+user\nprovider 1\n4\n-user\n-provider\nprovider 0, user 0\n");
}

TEST(LoaderUnload, ALazyBindingMadeLaterKeepsTheDefinerToo) {
  Scene scene;
  scene.library("provider", tells("provider") + "int provided(void) { return 4; }");
  scene.library("user", tells("user") + "int provided(void); int use(void) { return provided(); }",
                {.flags = {"-Wl,-z,lazy"}});
  scene.program(std::string(kHeader) + R"(
int main(void) {
  void* provider = opened("provider.so", RTLD_LAZY | RTLD_GLOBAL);
  void* user = opened("user.so", RTLD_LAZY);
  int (*use)(void) = dlsym(user, "use");
  say("%d\n", use());
  dlclose(provider);
  say("provider %d, %d\n", mapped("/provider.so") > 0, use());
  dlclose(user);
  say("provider %d, user %d\n", mapped("/provider.so") > 0, mapped("/user.so") > 0);
}
)");
  EXPECT_EQ(agreed(scene).out, "+provider\n+user\n4\nprovider 1, 4\n-user\n-provider\nprovider 0, user 0\n");
}

// A symbol found through the global scope ties its definer to the finder; one found through a handle does not.
TEST(LoaderUnload, LookedUpThroughTheGlobalScopeStaysAndThroughItsHandleGoes) {
  Scene scene;
  scene.library("a", "int in_a(void) { return 1; }").library("b", "int in_b(void) { return 1; }");
  scene.program(std::string(kHeader) + R"(
int main(void) {
  void* a = opened("a.so", RTLD_NOW | RTLD_GLOBAL);
  void* b = opened("b.so", RTLD_NOW | RTLD_GLOBAL);
  say("%d %d\n", dlsym(RTLD_DEFAULT, "in_a") != 0, dlsym(b, "in_b") != 0);
  dlclose(a);
  dlclose(b);
  say("%d %d\n", dlsym(RTLD_DEFAULT, "in_a") != 0, dlsym(RTLD_DEFAULT, "in_b") != 0);
  say("%d %d\n", mapped("/a.so") > 0, mapped("/b.so") > 0);
}
)");
  EXPECT_EQ(agreed(scene).out, "1 1\n1 0\n1 0\n");
}

TEST(LoaderUnload, AtexitHandlersOfALibraryRunWhenItIsClosed) {
  Scene scene;
  scene.library(
      "a",
      "#include <stdlib.h>\nstatic void bye(void) { say(\"atexit of a\\n\"); }\nON_LOAD load(void) { atexit(bye); }\n"
      "ON_UNLOAD unload(void) { say(\"-a\\n\"); }");
  scene.program(std::string(kHeader) + "int main(void) { dlclose(opened(\"a.so\", RTLD_NOW)); say(\"end\\n\"); }");
  EXPECT_EQ(agreed(scene).out, "-a\natexit of a\nend\n");
}

TEST(LoaderUnload, StaticObjectsAreDestroyedInReverse) {
  Scene scene;
  scene.library("a",
                "struct Told { const char* name; Told(const char* n) : name(n) { say(\"+%s\\n\", n); } ~Told() { "
                "say(\"-%s\\n\", name); } };\n"
                "static Told one(\"one\"), two(\"two\");\nextern \"C\" void touch() { static Told three(\"three\"); }",
                {.flags = {"-lstdc++"}, .language = "c++"});
  scene.program(std::string(kHeader) +
                "int main(void) { void* a = opened(\"a.so\", RTLD_NOW); ((void (*)(void))dlsym(a, \"touch\"))();"
                "dlclose(a); say(\"end\\n\"); }");
  EXPECT_EQ(agreed(scene).out, "+one\n+two\n+three\n-three\n-two\n-one\nend\n");
}

TEST(LoaderUnload, CloseInADestructorAndOpenInADestructor) {
  Scene scene;
  scene.library("b", tells("b"));
  scene.library(
      "a",
      "#include <dlfcn.h>\nstatic void* b; ON_LOAD load(void) { say(\"+a\\n\"); b = dlopen(\"b.so\", RTLD_NOW); }\n"
      "ON_UNLOAD unload(void) { say(\"-a\\n\"); say(\"%d\\n\", dlclose(b)); }");
  scene.library("c",
                "#include <dlfcn.h>\nON_LOAD load(void) { say(\"+c\\n\"); }\n"
                "ON_UNLOAD unload(void) { say(\"-c\\n\"); void* b = dlopen(\"b.so\", RTLD_NOW); say(\"%d\\n\", b != "
                "0); if (b) dlclose(b); }");
  scene.program(std::string(kHeader) + R"(
int main(void) {
  dlclose(opened("a.so", RTLD_NOW));
  say("a %d, b %d\n", mapped("/a.so") > 0, mapped("/b.so") > 0);
  dlclose(opened("c.so", RTLD_NOW));
  say("c %d, b %d\n", mapped("/c.so") > 0, mapped("/b.so") > 0);
  opened("c.so", RTLD_NOW);
  say("end\n");
}
)");
  EXPECT_THAT(agreed(scene).out, HasSubstr("+a\n+b\n-a\n0\n-b\na 0, b 0\n+c\n-c\n"));
}

TEST(LoaderUnload, FailedOpenLeavesNothingBehind) {
  Scene scene;
  scene.stub("gone");
  scene.library("good", tells("good"))
      .library("bad", "extern int nowhere; int* bad(void) { return &nowhere; }" + tells("bad"), {.needs = {"good"}});
  scene.library("half", tells("half"), {.needs = {"good", "gone"}});
  scene.program(std::string(kHeader) + R"(
int main(void) {
  for (int i = 0; i < 3; ++i) {
    opened("bad.so", RTLD_NOW);
    opened("half.so", RTLD_NOW);
  }
  say("%d %d %d\n", mapped("/bad.so"), mapped("/half.so"), mapped("/good.so"));
  dlclose(opened("good.so", RTLD_NOW));
}
)");
  EXPECT_THAT(agreed(scene).out, HasSubstr("0 0 0\n+good\n-good\n"));
}

TEST(LoaderUnload, WhileAnotherThreadRunsInAnotherLibrary) {
  Scene scene;
  scene.library("worker",
                "__thread long counted; long work(volatile int* stop) { while (!*stop) counted++; return counted; }");
  scene.library("a", "__thread int t = 1; int touch(void) { return ++t; }");
  scene.program(std::string(kHeader) + R"(
static volatile int stop;
static long (*work)(volatile int*);
static void* thread(void* unused) { say("%d\n", work(&stop) > 0); return unused; }
int main(void) {
  void* worker = opened("worker.so", RTLD_NOW);
  work = dlsym(worker, "work");
  pthread_t id;
  pthread_create(&id, 0, thread, 0);
  for (int i = 0; i < 300; ++i) {
    void* a = opened("a.so", RTLD_NOW);
    int (*touch)(void) = dlsym(a, "touch");
    if (touch() != 2) say("stale storage\n");
    dlclose(a);
  }
  stop = 1;
  pthread_join(id, 0);
  dlclose(worker);
  say("%d %d\n", mapped("/worker.so"), mapped("/a.so"));
}
)");
  EXPECT_EQ(agreed(scene).out, "1\n0 0\n");
}

TEST(LoaderUnload, LibrariesThatTheProgramNeedsAreNeverUnloaded) {
  Scene scene;
  scene.library("a", tells("a"));
  scene.program(std::string(kHeader) + R"(
int main(void) {
  for (int i = 0; i < 3; ++i) say("%d\n", dlclose(opened("a.so", RTLD_NOW)));
  say("%d %d\n", dlclose(opened(0, RTLD_NOW)), mapped("/a.so") > 0);
}
)",
                {.needs = {"a"}});
  EXPECT_EQ(agreed(scene).out, "+a\n0\n0\n0\n0 1\n-a\n");
}

}  // namespace
}  // namespace pagefold::ld_test
