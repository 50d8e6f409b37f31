// What is told instead of a start: LD_TRACE_LOADED_OBJECTS, --list, and what ldd -d, -r and -u make of them. Nothing of
// the program or its libraries may run.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "scene.h"

namespace pagefold::ld_test {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(LoaderTrace, ListAndTraceSayWhatWouldBeLoaded) {
  Scene scene;
  scene.library("b", "int b;").library("a", "int a;", {.needs = {"b"}});
  scene.program("int main(void) { say(\"must not run\\n\"); }", {.needs = {"a"}});
  // Addresses are random: the wrapper takes them away.
  const auto without_addresses = [](const std::string& set) {
    return std::vector<std::string>{"/bin/sh", "-c",
                                    "(" + set + " \"$@\" 2>&1; echo $?) | sed 's/0x[0-9a-f]*/ADDRESS/'", "sh"};
  };
  const Start traced = {.wrapper = without_addresses("export LD_TRACE_LOADED_OBJECTS=1;")};
  const Start listed = {.loader_options = {"--list"}, .wrapper = without_addresses(""), .ways = {Way::Command}};
  EXPECT_THAT(agreed(scene, traced).out, HasSubstr("\ta.so => SCENE/a.so (ADDRESS)\n\tlibc.so.6 => "));
  EXPECT_THAT(agreed(scene, listed).out, HasSubstr("\ta.so => SCENE/a.so (ADDRESS)\n\tlibc.so.6 => "));
  scene.make({"rm", "b.so"});
  EXPECT_THAT(agreed(scene, traced).out, HasSubstr("\tb.so => not found\n"));
  EXPECT_THAT(agreed(scene, listed).out, HasSubstr("b.so: cannot open shared object file"));
}

TEST(LoaderTrace, WarningsNameUndefinedSymbols) {
  Scene scene;
  scene.library("a", "extern int nothing; void nowhere(void); int a(void) { nowhere(); return nothing; }");
  scene.program("int a(void); int main(void) { return a(); }", {.needs = {"a"}});
  const std::vector<std::string> traced = {
      "/bin/sh", "-c",
      "(export LD_TRACE_LOADED_OBJECTS=1 LD_WARN=yes LD_BIND_NOW=yes; \"$@\" 2>&1) | sed 's/0x[0-9a-f]*/ADDRESS/'",
      "sh"};
  const RunResult result = agreed(scene, {.wrapper = traced});
  EXPECT_THAT(result.out, HasSubstr("undefined symbol: nothing\t(SCENE/a.so)\n"));
  EXPECT_THAT(result.out, HasSubstr("undefined symbol: nowhere\t(SCENE/a.so)\n"));
}

// Addresses are random, process ids too: both are taken away; the exit code is printed.
std::vector<std::string> traced_with(const std::string& variables) {
  return {"/bin/sh", "-c",
          "(export LD_TRACE_LOADED_OBJECTS=1 " + variables +
              "; \"$@\" 2>&1; echo $?) | sed 's/0x[0-9a-f]*/ADDRESS/; s/^ *[0-9]*:\\t/PID:/'",
          "sh"};
}

// The libraries of a cycle are relocated one before the other, and one asks for an IFUNC of one that comes later.
TEST(LoaderTrace, BindsEveryLibraryWithoutCallingAResolver) {
  Scene scene;
  scene.stub("c");
  scene.library("b", "int f(void); int g(void); int b_calls(void) { return f() + g(); }", {.needs = {"c"}});
  scene.library("c",
                "static int five(void) { return 5; }\n"
                "static void* choose(void) { __builtin_trap(); return five; }\n"
                "int f(void) __attribute__((ifunc(\"choose\")));\n"
                "int g(void) { return 1; } int b_calls(void); int c_calls(void) { return b_calls() + f(); }",
                {.needs = {"b"}});
  scene.library("a", "int c_calls(void); int a_calls(void) { return c_calls(); }", {.needs = {"b", "c"}});
  scene.program("int a_calls(void); int main(void) { return a_calls(); }", {.needs = {"a"}});
  const RunResult result = agreed(scene, {.wrapper = traced_with("LD_WARN=yes LD_BIND_NOW=1 LD_DEBUG=bindings")});
  for (const char* line :
       {"b.so [0] to SCENE/c.so [0]: normal symbol `f'", "b.so [0] to SCENE/c.so [0]: normal symbol `g'",
        "c.so [0] to SCENE/b.so [0]: normal symbol `b_calls'", "a.so [0] to SCENE/c.so [0]: normal symbol `c_calls'"})
    EXPECT_THAT(result.out, HasSubstr(line));
  EXPECT_THAT(result.out, HasSubstr("\n0\n"));
}

TEST(LoaderTrace, FunctionsOfTheVdsoAreLookedUpLikeOthers) {
  Scene scene;
  scene.program("int main(void) {}");
  const RunResult result = agreed(scene, {.wrapper = traced_with("LD_WARN=yes LD_BIND_NOW=1 LD_DEBUG=bindings")});
  EXPECT_THAT(result.out, HasSubstr("linux-vdso.so.1 [0]: normal symbol `__vdso_clock_gettime' [LINUX_2.6]\n"));
}

// ldd -u: of what the program itself names, and by the exit code.
TEST(LoaderTrace, UnusedDependenciesAreThoseThatTheProgramBindsNothingTo) {
  Scene scene;
  scene.library("used", "int f(void) { return 1; }").library("unused", "int u(void) { return 2; }");
  scene.library("deep", "int u(void); int d(void) { return u(); }", {.needs = {"unused"}});
  scene.program("int f(void); int d(void); int main(void) { return f() + d(); }",
                {.needs = {"unused", "used", "deep"}});
  const RunResult some = agreed(scene, {.wrapper = traced_with("LD_DEBUG=unused")});
  EXPECT_EQ(some.out, "Unused direct dependencies:\n\tSCENE/unused.so\n1\n");
  scene.program("int f(void); int d(void); int main(void) { return f() + d(); }", {.needs = {"used", "deep"}});
  EXPECT_EQ(agreed(scene, {.wrapper = traced_with("LD_DEBUG=unused")}).out, "0\n");
  EXPECT_THAT(agreed(scene, {.environment = {"LD_DEBUG=unused"}}).err, Not(HasSubstr("Unused")));
}

}  // namespace
}  // namespace pagefold::ld_test
