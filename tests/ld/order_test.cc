// In which order constructors and destructors run: dependencies first, in the order of DT_NEEDED, cycles broken where
// glibc breaks them. The expected line in each test is what the genuine loader does; both loaders must do it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "order_language.h"

namespace pagefold::ld_test {
namespace {

std::string order_of(const std::string& graph, const std::vector<std::string>& actions = {}) {
  Scene scene;
  build_order(scene, graph);
  return told_order(agreed(scene, {.arguments = actions}));
}

TEST(LoaderOrder, DependenciesFirstAndDestructorsBackwards) {
  EXPECT_EQ(order_of("prog->a->b->c"), "+c +b +a main end -a -b -c");
}

TEST(LoaderOrder, SiblingsInReverseOfDtNeeded) { EXPECT_EQ(order_of("prog->[a,b,c]"), "+c +b +a main end -a -b -c"); }

TEST(LoaderOrder, SharedDependencyOnceAndBeforeAllItsUsers) {
  EXPECT_EQ(order_of("prog->[a,b]; [a,b]->c"), "+c +b +a main end -a -b -c");
  EXPECT_EQ(order_of("prog->[c,a]; a->b->c"), "+c +b +a main end -a -b -c");
}

TEST(LoaderOrder, CycleOfTwo) { EXPECT_EQ(order_of("prog->a; a->b->a"), "+a +b main end -b -a"); }

TEST(LoaderOrder, CycleOfThreeEnteredInTheMiddle) {
  EXPECT_EQ(order_of("prog->b; a->b->c->a"), "+c +b +a main end -a -b -c");
}

TEST(LoaderOrder, CycleBesideAChain) {
  EXPECT_EQ(order_of("prog->[a,d]; a->b->c->a; c->d->e"), "+b +a +e +d +c main end -c -d -e -a -b");
}

TEST(LoaderOrder, TwoCyclesThatShareALibrary) {
  EXPECT_EQ(order_of("prog->[a,b]; a->c->a; b->c->b"), "+a +b +c main end -c -b -a");
}

TEST(LoaderOrder, OpenedLibraryAfterMainAndClosedBeforeTheEnd) {
  EXPECT_EQ(order_of("prog->a; b->c", {"+b", "-b"}), "+a main open b +c +b close b -b -c end -a");
}

TEST(LoaderOrder, OpenedAndNeverClosedIsUnloadedAtTheEndBeforeItsDependencies) {
  EXPECT_EQ(order_of("prog->a; b->a", {"+b"}), "+a main open b +b end -b -a");
}

TEST(LoaderOrder, OpenInitialisesOnlyWhatIsNew) {
  EXPECT_EQ(order_of("prog->a; b->[a,c]; d->[b,e]", {"+b", "+d", "-b", "-d"}),
            "+a main open b +c +b open d +e +d close b close d -d -b -c -e end -a");
}

TEST(LoaderOrder, CycleAmongOpenedLibrariesIsClosedAsAWhole) {
  constexpr int kClosedGoesFirst = 39;
  EXPECT_EQ(order_of("prog; a->b->c->a", {"+a", "+b", "-a", "-b"}),
            std::string("main open a +c +b +a open b close a close b ") +
                (glibc_minor() < kClosedGoesFirst ? "-c -a -b" : "-b -c -a") + " end");
}

// Graphs that nobody thought of. The seed is fixed: the same graphs every time.
class RandomOrder : public testing::TestWithParam<unsigned> {};

TEST_P(RandomOrder, AsTheGenuineLoader) {
  std::mt19937 random(GetParam());
  const auto count = static_cast<unsigned>(3 + random() % 7);
  const std::string letters = "abcdefghij";
  std::string graph = "prog->a";
  for (unsigned from = 0; from < count; ++from) {
    for (unsigned to = 0; to < count; ++to) {
      const bool backwards = to <= from;
      if (from != to && random() % (backwards ? 9 : 3) == 0) {
        graph += std::string("; ") + letters[from] + "->" + letters[to];
      }
    }
  }
  std::vector<std::string> actions;
  std::string open;
  for (unsigned i = 0; i < 6; ++i) {
    const char name = letters[random() % count];
    const bool was_open = open.find(name) != std::string::npos;
    actions.push_back(std::string(was_open ? "-" : "+") + name);
    if (was_open) {
      std::erase(open, name);
    } else {
      open += name;
    }
    if (graph.find(std::string(1, name) + "->") == std::string::npos) graph += std::string("; ") + name;
  }
  SCOPED_TRACE(graph);
  Scene scene;
  build_order(scene, graph);
  EXPECT_EQ(agreed(scene, {.arguments = actions}).status, 0);
}

INSTANTIATE_TEST_SUITE_P(LoaderOrder, RandomOrder, testing::Range(1U, 13U));

TEST(LoaderOrder, InitBeforeInitArrayAndFiniAfterFiniArray) {
  Scene scene;
  scene.library("a", R"(
void first(void) { say("DT_INIT\n"); }
void last(void) { say("DT_FINI\n"); }
__attribute__((constructor(200))) static void c200(void) { say("constructor 200\n"); }
__attribute__((constructor(101))) static void c101(void) { say("constructor 101\n"); }
ON_LOAD plain(void) { say("constructor\n"); }
__attribute__((destructor(200))) static void d200(void) { say("destructor 200\n"); }
ON_UNLOAD undo(void) { say("destructor\n"); }
)",
                {.flags = {"-Wl,-init=first", "-Wl,-fini=last"}});
  scene.program(R"(
#include <stdlib.h>
static void early(int count, char** words) { say("preinit %d %s\n", count, words[1]); }
__attribute__((section(".preinit_array"), used)) static void (*preinit)(int, char**) = early;
static void at_end(void) { say("atexit\n"); }
ON_LOAD own(int count, char** words, char** environment) { say("program's %d %s %d\n", count, words[1], environment[0] != 0); }
int main(void) { atexit(at_end); say("main\n"); }
)",
                {.needs = {"a"}});
  EXPECT_EQ(agreed(scene, {.arguments = {"word"}}).out,
            "preinit 2 word\nDT_INIT\nconstructor 101\nconstructor 200\nconstructor\nprogram's 2 word 1\nmain\natexit\n"
            "destructor\ndestructor 200\nDT_FINI\n");
}

TEST(LoaderOrder, ConstructorsGetArgumentsAndEnvironment) {
  Scene scene;
  scene.library("a", R"(
#include <stdlib.h>
#include <string.h>
ON_LOAD load(int count, char** words, char** environment) {
  int known = 0;
  for (char** one = environment; *one; ++one) known += !strcmp(*one, "MARK=yes");
  say("%d %s %d %s\n", count, words[count - 1], known, getenv("MARK"));
}
)");
  scene.program("int main(void) {}", {.needs = {"a"}});
  EXPECT_EQ(agreed(scene, {.arguments = {"x", "y"}, .environment = {"MARK=yes"}}).out, "3 y 1 yes\n");
}

TEST(LoaderOrder, InitFirstGoesBeforeItsOwnDependencies) {
  Scene scene;
  const char* kTell =
      "ON_LOAD load(void) { say(\"+\" NAME \"\\n\"); }\nON_UNLOAD unload(void) { say(\"-\" NAME \"\\n\"); }\n";
  scene.library("c", kTell, {.flags = {"-DNAME=\"c\""}});
  scene.library("b", kTell, {.needs = {"c"}, .flags = {"-DNAME=\"b\"", "-Wl,-z,initfirst"}});
  scene.library("a", kTell, {.needs = {"b"}, .flags = {"-DNAME=\"a\""}});
  scene.program("int main(void) { say(\"main\\n\"); }", {.needs = {"a"}});
  EXPECT_EQ(told_order(agreed(scene)), "+b +c +a main -a -b -c");
}

TEST(LoaderOrder, OpenInAConstructorFinishesBeforeItReturns) {
  Scene scene;
  scene.library("c", "ON_LOAD load(void) { say(\"+c\\n\"); }\nON_UNLOAD unload(void) { say(\"-c\\n\"); }");
  scene.library("b", R"(
#include <dlfcn.h>
ON_LOAD load(void) { say("+b\n"); if (!dlopen("c.so", RTLD_NOW)) say("%s\n", dlerror()); say("b has c\n"); }
ON_UNLOAD unload(void) { say("-b\n"); }
)");
  scene.program(
      "#include <dlfcn.h>\nint main(void) { say(\"main\\n\"); void* b = dlopen(\"d.so\", RTLD_NOW);"
      "if (!b) say(\"%s\\n\", dlerror()); dlclose(b); say(\"end\\n\"); }",
      {.needs = {"b"}});
  scene.library("d", "ON_LOAD load(void) { say(\"+d\\n\"); }\nON_UNLOAD unload(void) { say(\"-d\\n\"); }",
                {.needs = {"b"}});
  EXPECT_EQ(told_order(agreed(scene)), "+b +c b has c main +d -d end -b -c");
}

// The constructors are under way already: opening once more what they belong to neither calls nor reorders any.
TEST(LoaderOrder, OpenInAConstructorOfWhatIsBeingInitialisedCallsNobody) {
  const std::string self = "ON_LOAD load(void) { say(\"+NAME\\n\"); }\nON_UNLOAD unload(void) { say(\"-NAME\\n\"); }";
  const auto named = [&](const std::string& name) {
    std::string text = self;
    for (size_t at = 0; (at = text.find("NAME", at)) != std::string::npos;) text.replace(at, 4, name);
    return text;
  };
  const auto opening = [&](const std::string& name, const std::string& file) {
    return "#include <dlfcn.h>\nON_LOAD load(void) { say(\"+" + name + "\\n\"); if (!dlopen(" + file +
           ", RTLD_NOW)) say(\"%s\\n\", dlerror()); say(\"" + name + " opened\\n\"); }";
  };
  for (const std::string file : {"0", "\"a.so\"", "\"c.so\""}) {
    SCOPED_TRACE(file);
    Scene scene;
    scene.library("c", named("c")).library("d", opening("d", file));
    scene.library("b", named("b"), {.needs = {"c", "d"}}).library("a", named("a"), {.needs = {"b", "d"}});
    scene.program("int main(void) { say(\"main\\n\"); }", {.needs = {"a"}});
    agreed(scene);
    scene.program(
        "#include <dlfcn.h>\nint main(void) { void* a = dlopen(\"a.so\", RTLD_NOW); say(\"main\\n\"); dlclose(a); }");
    agreed(scene);
  }
}

TEST(LoaderOrder, ClosingTheProgramsHandleTooOftenIsAnError) {
  Scene scene;
  scene.program(R"(
#include <dlfcn.h>
int main(void) {
  void* self = dlopen(0, RTLD_NOW);
  for (int i = 0; i < 4; ++i) {
    int result = dlclose(self);
    say("%d %s\n", result, result ? dlerror() : "");
  }
}
)");
  agreed(scene);
  EXPECT_THAT(
      agreed(scene, {.wrapper = {"/bin/sh", "-c", "LD_DEBUG=files \"$@\" 2>&1 | grep -o 'opening file.*'", "sh"}}).out,
      testing::HasSubstr("direct_opencount=2"));
}

TEST(LoaderOrder, ExitInAConstructorRunsNoDestructors) {
  Scene scene;
  scene.library("c", "ON_LOAD load(void) { say(\"+c\\n\"); }\nON_UNLOAD unload(void) { say(\"-c\\n\"); }");
  scene.library("b",
                "#include <stdlib.h>\nON_LOAD load(void) { say(\"+b\\n\"); exit(7); }\nON_UNLOAD unload(void) { "
                "say(\"-b\\n\"); }",
                {.needs = {"c"}});
  scene.library("a", "ON_LOAD load(void) { say(\"+a\\n\"); }\nON_UNLOAD unload(void) { say(\"-a\\n\"); }",
                {.needs = {"b"}});
  scene.program("int main(void) { say(\"main\\n\"); }", {.needs = {"a"}});
  const RunResult result = agreed(scene);
  EXPECT_EQ(result.status, 7);
  EXPECT_EQ(told_order(result), "+c +b");
}

}  // namespace
}  // namespace pagefold::ld_test
