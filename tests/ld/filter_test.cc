// Filters (DT_FILTER, DT_AUXILIARY): the filtee is loaded with its filter and stands before it, in scopes and in the
// order of construction.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "open_program.h"
#include "scene.h"

namespace pagefold::ld_test {
namespace {

using testing::HasSubstr;

// A library that tells when it comes and goes, and defines f and its own name.
std::string telling(const std::string& name) {
  return "const char* f(void) { return \"" + name + "\"; }\nconst char* " + name + "(void) { return \"" + name +
         "\"; }\nON_LOAD load(void) { say(\"+" + name + "\\n\"); }\nON_UNLOAD unload(void) { say(\"-" + name +
         "\\n\"); }\n";
}

constexpr const char* kCall = "const char* f(void); int main(void) { say(\"%s\\n\", f()); }";

TEST(LoaderFilter, FilteeIsSearchedFirst) {
  Scene scene;
  scene.library("real", telling("real")).library("filter", telling("filter"), {.flags = {"-Wl,--filter=real.so"}});
  scene.program(kCall, {.needs = {"filter"}});
  EXPECT_THAT(agreed(scene).out, HasSubstr("\nreal\n"));
}

TEST(LoaderFilter, DependenciesOfAFilteeAreLoaded) {
  Scene scene;
  scene.library("below", telling("below"));
  scene.library("real", telling("real") + "const char* below(void); const char* g(void) { return below(); }",
                {.needs = {"below"}});
  scene.library("filter", telling("filter") + "const char* g(void) { return \"own\"; }",
                {.flags = {"-Wl,--auxiliary=real.so"}});
  scene.program("const char* g(void); int main(void) { say(\"%s\\n\", g()); }", {.needs = {"filter"}});
  EXPECT_THAT(agreed(scene).out, HasSubstr("\nbelow\n"));
}

TEST(LoaderFilter, AuxiliaryOneMayBeMissing) {
  Scene scene;
  scene.library("filter", telling("filter"), {.flags = {"-Wl,--auxiliary=nowhere.so"}});
  scene.program(kCall, {.needs = {"filter"}});
  EXPECT_THAT(agreed(scene).out, HasSubstr("\nfilter\n"));
}

TEST(LoaderFilter, FilteeThatIsMissingEndsTheStart) {
  Scene scene;
  scene.library("filter", telling("filter"), {.flags = {"-Wl,--filter=nowhere.so"}});
  scene.program(kCall, {.needs = {"filter"}});
  EXPECT_THAT(agreed(scene).err, HasSubstr("nowhere.so: cannot open shared object file"));
}

TEST(LoaderFilter, FilteeThatComesLaterIsMovedBeforeTheFilter) {
  Scene scene;
  scene.library("real", telling("real")).library("between", telling("between"));
  scene.library("filter", telling("filter"), {.flags = {"-Wl,--filter=real.so"}});
  scene.program(kCall, {.needs = {"filter", "between", "real"}, .flags = {"-Wl,--no-as-needed"}});
  EXPECT_THAT(agreed(scene).out, HasSubstr("\nreal\n"));
}

TEST(LoaderFilter, FilteeThatCameEarlierStaysWhereItIs) {
  Scene scene;
  scene.library("real", telling("real")).library("between", telling("between"));
  scene.library("filter", telling("filter"), {.flags = {"-Wl,--filter=real.so"}});
  scene.program(kCall, {.needs = {"real", "between", "filter"}, .flags = {"-Wl,--no-as-needed"}});
  EXPECT_THAT(agreed(scene).out, HasSubstr("\nreal\n"));
}

TEST(LoaderFilter, SeveralFilteesAndFiltersOfFilters) {
  Scene scene;
  scene.library("one", telling("one")).library("two", telling("two"));
  scene.library("middle", telling("middle"), {.flags = {"-Wl,--filter=one.so", "-Wl,--auxiliary=two.so"}});
  scene.library("outer", telling("outer"), {.flags = {"-Wl,--auxiliary=middle.so", "-Wl,--auxiliary=two.so"}});
  scene.program(kCall, {.needs = {"outer"}});
  EXPECT_THAT(agreed(scene).out, HasSubstr("+one\n"));
}

TEST(LoaderFilter, OpenedFiltersBringTheirFilteesAndTakeThemAlong) {
  Scene scene;
  scene.library("below", telling("below")).library("real", telling("real"), {.needs = {"below"}});
  scene.library("filter", telling("filter"), {.flags = {"-Wl,--filter=real.so"}});
  scene.program(program(R"(
  void* handle = opened("filter.so", RTLD_NOW);
  say("%s %s\n", call(handle, "f"), call(handle, "below"));
  say("%d\n", dlclose(handle));
  say("%d\n", dlopen("real.so", RTLD_NOW | RTLD_NOLOAD) != 0);
)"));
  EXPECT_THAT(agreed(scene).out, HasSubstr("real below\n"));
}

}  // namespace
}  // namespace pagefold::ld_test
