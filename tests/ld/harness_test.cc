// The harness itself: the genuine loader agrees with itself, and a difference is seen.
#include <gtest/gtest.h>

#include "order_language.h"

namespace pagefold::ld_test {
namespace {

TEST(LoaderHarness, GenuineLoaderAgreesWithItself) {
  Scene scene;
  build_order(scene, "prog->a->b");
  for (const Way way : {Way::Interpreter, Way::Command}) {
    const RunResult one = run_under(genuine_loader(), scene, way, {});
    const RunResult two = run_under(genuine_loader(), scene, way, {});
    EXPECT_EQ(told_order(one), "+b +a main end -a -b");
    EXPECT_EQ(difference_between(one, two), "");
  }
}

TEST(LoaderHarness, DifferencesOfOutputErrorTextAndExitCodeAreSeen) {
  Scene scene;
  build_order(scene, "prog->a->b");
  const RunResult good = run_under(genuine_loader(), scene, Way::Interpreter, {});
  const RunResult other = run_under(genuine_loader(), scene, Way::Interpreter, {.arguments = {"+b"}});
  EXPECT_NE(difference_between(good, other).find("stdout differs"), std::string::npos);
  scene.make({"rm", "b.so"});
  const RunResult broken = run_under(genuine_loader(), scene, Way::Interpreter, {});
  EXPECT_EQ(broken.status, 127);
  const std::string told = difference_between(good, broken);
  EXPECT_NE(told.find("status: native 0, pagefold 127"), std::string::npos);
  EXPECT_NE(told.find("stderr differs"), std::string::npos);
}

TEST(LoaderHarness, TheLoaderUnderTestIsTheOneThatRuns) {
  Scene scene;
  scene.program(R"(
#include <stdio.h>
#include <string.h>
#include <stdlib.h>
int main(void) {
  char line[4096], real[4096];
  realpath(WANTED, real);
  FILE* maps = fopen("/proc/self/maps", "r");
  int seen = 0;
  while (fgets(line, sizeof line, maps)) seen |= strstr(line, real) != 0;
  say("%d\n", seen);
}
)",
                {.flags = {"-DWANTED=\"" + tested_loader() + "\""}});
  EXPECT_EQ(run_under(tested_loader(), scene, Way::Interpreter, {}).out, "1\n");
  EXPECT_EQ(run_under(tested_loader(), scene, Way::Command, {}).out, "1\n");
}

TEST(LoaderHarness, TheLanguageOfGraphsIsParsed) {
  const Needs order = parse_order("prog->[a,b]->c; c->a");
  EXPECT_EQ(order.names, (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(order.needs.at("prog"), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(order.needs.at("b"), (std::vector<std::string>{"c"}));
  EXPECT_EQ(order.needs.at("c"), (std::vector<std::string>{"a"}));
  EXPECT_THROW(parse_order("prog->A"), std::invalid_argument);
  EXPECT_THROW(parse_order("prog->"), std::invalid_argument);
}

}  // namespace
}  // namespace pagefold::ld_test
