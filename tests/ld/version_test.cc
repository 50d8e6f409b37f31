// Symbol versions: which of several definitions a reference gets, and what is said when a wanted version is missing.
#include <gtest/gtest.h>

#include "elf_patch.h"
#include "scene.h"

namespace pagefold::ld_test {
namespace {

constexpr const char* kTwoVersions = R"(
__asm__(".symver old, f@V1\n.symver new, f@@V2");
const char* old(void) { return "V1"; }
const char* new(void) { return "V2"; }
)";
constexpr const char* kCaller = R"(
const char* f(void);
int main(void) { say("%s\n", f()); }
)";

// a.so with the versions of this script.
void versioned(Scene& scene, const std::string& source, const std::string& script) {
  scene.file("script", script);
  scene.library("a", source, {.flags = {"-Wl,--version-script=" + scene.path("script")}});
}

constexpr const char* kOne = "V1 { global: f; local: *; };";
constexpr const char* kBoth = "V1 { global: f; local: *; }; V2 { global: f; } V1;";

TEST(LoaderVersions, OldProgramKeepsTheOldVersionAndANewOneGetsTheDefault) {
  Scene scene;
  versioned(scene, "const char* f(void) { return \"the only\"; }", kOne);
  scene.program(kCaller, {.needs = {"a"}});
  versioned(scene, kTwoVersions, kBoth);
  EXPECT_EQ(agreed(scene).out, "V1\n");
  scene.program(kCaller, {.needs = {"a"}});
  EXPECT_EQ(agreed(scene).out, "V2\n");
}

TEST(LoaderVersions, ReferenceWithoutVersionGetsTheFirstOne) {
  Scene scene;
  scene.library("a", "const char* f(void) { return \"none\"; }");
  scene.program(kCaller, {.needs = {"a"}});
  versioned(scene, kTwoVersions, kBoth);
  EXPECT_EQ(agreed(scene).out, "V1\n");
}

TEST(LoaderVersions, DlsymTakesTheDefaultAndDlvsymTheOneItNames) {
  Scene scene;
  versioned(scene, kTwoVersions, kBoth);
  scene.program(R"(
#include <dlfcn.h>
int main(void) {
  void* a = dlopen("a.so", RTLD_NOW);
  const char* (*f)(void) = dlsym(a, "f");
  say("dlsym %s\n", f());
  f = dlvsym(a, "f", "V1");
  say("V1 %s\n", f());
  f = dlvsym(a, "f", "V2");
  say("V2 %s\n", f());
  f = dlvsym(a, "f", "V3");
  say("%d %s\n", f == 0, dlerror());
  f = dlvsym(RTLD_DEFAULT, "f", "V1");
  say("%d %s\n", f == 0, dlerror());
}
)");
  EXPECT_EQ(agreed(scene).out,
            "dlsym V2\nV1 V1\nV2 V2\n1 SCENE/a.so: undefined symbol: f, version V3\n1 SCENE/prog: undefined symbol: f, "
            "version V1\n");
}

TEST(LoaderVersions, MissingVersionStopsTheStart) {
  Scene scene;
  versioned(scene, kTwoVersions, kBoth);
  scene.program(kCaller, {.needs = {"a"}});
  versioned(scene, "const char* f(void) { return \"the only\"; }", kOne);
  const RunResult result = agreed(scene);
  EXPECT_EQ(result.status, 1);
  EXPECT_EQ(result.err, "SCENE/prog: SCENE/a.so: version `V2' not found (required by SCENE/prog)\n");
}

TEST(LoaderVersions, EveryMissingVersionOfEveryObjectIsNamed) {
  Scene scene;
  versioned(scene, kTwoVersions, kBoth);
  scene.library("b", "const char* f(void); const char* g(void) { return f(); }", {.needs = {"a"}});
  scene.program(kCaller, {.needs = {"a", "b"}});
  versioned(scene, "const char* f(void) { return \"other\"; }", "W1 { global: f; local: *; };");
  EXPECT_EQ(agreed(scene).err,
            "SCENE/prog: SCENE/a.so: version `V2' not found (required by SCENE/prog)\n"
            "SCENE/prog: SCENE/a.so: version `V2' not found (required by SCENE/b.so)\n");
}

TEST(LoaderVersions, MissingVersionOfAWeakReferenceIsPassedOver) {
  Scene scene;
  versioned(scene, kTwoVersions, kBoth);
  scene.program("__attribute__((weak)) const char* f(void);\nint main(void) { say(\"%d\\n\", f != 0); }",
                {.needs = {"a"}, .flags = {"-fPIE", "-pie"}});
  versioned(scene, "const char* f(void) { return \"the only\"; }", kOne);
  EXPECT_EQ(agreed(scene).status, 1) << "the linker does not mark it as weak";
  ElfPatch prog(scene.path("prog"));
  prog.mark_needed_version_weak("V2");
  prog.save();
  EXPECT_EQ(agreed(scene).out, "0\n");
}

TEST(LoaderVersions, LibraryThatLostItsVersionsIsUsedWithAWarning) {
  Scene scene;
  versioned(scene, kTwoVersions, kBoth);
  scene.program(kCaller, {.needs = {"a"}});
  scene.library("a", "const char* f(void) { return \"plain\"; }");
  const RunResult result = agreed(scene);
  EXPECT_EQ(result.out, "plain\n");
  EXPECT_EQ(result.err, "SCENE/prog: SCENE/a.so: no version information available (required by SCENE/prog)\n");
}

TEST(LoaderVersions, DefinitionWithoutVersionsInterposesAVersionedOne) {
  Scene scene;
  versioned(scene, kTwoVersions, kBoth);
  scene.library("user", "const char* f(void); void use(void) { say(\"%s\\n\", f()); }", {.needs = {"a"}});
  scene.program("void use(void);\nconst char* f(void) { return \"program's\"; }\nint main(void) { use(); }",
                {.needs = {"user"}, .flags = {"-rdynamic"}});
  EXPECT_EQ(agreed(scene).out, "program's\n");
}

TEST(LoaderVersions, OpeningALibraryWhoseNeedsAreMissingSaysWhichVersion) {
  Scene scene;
  versioned(scene, kTwoVersions, kBoth);
  scene.library("b", "const char* f(void); const char* g(void) { return f(); }", {.needs = {"a"}});
  versioned(scene, "const char* f(void) { return \"the only\"; }", kOne);
  scene.program(
      "#include <dlfcn.h>\nint main(void) { say(\"%d\\n\", !dlopen(\"b.so\", RTLD_NOW)); say(\"%s\\n\", dlerror()); }");
  EXPECT_EQ(agreed(scene).out, "1\nSCENE/a.so: version `V2' not found (required by SCENE/b.so)\n");
}

TEST(LoaderVersions, HiddenVersionIsNoAnswerForDlsym) {
  Scene scene;
  scene.file("script", "V1 { global: f; local: *; };");
  scene.library("a", "__asm__(\".symver old, f@V1\");\nconst char* old(void) { return \"V1\"; }",
                {.flags = {"-Wl,--version-script=" + scene.path("script")}});
  scene.program(R"(
#include <dlfcn.h>
int main(void) {
  void* a = dlopen("a.so", RTLD_NOW);
  say("%d %d\n", dlsym(a, "f") != 0, dlvsym(a, "f", "V1") != 0);
}
)");
  EXPECT_EQ(agreed(scene).out, "0 1\n");
}

}  // namespace
}  // namespace pagefold::ld_test
