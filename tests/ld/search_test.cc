// Where libraries are looked for, in which order, and what is said when one is not found.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "scene.h"

namespace pagefold::ld_test {
namespace {

using testing::HasSubstr;

// One library in several folders; each copy knows its folder.
void in_folders(Scene& scene, const std::string& name, const std::vector<std::string>& folders) {
  for (const std::string& folder : folders) {
    scene.library(folder + "/" + name, "const char* where(void) { return \"" + folder + "\"; }");
  }
}

constexpr const char* kAsk = "const char* where(void);\nint main(void) { say(\"%s\\n\", where()); }";

Build needing(const std::string& library, const std::string& runpath, std::vector<std::string> flags = {}) {
  return {.needs = {library}, .flags = std::move(flags), .runpath = runpath};
}

const std::vector<std::string> kOldTags = {"-Wl,--disable-new-dtags"};

TEST(LoaderSearch, RpathBeforeLibraryPathBeforeRunpath) {
  Scene scene;
  in_folders(scene, "a", {"one", "two"});
  const Start with_path = {.environment = {"LD_LIBRARY_PATH=SCENE/two"}};
  scene.program(kAsk, needing("one/a", "$ORIGIN/one"));
  EXPECT_EQ(agreed(scene).out, "one\n");
  EXPECT_EQ(agreed(scene, with_path).out, "two\n");
  scene.program(kAsk, needing("one/a", "$ORIGIN/one", kOldTags));
  EXPECT_EQ(agreed(scene, with_path).out, "one\n");
}

TEST(LoaderSearch, RpathIsInheritedAndRunpathIsNot) {
  Scene scene;
  scene.library("deep/b", "const char* where(void) { return \"deep\"; }");
  scene.library("a", "const char* where(void); void* a(void) { return where; }", needing("deep/b", ""));
  scene.program("void* a(void); int main(void) { say(\"%d\\n\", a() != 0); }",
                {.needs = {"a"}, .flags = {"-Wl,--disable-new-dtags"}, .runpath = "$ORIGIN:$ORIGIN/deep"});
  EXPECT_EQ(agreed(scene).out, "1\n");
  scene.program("void* a(void); int main(void) { say(\"%d\\n\", a() != 0); }",
                {.needs = {"a"}, .runpath = "$ORIGIN:$ORIGIN/deep"});
  const RunResult result = agreed(scene);
  EXPECT_EQ(result.status, 127);
  EXPECT_EQ(result.err,
            "SCENE/prog: error while loading shared libraries: b.so: cannot open shared object file: No such file or "
            "directory\n");
}

TEST(LoaderSearch, TokensAreExpanded) {
  Scene scene;
  in_folders(scene, "a", {"lib/x86_64-linux-gnu", "x86_64/p", "here"});
  scene.program(kAsk, needing("here/a", "${ORIGIN}/here"));
  EXPECT_EQ(agreed(scene).out, "here\n");
  scene.program(kAsk, needing("here/a", "$ORIGIN/$LIB"));
  EXPECT_EQ(agreed(scene).out, "lib/x86_64-linux-gnu\n");
  scene.program(kAsk, needing("here/a", "$ORIGIN/$PLATFORM/p"));
  agreed(scene);
  scene.program(kAsk, needing("here/a", "/nowhere:$NOTATOKEN/here:$ORIGIN/here"));
  EXPECT_EQ(agreed(scene).out, "here\n");
}

TEST(LoaderSearch, LibraryPathKnowsColonSemicolonAndEmptyElements) {
  Scene scene;
  in_folders(scene, "a", {"one", "two"});
  scene.program(kAsk, needing("one/a", ""));
  for (const char* list :
       {"/nowhere:SCENE/two", "SCENE/two;SCENE/one", ":SCENE/two", "SCENE/two/", "SCENE/one/../two:SCENE/one"}) {
    EXPECT_EQ(agreed(scene, {.environment = {std::string("LD_LIBRARY_PATH=") + list}}).out, "two\n") << list;
  }
  EXPECT_EQ(agreed(scene, {.environment = {"LD_LIBRARY_PATH="}, .directory = scene.path("one")}).status, 127);
  EXPECT_EQ(agreed(scene, {.environment = {"LD_LIBRARY_PATH=:"}, .directory = scene.path("one")}).out, "one\n");
}

TEST(LoaderSearch, HwcapsFoldersGoFromTheBestProcessorDown) {
  Scene scene;
  in_folders(scene, "a", {"d", "d/glibc-hwcaps/x86-64-v2", "d/glibc-hwcaps/x86-64-v3", "d/glibc-hwcaps/x86-64-v4"});
  scene.program(kAsk, needing("d/a", "$ORIGIN/d"));
  EXPECT_THAT(agreed(scene).out, HasSubstr("d/glibc-hwcaps/x86-64-v"));
  scene.make({"rm", "-r", "d/glibc-hwcaps/x86-64-v4"});
  agreed(scene);
  scene.make({"rm", "-r", "d/glibc-hwcaps/x86-64-v3"});
  agreed(scene);
  EXPECT_EQ(agreed(scene, {.environment = {"LD_LIBRARY_PATH=SCENE/d"}}).status, 0);
}

TEST(LoaderSearch, NeededWithASlashIsAPath) {
  Scene scene;
  scene.library("sub/a", "const char* where(void) { return \"sub\"; }", {.soname = false});
  scene.program(kAsk, {.flags = {scene.path("sub/a.so")}, .runpath = ""});
  EXPECT_EQ(agreed(scene).out, "sub\n");
  scene.make({"rm", "sub/a.so"});
  EXPECT_EQ(agreed(scene).err,
            "SCENE/prog: error while loading shared libraries: SCENE/sub/a.so: cannot open shared object file: No such "
            "file or directory\n");
}

TEST(LoaderSearch, OneFileUnderTwoNamesIsLoadedOnce) {
  Scene scene;
  scene.library("a", "int value = 1; ON_LOAD load(void) { say(\"+a\\n\"); }", {.soname = false});
  scene.make({"ln", "-s", "a.so", "linked.so"});
  scene.make({"ln", "a.so", "hard.so"});
  scene.program(R"(
#include <dlfcn.h>
int main(void) {
  void* one = dlopen("a.so", RTLD_NOW);
  say("%d %d %d\n", one == dlopen("linked.so", RTLD_NOW), one == dlopen("hard.so", RTLD_NOW), one == dlopen("./a.so", RTLD_NOW));
}
)");
  EXPECT_EQ(agreed(scene, {.directory = scene.path("")}).out, "+a\n1 1 1\n");
}

TEST(LoaderSearch, SonameOfALoadedLibraryNeedsNoFile) {
  Scene scene;
  scene.library("a", "ON_LOAD load(void) { say(\"+a\\n\"); }", {.flags = {"-Wl,-soname,other.so.1"}, .soname = false});
  scene.program(R"(
#include <dlfcn.h>
int main(void) {
  void* one = dlopen("a.so", RTLD_NOW);
  say("%d %d\n", one == dlopen("other.so.1", RTLD_NOW), dlopen("other.so.2", RTLD_NOW) == 0);
}
)");
  EXPECT_EQ(agreed(scene).out, "+a\n1 1\n");
}

TEST(LoaderSearch, LibraryOfAnotherClassIsPassedOverInTheSearchAndReportedByPath) {
  Scene scene;
  in_folders(scene, "a", {"good", "bad"});
  std::string header = std::string(
                           "\x7f"
                           "ELF\1\1\1",
                           7) +
                       std::string(9, '\0') + std::string("\3\0\3\0\1\0\0\0", 8) + std::string(100, '\0');
  scene.file("bad/a.so", header);
  scene.program(kAsk, needing("good/a", "$ORIGIN/bad:$ORIGIN/good"));
  EXPECT_EQ(agreed(scene).out, "good\n");
  scene.program("#include <dlfcn.h>\nint main(void) { dlopen(BAD, RTLD_NOW); say(\"%s\\n\", dlerror()); }",
                {.flags = {"-DBAD=\"" + scene.path("bad/a.so") + "\""}});
  EXPECT_EQ(agreed(scene).out, "SCENE/bad/a.so: wrong ELF class: ELFCLASS32\n");
  scene.program(kAsk, needing("good/a", "$ORIGIN/bad"));
  EXPECT_EQ(agreed(scene).status, 127);
}

// Since glibc 2.36 neither the kernel's version nor the system in a library's ABI tag is compared with anything.
TEST(LoaderSearch, AbiTagOfANewerKernelOrAnotherSystemIsNoObstacle) {
  for (const char* system : {"0", "1"}) {
    Scene scene;
    const std::string note = system;
    scene.library(
        "a",
        "__asm__(\".section .note.ABI-tag,\\\"a\\\",@note\\n.balign 4\\n.long 4, 16, 1\\n.asciz \\\"GNU\\\"\\n.long " +
            note + ", 99, 0, 0\\n.text\");\nconst char* where(void) { return \"a\"; }",
        {.flags = {"-Wl,--build-id=none"}});
    scene.program(kAsk, {.needs = {"a"}});
    EXPECT_EQ(agreed(scene).out, "a\n");
  }
}

TEST(LoaderSearch, PreloadedLibrariesComeFirstInTheirOrder) {
  Scene scene;
  for (const std::string name : {"a", "b", "c"}) {
    scene.library(name, "const char* where(void) { return \"" + name + "\"; }\nON_LOAD load(void) { say(\"+" + name +
                            "\\n\"); }");
  }
  scene.program(kAsk, {.needs = {"a"}});
  EXPECT_EQ(agreed(scene, {.environment = {"LD_PRELOAD=SCENE/b.so:SCENE/c.so"}}).out, "+a\n+c\n+b\nb\n");
  EXPECT_EQ(agreed(scene, {.environment = {"LD_PRELOAD=SCENE/c.so SCENE/b.so"}}).out, "+a\n+b\n+c\nc\n");
  EXPECT_EQ(agreed(scene, {.environment = {"LD_PRELOAD=b.so", "LD_LIBRARY_PATH=SCENE"}}).out, "+a\n+b\nb\n");
}

TEST(LoaderSearch, PreloadThatCannotBeFoundIsIgnoredAloud) {
  Scene scene;
  scene.program("int main(void) { say(\"main\\n\"); }");
  const RunResult result = agreed(scene, {.environment = {"LD_PRELOAD=/nowhere/x.so"}});
  EXPECT_EQ(result.out, "main\n");
  EXPECT_EQ(result.err,
            "ERROR: ld.so: object '/nowhere/x.so' from LD_PRELOAD cannot be preloaded (cannot open shared object "
            "file): ignored.\n");
}

// `unshare --mount`, /etc covered by an overlay with the scene's etc/ on top, then the program.
Start with_etc() {
  return {.wrapper = {"/usr/bin/env", "unshare", "--mount", "sh", "-c",
                      "mount -t overlay overlay -o lowerdir=SCENE/etc:/etc /etc && exec \"$@\"", "sh"}};
}

TEST(LoaderSearch, PreloadFileIsObeyedAfterTheVariable) {
  if (!may_mount()) GTEST_SKIP() << "needs root, for a mount namespace";
  Scene scene;
  for (const std::string name : {"a", "b", "c"}) {
    scene.library(name,
                  "const char* where(void) { return \"" + name + "\"; }\nON_LOAD load(void) { if (TELL) say(\"+" +
                      name + "\\n\"); }",
                  {.flags = {"-DTELL=__builtin_strcmp(getenv(\"TELL\") ? getenv(\"TELL\") : \"\", \"\")", "-include",
                             "stdlib.h"}});
  }
  scene.file("etc/ld.so.preload",
             "# a comment\n" + scene.path("b.so") + " # another\n" + scene.path("c.so") + ":" + "/nowhere/y.so\n");
  scene.program(kAsk, {.needs = {"a"}});
  Start start = with_etc();
  EXPECT_EQ(agreed(scene, start).out, "b\n");
  start.environment = {"LD_PRELOAD=SCENE/c.so"};
  EXPECT_EQ(agreed(scene, start).out, "c\n");
}

TEST(LoaderSearch, CacheIsAskedAfterRunpathAndKnowsHwcaps) {
  if (!may_mount()) GTEST_SKIP() << "needs root, for a mount namespace";
  Scene scene;
  in_folders(scene, "libcached", {"cached", "cached/glibc-hwcaps/x86-64-v2", "cached/glibc-hwcaps/x86-64-v4"});
  in_folders(scene, "libboth", {"cached", "own"});
  scene.folder("etc").file("ld.so.conf", scene.path("cached") + "\n");
  scene.make({"/sbin/ldconfig", "-f", "ld.so.conf", "-C", "etc/ld.so.cache", "-X"});
  scene.program(kAsk, needing("cached/libcached", ""));
  Start start = with_etc();
  EXPECT_THAT(agreed(scene, start).out, HasSubstr("cached/glibc-hwcaps/x86-64-v"));
  EXPECT_EQ(agreed(scene).status, 127) << "only the cache knows the folder";
  scene.program(kAsk, needing("cached/libboth", "$ORIGIN/own"));
  EXPECT_EQ(agreed(scene, start).out, "own\n");
  scene.program(kAsk, needing("cached/libboth", ""));
  EXPECT_EQ(agreed(scene, start).out, "cached\n");
}

// The first few names are looked up by reading, the others in a mapping; a path longer than what is read at once always there.
TEST(LoaderSearch, CacheKnowsManyNamesAndLongPaths) {
  if (!may_mount()) GTEST_SKIP() << "needs root, for a mount namespace";
  Scene scene;
  Build build;
  const std::string folder = "cached" + std::string(80, 'd');
  std::string calls, declarations;
  for (const std::string name : {"one", "two", "three", "four", "five", "six", "seven"}) {
    const std::string file = name == "two" ? "libtwo" + std::string(180, 'o') : "lib" + name;
    scene.library(folder + "/" + file, "int " + name + "(void) { return " + std::to_string(name.size()) + "; }");
    build.needs.push_back(folder + "/" + file);
    declarations += "int " + name + "(void);";
    calls += (calls.empty() ? "" : " + ") + name + "()";
  }
  scene.folder("etc").file("ld.so.conf", scene.path(folder) + "\n");
  scene.make({"/sbin/ldconfig", "-f", "ld.so.conf", "-C", "etc/ld.so.cache", "-X"});
  scene.program(declarations + " int main(void) { say(\"%d\\n\", " + calls + "); }", build);
  EXPECT_EQ(agreed(scene, with_etc()).out, "27\n");
  EXPECT_EQ(agreed(scene).status, 127) << "only the cache knows the folder";
}

TEST(LoaderSearch, BrokenCacheIsAsGoodAsNone) {
  if (!may_mount()) GTEST_SKIP() << "needs root, for a mount namespace";
  Scene scene;
  in_folders(scene, "a", {"own"});
  scene.program(kAsk, needing("own/a", "$ORIGIN/own"));
  Start start = with_etc();
  start.wrapper[5] =
      "cp /etc/ld.so.cache SCENE/whole && head -c $((SIZE)) SCENE/whole >SCENE/etc/ld.so.cache && " + start.wrapper[5];
  const std::string recipe = start.wrapper[5];
  scene.folder("etc");
  for (const char* size : {"0", "3", "47", "100", "5000"}) {
    start.wrapper[5] = recipe;
    start.wrapper[5].replace(recipe.find("SIZE"), 4, size);
    EXPECT_EQ(agreed(scene, start).out, "own\n") << size << " bytes";
  }
}

TEST(LoaderSearch, OpenedByNameIsSearchedWithTheRunpathOfTheCaller) {
  Scene scene;
  in_folders(scene, "a", {"one", "two"});
  const char* kOpen = R"(
#include <dlfcn.h>
#include <string.h>
const char* OPENER(void) {
  void* a = dlopen("a.so", RTLD_NOW | RTLD_LOCAL);
  if (!a) return "nothing";
  const char* (*where)(void) = dlsym(a, "where");
  static char found[10];
  strcpy(found, where());
  dlclose(a);
  return found;
}
)";
  scene.library("b", kOpen, {.flags = {"-DOPENER=b"}, .runpath = "$ORIGIN/two"});
  scene.program(
      std::string(kOpen) + "const char* b(void);\nint main(void) { say(\"%s\\n\", prog()); say(\"%s\\n\", b()); }",
      {.needs = {"b"}, .flags = {"-DOPENER=prog"}, .runpath = "$ORIGIN:$ORIGIN/one"});
  EXPECT_EQ(agreed(scene).out, "one\ntwo\n");
}

TEST(LoaderSearch, OptionsOfTheCommand) {
  Scene scene;
  in_folders(scene, "a", {"one", "two"});
  scene.library("pre", "ON_LOAD load(void) { say(\"+pre\\n\"); }");
  scene.program(
      "const char* where(void); int main(int n, char** words) { say(\"%s %s %d\\n\", words[0], where(), n); }",
      needing("one/a", "$ORIGIN/one"));
  const auto with = [&](std::vector<std::string> options) {
    return agreed(scene, {.arguments = {"x"}, .loader_options = std::move(options), .ways = {Way::Command}});
  };
  EXPECT_EQ(with({"--library-path", "SCENE/two"}).out, "SCENE/prog two 2\n");
  EXPECT_EQ(with({"--argv0", "another"}).out, "another one 2\n");
  EXPECT_EQ(with({"--preload", scene.path("pre.so")}).out, "+pre\nSCENE/prog one 2\n");
  EXPECT_EQ(with({"--inhibit-cache"}).out, "SCENE/prog one 2\n");
  EXPECT_EQ(with({"--verify"}).status, 0);
  EXPECT_EQ(with({"--library-path", "SCENE/two", "--preload", "SCENE/pre.so", "--argv0", "n"}).out, "+pre\nn two 2\n");
}

TEST(LoaderSearch, CommandWithoutAProgramOrWithAMissingOneSaysSo) {
  Scene scene;
  scene.file("text", "no program\n");
  for (const char* program : {"missing", "text"}) {
    const RunResult result = agreed(scene, {.ways = {Way::Command}, .program = program});
    EXPECT_EQ(result.status, 127);
    EXPECT_THAT(result.err, HasSubstr("error while loading shared libraries: SCENE/"));
  }
  EXPECT_EQ(agreed(scene, {.loader_options = {"--verify"}, .ways = {Way::Command}, .program = "missing"}).status, 1);
}

TEST(LoaderSearch, MissingLibraryOfALibraryIsReportedWithTheNameAlone) {
  Scene scene;
  scene.stub("gone").library("a", "int a;", {.needs = {"gone"}});
  scene.program("int main(void) {}", {.needs = {"a"}});
  const RunResult result = agreed(scene);
  EXPECT_EQ(result.status, 127);
  EXPECT_EQ(result.err,
            "SCENE/prog: error while loading shared libraries: gone.so: cannot open shared object file: No such file "
            "or directory\n");
}

TEST(LoaderSearch, ProgramSeesItsOwnNameAndDescriptors) {
  Scene scene;
  scene.program(R"(
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
int main(int count, char** words) {
  char comm[32] = "";
  FILE* file = fopen("/proc/self/comm", "r");
  fgets(comm, sizeof comm, file);
  fclose(file);
  int open = 0;
  DIR* folder = opendir("/proc/self/fd");
  for (struct dirent* one; (one = readdir(folder));) open += one->d_name[0] != '.';
  say("%s %s %d\n", strrchr(words[0], '/'), comm, open);
}
)");
  EXPECT_THAT(agreed(scene, {.ways = {Way::Interpreter}}).out, HasSubstr("/prog prog\n "));
}

}  // namespace
}  // namespace pagefold::ld_test
