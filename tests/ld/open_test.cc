// dlopen and its relatives: flags, handles, names, and the texts of dlerror.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "open_program.h"
#include "scene.h"

namespace pagefold::ld_test {
namespace {

using testing::HasSubstr;

std::string names(const std::string& name) {
  return "const char* f(void) { return \"" + name + "\"; }\nON_LOAD load(void) { say(\"+" + name +
         "\\n\"); }\n"
         "ON_UNLOAD unload(void) { say(\"-" +
         name + "\\n\"); }\n";
}

TEST(LoaderOpen, LocalIsSeenByItsHandleOnlyAndGlobalByAll) {
  Scene scene;
  scene.library("a", names("a"))
      .library("user", "const char* f(void); const char* user(void) { return f(); }", {.flags = {"-Wl,-z,lazy"}});
  scene.program(program(R"(
  void* a = opened("a.so", RTLD_NOW | RTLD_LOCAL);
  say("%s, %s\n", call(a, "f"), call(RTLD_DEFAULT, "f"));
  opened("user.so", RTLD_NOW);
  opened("a.so", RTLD_NOW | RTLD_GLOBAL | RTLD_NOLOAD);
  say("%s, %s\n", call(RTLD_DEFAULT, "f"), call(opened("user.so", RTLD_NOW), "user"));
)"));
  EXPECT_EQ(agreed(scene).out,
            "+a\na, SCENE/prog: undefined symbol: f\nSCENE/user.so: undefined symbol: f\na, a\n-a\n");
}

// While its constructors run, an object opened as global is not global yet.
TEST(LoaderOpen, GlobalBeginsAfterTheConstructors) {
  Scene scene;
  scene.library("a", names("a") + R"(
#include <dlfcn.h>
ON_LOAD look(void) { say("while loading: %d\n", dlsym(RTLD_DEFAULT, "f") != 0); }
)");
  scene.program(program(R"(
  opened("a.so", RTLD_NOW | RTLD_GLOBAL);
  say("afterwards: %d\n", dlsym(RTLD_DEFAULT, "f") != 0);
)"));
  EXPECT_THAT(agreed(scene).out, HasSubstr("afterwards: 1\n"));
}

TEST(LoaderOpen, LazyOpensWhatNowRefuses) {
  Scene scene;
  scene.library("a", names("a") + "void nowhere(void); void g(void) { nowhere(); }", {.flags = {"-Wl,-z,lazy"}});
  scene.program(program(R"(
  say("%d\n", opened("a.so", RTLD_NOW) != 0);
  say("%d\n", opened("a.so", RTLD_LAZY) != 0);
  say("%d\n", opened("a.so", RTLD_NOW) != 0);
)"));
  EXPECT_THAT(agreed(scene).out, HasSubstr("SCENE/a.so: undefined symbol: nowhere\n0\n+a\n1\n"));
}

TEST(LoaderOpen, NoloadAnswersWithoutLoading) {
  Scene scene;
  scene.library("a", names("a"));
  scene.program(program(R"(
  say("%d\n", dlopen("a.so", RTLD_NOW | RTLD_NOLOAD) != 0);
  const char* error = dlerror();
  say("%s\n", error ? error : "no error");
  void* a = opened("a.so", RTLD_NOW);
  say("%d\n", dlopen("a.so", RTLD_NOW | RTLD_NOLOAD) == a);
  dlclose(a);
  say("closed once\n");
  dlclose(a);
  say("closed twice\n");
)"));
  EXPECT_EQ(agreed(scene).out, "0\nno error\n+a\n1\nclosed once\n-a\nclosed twice\n");
}

TEST(LoaderOpen, NodeleteKeepsTheLibraryAndItsData) {
  Scene scene;
  scene.library("a", names("a") + "static int times; int next(void) { return ++times; }");
  scene.library("b", names("b"), {.flags = {"-Wl,-z,nodelete"}});
  scene.program(program(R"(
  for (int i = 0; i < 2; ++i) {
    void* a = opened("a.so", RTLD_NOW | RTLD_NODELETE);
    int (*next)(void) = dlsym(a, "next");
    say("%d %d\n", next(), dlclose(a));
  }
  say("%d\n", dlclose(opened("b.so", RTLD_NOW)));
  say("%d\n", dlopen("b.so", RTLD_NOW | RTLD_NOLOAD) != 0);
)"));
  EXPECT_EQ(agreed(scene).out, "+a\n1 0\n2 0\n+b\n0\n1\n-a\n-b\n");
}

TEST(LoaderOpen, WhatStaysCanBeClosedAnyNumberOfTimes) {
  Scene scene;
  scene.library("a", names("a"));
  scene.program(program(R"(
  void* a = opened("a.so", RTLD_NOW | RTLD_NODELETE);
  for (int i = 0; i < 4; ++i) say("%d\n", dlclose(a));
  say("%d\n", opened("a.so", RTLD_NOW) == a);
)"));
  EXPECT_EQ(agreed(scene).out, "+a\n0\n0\n0\n0\n1\n-a\n");
}

TEST(LoaderOpen, DeepbindPrefersTheLibrarysOwnDefinitions) {
  Scene scene;
  const std::string source = "const char* f(void) { return \"a\"; }\nconst char* ask(void) { return f(); }";
  scene.library("a", source)
      .library("b", "const char* f(void); const char* askb(void) { return f(); }", {.needs = {"a"}});
  scene.program(program(R"(
  void* b = opened("b.so", RTLD_NOW | (count > 1 ? RTLD_DEEPBIND : 0));
  say("%s %s\n", call(b, "ask"), call(b, "askb"));
)",
                        "const char* f(void) { return \"prog\"; }"),
                {.flags = {"-rdynamic"}});
  EXPECT_EQ(agreed(scene).out, "prog prog\n");
  EXPECT_EQ(agreed(scene, {.arguments = {"deep"}}).out, "a a\n");
}

TEST(LoaderOpen, InvalidModesAreRefused) {
  Scene scene;
  scene.library("a", names("a"));
  scene.program(program(R"(
  opened("a.so", 0);
  opened("a.so", RTLD_GLOBAL);
  opened("a.so", 0x40000 | RTLD_NOW);
)"));
  EXPECT_EQ(agreed(scene).out,
            "a.so: invalid mode for dlopen(): Invalid argument\na.so: invalid mode for dlopen(): Invalid "
            "argument\ninvalid mode parameter\n");
}

TEST(LoaderOpen, HandleSearchesItsDependenciesBreadthFirst) {
  Scene scene;
  scene.library("d", "const char* f(void) { return \"d\"; } const char* only_d(void) { return \"d\"; }");
  scene.library("c", "const char* f(void) { return \"c\"; }").library("b", "int b;", {.needs = {"d"}});
  scene.library("a", "int a;", {.needs = {"b", "c"}});
  scene.program(program(R"(
  void* a = opened("a.so", RTLD_NOW);
  say("%s %s\n", call(a, "f"), call(a, "only_d"));
)"));
  EXPECT_EQ(agreed(scene).out, "c d\n");
}

TEST(LoaderOpen, NullIsTheProgramAndAllGlobalOnes) {
  Scene scene;
  scene.library("a", names("a")).library("late", "const char* g(void) { return \"late\"; }");
  scene.program(program(R"(
  void* self = opened(0, RTLD_NOW);
  say("%s %s\n", call(self, "f"), call(self, "mine"));
  say("%s\n", call(self, "g"));
  opened("late.so", RTLD_NOW | RTLD_GLOBAL);
  say("%s\n", call(self, "g"));
)",
                        "const char* mine(void) { return \"mine\"; }\n"),
                {.needs = {"a"}, .flags = {"-rdynamic"}});
  EXPECT_EQ(agreed(scene).out, "+a\na mine\nSCENE/prog: undefined symbol: g\nlate\n-a\n");
}

TEST(LoaderOpen, NextIsTheOneAfterTheCaller) {
  Scene scene;
  const char* kNext =
      "#include <dlfcn.h>\nconst char* f(void) { static char text[40]; const char* (*next)(void) = dlsym(RTLD_NEXT, "
      "\"f\");"
      "__builtin_strcpy(text, NAME); if (next) __builtin_strcat(text, next()); else __builtin_strcat(text, dlerror()); "
      "return text; }";
  scene.library("a", kNext, {.flags = {"-DNAME=\"a \""}}).library("b", kNext, {.flags = {"-DNAME=\"b \""}});
  scene.program(std::string(kNext) + "int main(void) { say(\"%s\\n\", f()); }",
                {.needs = {"a", "b"}, .flags = {"-DNAME=\"prog \""}});
  EXPECT_EQ(agreed(scene).out, "prog a b SCENE/b.so: undefined symbol: f\n");
}

TEST(LoaderOpen, ExceptionsCrossOpenedLibraries) {
  Scene scene;
  scene.library("thrower", R"(
#include <stdexcept>
#include <string>
struct Own { int value; };
extern "C" void toss(int kind) { if (kind == 1) throw std::runtime_error("tossed"); throw Own{kind}; }
)",
                {.flags = {"-lstdc++"}, .language = "c++"});
  scene.library("middle", R"(
struct Guard { ~Guard() { say("unwound\n"); } };
extern "C" void relay(void (*toss)(int), int kind) { Guard guard; toss(kind); }
)",
                {.flags = {"-lstdc++"}, .language = "c++"});
  scene.program(R"(
#include <dlfcn.h>
#include <stdexcept>
int main() {
  for (int round = 0; round < 3; ++round) {
    void* thrower = dlopen("thrower.so", RTLD_NOW);
    void* middle = dlopen("middle.so", RTLD_NOW);
    auto toss = reinterpret_cast<void (*)(int)>(dlsym(thrower, "toss"));
    auto relay = reinterpret_cast<void (*)(void (*)(int), int)>(dlsym(middle, "relay"));
    try { relay(toss, 1); } catch (const std::exception& error) { say("caught %s\n", error.what()); }
    try { relay(toss, 2); } catch (...) { say("caught another\n"); }
    dlclose(middle);
    dlclose(thrower);
  }
}
)",
                {.flags = {"-lstdc++"}, .language = "c++"});
  EXPECT_THAT(agreed(scene).out, HasSubstr("unwound\ncaught tossed\nunwound\ncaught another\n"));
}

TEST(LoaderOpen, ErrorTexts) {
  Scene scene;
  scene.library("a", names("a")).file("text.so", std::string(4096, 'x')).file("short.so", "ELF").folder("folder.so");
  scene.file("empty.so", "");
  scene.stub("gone").library("b", "int b;", {.needs = {"gone"}});
  scene.program(
      program("if (dlopen(\"nothing.so\", RTLD_NOW)) return 1;\n"
              "say(\"%s\\n\", dlerror());\nsay(\"%d\\n\", dlerror() == 0);\n"
              "for (int i = 1; i < count; ++i) { void* one = dlopen(words[i], RTLD_NOW); say(\"%s: %s\\n\", "
              "last(words[i]), one ? \"opened\" : dlerror()); }\n"
              "void* a = opened(\"a.so\", RTLD_NOW);\nsay(\"%s\\n\", call(a, \"nosuch\"));\n"));
  const std::string pie = scene.path("pie.so");
  scene.make({"cp", "prog", "pie.so"});
  scene.file("fixed.c", "int main(void) {}").make({"gcc", "-no-pie", "-o", "fixed.so", "fixed.c"});
  const RunResult result =
      agreed(scene, {.arguments = {"text.so", "short.so", "empty.so", "folder.so", "b.so", "pie.so", "fixed.so",
                                   "/nowhere/x.so", "./none.so", scene.path("text.so")}});
  EXPECT_THAT(result.out, HasSubstr("nothing.so: cannot open shared object file: No such file or directory\n1\n"));
  EXPECT_THAT(result.out, HasSubstr("text.so: SCENE/text.so: invalid ELF header\n"));
  EXPECT_THAT(result.out, HasSubstr("short.so: SCENE/short.so: file too short\n"));
  EXPECT_THAT(result.out, HasSubstr("pie.so: pie.so: cannot dynamically load position-independent executable\n"));
  EXPECT_THAT(result.out, HasSubstr("fixed.so: fixed.so: cannot dynamically load executable\n"));
  EXPECT_THAT(result.out, HasSubstr("SCENE/a.so: undefined symbol: nosuch\n"));
}

TEST(LoaderOpen, AnotherNamespaceIsRefusedOrGivenButNeverACrash) {
  Scene scene;
  scene.library("a", names("a"));
  scene.program(program(R"(
  void* a = dlmopen(LM_ID_NEWLM, "a.so", RTLD_NOW);
  say(a ? "opened\n" : "refused\n");
  if (!a && !dlerror()) say("without a word\n");
  say("%s", dlmopen(LM_ID_BASE, "a.so", RTLD_NOW) ? "base\n" : dlerror());
)"));
  const RunResult result = run_under(tested_loader(), scene, Way::Interpreter, {});
  EXPECT_EQ(result.status, 0) << result.out << result.err;
  EXPECT_THAT(result.out, testing::AnyOf(HasSubstr("refused\n"), HasSubstr("opened\n")));
  EXPECT_THAT(result.out, HasSubstr("+a\nbase\n"));
  EXPECT_THAT(result.out, testing::Not(HasSubstr("without a word")));
}

TEST(LoaderOpen, AThousandTimesWithoutGrowth) {
  Scene scene;
  scene.library("b", "__thread int t; int b[1000] = {1};")
      .library("a", "extern int b[]; int* a(void) { return b; }", {.needs = {"b"}});
  scene.program(program(R"(
  for (int i = 0; i < 1000; ++i) {
    void* a = opened("a.so", RTLD_NOW);
    if (!dlsym(a, "a") || dlclose(a)) say("failed\n");
    if (i == 10) lines(0);
  }
  say("%s\n", lines(1) <= 2 ? "no growth" : "growth");  // one may be split or merged
)",
                        R"(
#include <stdio.h>
static int lines(int ask) {
  static int before;
  int now = 0;
  FILE* maps = fopen("/proc/self/maps", "r");
  for (int byte; (byte = fgetc(maps)) != EOF;) now += byte == '\n';
  fclose(maps);
  if (!ask) before = now;
  return now - before;
}
)"));
  EXPECT_EQ(agreed(scene).out, "no growth\n");
}

}  // namespace
}  // namespace pagefold::ld_test
