// What LD_DEBUG tells: glibc's lines, in glibc's order, for each of its words; and what is told of rarer events.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "scene.h"

namespace pagefold::ld_test {
namespace {

using testing::HasSubstr;

// Process ids, addresses and measurements are random. Left out is what the genuine loader does to itself
// (docs/loader.md): it relocates itself once more, and it also binds realloc.
constexpr const char* kComparable = R"(
function tell(line) { if (blank) print "PID:"; blank = 0; print line }
{
  sub(/^ *[0-9]+:\t/, "PID:"); gsub(/0x[0-9a-f]+/, "ADDRESS")
  sub(/: [0-9]+ cycles.*/, ": N cycles"); sub(/number of relocations: [0-9]+/, "number of relocations: N")
}
/symbol=(realloc|_r_debug|_dl_(catch|signal)_[a-z]+);/ || /normal symbol `(realloc|_r_debug|_dl_(catch|signal)_[a-z]+)'/ { next }
/relocation processing: [^ ]*ld[^ ]*so/ { blank = 0; next }
/^PID:$/ { if (blank) print; blank = 1; next }
{ tell($0) }
END { if (blank) print "PID:" })";

std::vector<std::string> told(const std::string& what) {
  return {"/bin/sh", "-c", "comparable=$0; LD_DEBUG=" + what + " \"$@\" 2>&1 | awk \"$comparable\"", kComparable};
}

void build(Scene& scene) {
  scene.library("b", "int shared = 4; int b(void) { return 1; }")
      .library("a", "int b(void); int a(void) { return b(); }", {.needs = {"b"}});
  scene.library("c", "int c(void) { return 3; }");
  scene.program(R"(
#include <dlfcn.h>
#include <stdio.h>
int a(void);
extern int shared;
int main(void) {
  void* c = dlopen("c.so", RTLD_NOW);
  void* again = dlopen("c.so", RTLD_NOW);
  say("%d\n", dlclose(again));
  say("%d\n", dlsym(c, "nothing") != 0);
  say("%d\n", dlclose(c));
  say("%d\n", stdout == 0);
  return a() + shared - 5;
}
)",
                {.needs = {"a", "b"}, .flags = {"-Wl,-z,lazy", "-fno-pie", "-no-pie"}});
}

class LoaderDebug : public testing::TestWithParam<const char*> {};

TEST_P(LoaderDebug, TellsWhatTheGenuineLoaderTells) {
  Scene scene;
  build(scene);
  const std::string what = GetParam();
  const RunResult result = agreed(scene, {.wrapper = told(what)});
  if (what == "unused")
    EXPECT_EQ(result.out, "0\n0\n0\n0\n");  // only a trace lists them
  else
    EXPECT_THAT(result.out, HasSubstr(what == "help" ? "Valid options" : "PID:"));
}

INSTANTIATE_TEST_SUITE_P(Words, LoaderDebug,
                         testing::Values("libs", "files", "versions", "scopes", "reloc", "symbols", "bindings",
                                         "statistics", "unused", "all", "help", "libs,bindings:versions files",
                                         "all,statistics"),
                         [](const auto& word) {
                           std::string name = word.param;
                           for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
                           return name;
                         });

TEST(LoaderDebug, AnUnknownWordIsWarnedOf) {
  Scene scene;
  build(scene);
  EXPECT_THAT(agreed(scene, {.wrapper = told("nonsense,files")}).out, HasSubstr("debug option `nonsense' unknown"));
}

// Which library was said to be used, and the rest went on as if nothing were missing.
TEST(LoaderDebug, UndefinedSymbolsAreNullWhileUseIsCounted) {
  Scene scene;
  scene.library("a", "int missing(void); int (*volatile which)(void) = missing; int a(void) { return which != 0; }",
                {.flags = {"-Wl,--unresolved-symbols=ignore-all"}});
  scene.program("int a(void); int main(void) { say(\"%d\\n\", a()); }", {.needs = {"a"}});
  EXPECT_EQ(agreed(scene, {.wrapper = told("unused")}).out, "0\n");
}

TEST(LoaderDebug, OutputGoesToAFileForEachProcess) {
  Scene scene;
  build(scene);
  const auto told_to = [](const std::string& file) {
    return std::vector<std::string>{
        "/bin/sh", "-c",
        R"(
LD_DEBUG=libs LD_DEBUG_OUTPUT=)" +
            file + R"( "$@"; cat log.* 2>/dev/null | sed 's/^ *[0-9]*:\t/PID:/; s/log\.[0-9]*/log.PID/')",
        "sh"};
  };
  EXPECT_THAT(agreed(scene, {.wrapper = told_to("log")}).out, HasSubstr("find library=a.so [0]; searching"));
}

TEST(LoaderDebug, OutputThatCannotBeOpenedGoesToStandardOutput) {
  Scene scene;
  build(scene);
  const std::vector<std::string> wrapper = {
      "/bin/sh", "-c", R"(LD_DEBUG=libs LD_DEBUG_OUTPUT=no/such/folder/log "$@" | sed 's/^ *[0-9]*:\t/PID:/')", "sh"};
  const RunResult result = agreed(scene, {.wrapper = wrapper});
  EXPECT_THAT(result.out, HasSubstr("find library=a.so [0]; searching"));
  EXPECT_EQ(result.err, "");
}

// An object's own path is named once if none of its directories exists.
TEST(LoaderDebug, ARunpathToNowhereIsNamedOnce) {
  Scene scene;
  scene.library("b", "int b(void) { return 1; }").library("c", "int c(void) { return 2; }");
  scene.library("a", "int b(void); int c(void); int a(void) { return b() + c(); }",
                {.needs = {"b", "c"}, .runpath = "/nowhere:/neither"});
  scene.program("int a(void); int main(void) { return a() - 3; }", {.needs = {"a"}});
  const Start start{.environment = {"LD_LIBRARY_PATH=/no/such:SCENE"}, .wrapper = told("libs")};
  EXPECT_THAT(agreed(scene, start).out, HasSubstr("(LD_LIBRARY_PATH)"));
  const Start lost{.environment = {"LD_LIBRARY_PATH=/no/such"}, .wrapper = told("libs")};
  EXPECT_THAT(agreed(scene, lost).out, HasSubstr("(RUNPATH from file SCENE/a.so)"));
}

TEST(LoaderDebug, FlagsThatGlibcDoesNotKnowAreWarnedOf) {
  Scene scene;
  scene.library("a", "int a(void) { return 0; }", {.flags = {"-Wl,-z,interpose"}});
  scene.program("int a(void); int main(void) { return a(); }", {.needs = {"a"}, .flags = {"-Wl,-z,interpose"}});
  EXPECT_THAT(agreed(scene, {.wrapper = told("files")}).out, HasSubstr("in DT_FLAGS_1"));
}

TEST(LoaderDebug, FiltersAndWhatTheyAskForAreNamed) {
  Scene scene;
  scene.library("real", "int f(void) { return 7; }");
  scene.library("filter", "int f(void) { return 1; }", {.flags = {"-Wl,--filter=real.so"}});
  scene.library("auxiliary", "int g(void) { return 2; }", {.flags = {"-Wl,--auxiliary=missing.so"}});
  scene.program("int f(void), g(void); int main(void) { say(\"%d %d\\n\", f(), g()); }",
                {.needs = {"filter", "auxiliary"}});
  const RunResult result = agreed(scene, {.wrapper = told("libs")});
  EXPECT_THAT(result.out, HasSubstr("load auxiliary object=real.so requested by file=SCENE/filter.so"));
  EXPECT_THAT(result.out, HasSubstr("load auxiliary object=missing.so requested by file=SCENE/auxiliary.so"));
}

// RTLD_NODELETE, a unique symbol, and the reference of a program to what it opened.
TEST(LoaderDebug, WhyALibraryStaysIsTold) {
  Scene scene;
  scene.library("unique",
                ".data\n.globl u\n.type u,@gnu_unique_object\n.size u,8\nu: .quad 0\n"
                ".text\n.globl use\n.type use,@function\nuse: mov u@GOTPCREL(%rip),%rax\nret\n"
                ".section .note.GNU-stack,\"\",@progbits\n",
                {.language = "assembler"});
  // The program is linked with a library that defines `late`, and runs with one that does not.
  scene.library("linked", "int late(void) { return 0; }");
  scene.library("plain", "int plain(void) { return 0; }");
  scene.library("late", "int late(void) { return 5; }");
  scene.library("flagged", "int flagged(void) { return 0; }", {.flags = {"-Wl,-z,nodelete"}});
  scene.program(R"(
#include <dlfcn.h>
int late(void);
int main(void) {
  say("%d\n", dlclose(dlopen("unique.so", RTLD_NOW)));
  say("%d\n", dlclose(dlopen("flagged.so", RTLD_NOW)));
  dlopen("plain.so", RTLD_NOW);
  say("%d\n", dlclose(dlopen("plain.so", RTLD_NOW | RTLD_NODELETE)));
  void* late_handle = dlopen("late.so", RTLD_NOW | RTLD_GLOBAL);
  say("%d\n", late());
  say("%d\n", dlclose(late_handle));
})",
                {.needs = {"linked"}, .flags = {"-Wl,-z,lazy"}});
  scene.library("linked", "int other(void) { return 0; }");
  const std::string out = agreed(scene, {.wrapper = told("files,bindings,scopes")}).out;
  EXPECT_THAT(out, HasSubstr("marking SCENE/unique.so [0] as NODELETE due to unique symbol"));
  EXPECT_THAT(out, HasSubstr("activating NODELETE for SCENE/flagged.so [0]"));
  EXPECT_THAT(out, HasSubstr("marking SCENE/plain.so [0] as NODELETE"));
  EXPECT_THAT(out, HasSubstr("add SCENE/late.so [0] to global scope"));
  EXPECT_THAT(out, HasSubstr("marking SCENE/late.so [0] as NODELETE due to reference from main program"));
}

// One that stays gets only the lists that are new to it.
TEST(LoaderDebug, ScopesThatGrowAreTold) {
  Scene scene;
  scene.library("base", "int base(void) { return 1; }");
  for (const char* name : {"one", "two"})
    scene.library(name, "int base(void); int f(void) { return base(); }", {.needs = {"base"}});
  scene.program(R"(
#include <dlfcn.h>
int main(void) {
  void* one = dlopen("one.so", RTLD_NOW);
  void* two = dlopen("two.so", RTLD_NOW | RTLD_GLOBAL);
  dlopen("one.so", RTLD_NOW | RTLD_GLOBAL);
  say("%d %d\n", dlclose(two), dlclose(one));
})");
  EXPECT_THAT(agreed(scene, {.wrapper = told("scopes,files")}).out, HasSubstr("add SCENE/base.so [0] to global scope"));
}

TEST(LoaderDebug, AMissingVersionIsTold) {
  Scene scene;
  scene.file("one", "V1 { global: f; local: *; };\n").file("none", "W1 { global: f; local: *; };\n");
  scene.library("a", "int f(void) { return 0; }", {.flags = {"-Wl,--version-script=" + scene.path("one")}});
  scene.library("b", "int f(void); int b(void) { return f(); }", {.needs = {"a"}});
  scene.program("#include <dlfcn.h>\nint main(void) { say(\"%d\\n\", dlopen(\"b.so\", RTLD_NOW) != 0); }");
  scene.library("a", "int f(void) { return 0; }", {.flags = {"-Wl,--version-script=" + scene.path("none")}});
  EXPECT_THAT(agreed(scene, {.wrapper = told("versions")}).out, HasSubstr("error: version lookup error: version `V1'"));
}

}  // namespace
}  // namespace pagefold::ld_test
