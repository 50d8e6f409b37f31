// Functions whose address a resolver chooses: when it is called, what it may use, and what is said when that is too
// early.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "scene.h"

namespace pagefold::ld_test {
namespace {

using testing::HasSubstr;

constexpr const char* kIfunc = R"(
static int five(void) { return 5; }
static int choose_ran;
static void* choose(void) { choose_ran = 1; return five; }
int f(void) __attribute__((ifunc("choose")));
int a_calls(void) { return f(); }
static int (*table[])(void) = {f};
int a_table(void) { return table[0](); }
int ran(void) { return choose_ran; }
)";

TEST(LoaderIfunc, GivesWhatItsResolverChose) {
  Scene scene;
  scene.library("a", kIfunc);
  scene.program(
      "int f(void); int a_calls(void); int a_table(void); int ran(void);\nint (*pointer)(void) = f;\n"
      "int main(void) { say(\"%d %d %d %d %d\\n\", f(), a_calls(), a_table(), pointer(), ran()); }",
      {.needs = {"a"}});
  EXPECT_EQ(agreed(scene).out, "5 5 5 5 1\n");
  EXPECT_EQ(agreed(scene, {.environment = {"LD_BIND_NOW=1"}}).out, "5 5 5 5 1\n");
}

TEST(LoaderIfunc, OfTheProgramItself) {
  Scene scene;
  for (const char* kind : {"-pie", "-no-pie"}) {
    scene.program(std::string(kIfunc) + "int main(void) { say(\"%d %d %d\\n\", f(), a_table(), ran()); }",
                  {.flags = {kind}});
    EXPECT_EQ(agreed(scene).out, "5 5 1\n");
  }
}

TEST(LoaderIfunc, ByDlsym) {
  Scene scene;
  scene.library("a", kIfunc);
  scene.program(
      "#include <dlfcn.h>\nint main(void) { int (*f)(void) = dlsym(dlopen(\"a.so\", RTLD_NOW), \"f\"); say(\"%d\\n\", "
      "f()); }");
  EXPECT_EQ(agreed(scene).out, "5\n");
}

// Resolvers run when their object's other relocations are done, and may use them.
TEST(LoaderIfunc, ResolverMayUseTheDataOfItsLibrary) {
  Scene scene;
  scene.library("a", R"(
static int six(void) { return 6; }
static int (*choices[2])(void) = {six, six};
static void* choose(void) { return choices[1]; }
static int f(void) __attribute__((ifunc("choose")));
int a_calls(void) { return f(); }
)");
  scene.program("int a_calls(void); int main(void) { say(\"%d\\n\", a_calls()); }", {.needs = {"a"}});
  EXPECT_EQ(agreed(scene).out, "6\n");
}

// `a` does not say that it needs `b`, so it is relocated first. The resolver is asked all the same, and needs no
// relocation.
TEST(LoaderIfunc, ResolverOfALibraryRelocatedTooLateIsCalledAndWarnedOf) {
  Scene scene;
  scene.library("a", "int f(void); int a_calls(void) { return f(); }")
      .library("b",
               "static int five(void) { return 5; }\nstatic void* choose(void) { return five; }\n"
               "int f(void) __attribute__((ifunc(\"choose\")));");
  scene.program("int a_calls(void); int main(void) { say(\"%d\\n\", a_calls()); }", {.needs = {"b", "a"}});
  const RunResult result = agreed(scene, {.environment = {"LD_BIND_NOW=1"}});
  EXPECT_EQ(result.out, "5\n");
  EXPECT_EQ(result.err, "SCENE/prog: Relink `SCENE/a.so' with `SCENE/b.so' for IFUNC symbol `f'\n");
}

TEST(LoaderIfunc, ResolverOfTheProgramCannotServeALibrary) {
  Scene scene;
  scene.library("a", "int f(void); int a_calls(void) { return f(); }");
  scene.program(std::string(kIfunc) + "int main(void) { return f(); }", {.needs = {"a"}, .flags = {"-rdynamic"}});
  const RunResult result = agreed(scene, {.environment = {"LD_BIND_NOW=1"}});
  EXPECT_EQ(result.status, 127);
  EXPECT_THAT(result.err, HasSubstr("IFUNC symbol 'f' referenced in 'SCENE/a.so' is defined in the executable"));
}

}  // namespace
}  // namespace pagefold::ld_test
