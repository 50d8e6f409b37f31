// What LD_DEBUG tells: glibc's lines, in glibc's order. Bindings are compared by `make bindings`.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "scene.h"

namespace pagefold::ld_test {
namespace {

using testing::HasSubstr;

// Process ids and addresses are random. What the genuine loader does to itself is its own: it relocates itself once
// more.
std::vector<std::string> told(const std::string& what) {
  return {"/bin/sh", "-c",
          "LD_DEBUG=" + what +
              " \"$@\" 2>&1 | sed -e 's/^ *[0-9]*:\\t/PID:/; s/0x[0-9a-f]*/ADDRESS/g; /relocation processing: [^ "
              "]*ld[^ ]*so/{N;d}'",
          "sh"};
}

void build(Scene& scene) {
  scene.library("b", "int b(void) { return 1; }")
      .library("a", "int b(void); int a(void) { return b(); }", {.needs = {"b"}});
  scene.library("c", "int c(void) { return 3; }");
  scene.program(R"(
#include <dlfcn.h>
int a(void);
int main(void) {
  void* c = dlopen("c.so", RTLD_NOW);
  void* again = dlopen("c.so", RTLD_NOW);
  say("%d\n", dlclose(again));
  say("%d\n", dlclose(c));
  return a();
}
)",
                {.needs = {"a"}});
}

class LoaderDebug : public testing::TestWithParam<const char*> {};

TEST_P(LoaderDebug, TellsWhatTheGenuineLoaderTells) {
  Scene scene;
  build(scene);
  EXPECT_THAT(agreed(scene, {.wrapper = told(GetParam())}).out, HasSubstr("PID:"));
}

INSTANTIATE_TEST_SUITE_P(Words, LoaderDebug, testing::Values("libs", "files", "versions", "scopes", "reloc"));

}  // namespace
}  // namespace pagefold::ld_test
