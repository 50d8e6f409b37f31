// Many of everything: libraries, symbols, dependencies in a row, searched folders.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "scene.h"

namespace pagefold::ld_test {
namespace {

TEST(LoaderScale, ThreeHundredLibrariesEachUsingItsNeighbours) {
  constexpr int kCount = 300;
  Scene scene;
  std::string link = "set -e\n";
  for (int i = 0; i < kCount; ++i) {
    const auto number = [](int n) { return std::to_string(n % kCount); };
    scene.file("n" + std::to_string(i) + ".s",
               ".text\n.globl f" + number(i) + "\n.type f" + number(i) + ",@function\nf" + number(i) + ": mov g" +
                   number(i + 1) +
                   "@GOTPCREL(%rip), %rax\nmov (%rax), %rax\nadd here(%rip), %rax\nret\n.data\n.globl g" + number(i) +
                   "\n.type g" + number(i) + ",@object\n.size g" + number(i) + ",8\ng" + number(i) + ": .quad " +
                   number(i) + "\nhere: .quad " + number(i) + "\n.quad f" + number(i + 17) +
                   "\n.section .note.GNU-stack,\"\"\n");
    const std::string name = "n" + std::to_string(i);
    link +=
        "as -o " + name + ".o " + name + ".s\nld -shared -soname " + name + ".so -o " + name + ".so " + name + ".o\n";
  }
  scene.file("link.sh", link).make({"sh", "link.sh"});
  Build build;
  std::string source;
  std::string sum = "0";
  for (int i = 0; i < kCount; ++i) {
    build.needs.push_back("n" + std::to_string(i));
    source += "long f" + std::to_string(i) + "(void);\n";
    sum += " + f" + std::to_string(i) + "()";
  }
  scene.program(source + "int main(void) { say(\"%ld\\n\", " + sum + "); }", build);
  EXPECT_EQ(agreed(scene).out, "89700\n");
  EXPECT_EQ(agreed(scene, {.environment = {"LD_BIND_NOW=1"}}).out, "89700\n");
}

TEST(LoaderScale, HundredThousandSymbolsOfOneLibrary) {
  constexpr int kCount = 100'000;
  Scene scene;
  std::string defined = ".text\n";
  std::string asked = ".data\n.globl table\n.balign 8\ntable:\n";
  for (int i = 0; i < kCount; ++i) {
    const std::string name = "symbol_number_" + std::to_string(i);
    defined += ".globl " + name + "\n.type " + name + ",@function\n" + name + ": .byte 0xc3\n";
    asked += ".quad " + name + "\n";
  }
  const std::string end = ".section .note.GNU-stack,\"\"\n";
  scene.library("a", defined + end, {.language = "assembler"})
      .library("b", asked + end, {.needs = {"a"}, .language = "assembler"});
  scene.program(R"(
#include <dlfcn.h>
int main(void) {
  void* b = dlopen("b.so", RTLD_NOW);
  char** table = dlsym(b, "table");
  int wrong = 0;
  for (int i = 0; i < 100000; ++i) wrong += table[i] != table[0] + i;
  say("%d %d\n", wrong, dlsym(b, "symbol_number_99999") == table[99999]);
}
)");
  EXPECT_EQ(agreed(scene).out, "0 1\n");
}

TEST(LoaderScale, ChainOfTwoHundredInOrder) {
  constexpr int kCount = 200;
  Scene scene;
  scene.file("c.c",
             "extern const char name[]; int order; __attribute__((constructor)) static void load(void) { say(\"%s \", "
             "name); }");
  scene.make({"gcc", "-O1", "-fPIC", "-c", "-include", PAGEFOLD_LD_TESTS "/say.h", "c.c"});
  std::string link = "set -e\n";
  for (int i = kCount; i-- > 0;) {
    const std::string name = "c" + std::to_string(i);
    link += "printf '.globl name\\n.hidden name\\nname: .asciz \"" + name +
            "\"\\n.section .note.GNU-stack,\"\"\\n' | as -o n.o -\nld -shared -soname " + name + ".so -o " + name +
            ".so -rpath '$ORIGIN' c.o n.o -L. -lc" + (i + 1 < kCount ? " -l:c" + std::to_string(i + 1) + ".so" : "") +
            "\n";
  }
  scene.file("link.sh", link).make({"sh", "link.sh"});
  scene.program("int main(void) { say(\"main\\n\"); }", {.needs = {"c0"}});
  EXPECT_THAT(agreed(scene).out, testing::HasSubstr("c199 c198 c197 "));
}

TEST(LoaderScale, LongSearchPathAndLongNames) {
  Scene scene;
  const std::string name(200, 'n');
  std::string path;
  for (int i = 0; i < 200; ++i) path += "$ORIGIN/" + std::string(100, 'd') + std::to_string(i) + ":";
  scene.library(name, "int a(void) { return 3; }");
  scene.program("int a(void); int main(void) { say(\"%d\\n\", a()); }", {.needs = {name}, .runpath = path + "$ORIGIN"});
  EXPECT_EQ(agreed(scene).out, "3\n");
}

TEST(LoaderScale, ManyArgumentsAndALargeEnvironment) {
  Scene scene;
  scene.program(
      "#include <stdlib.h>\n#include <string.h>\nint main(int n, char** w) { say(\"%d %s %d\\n\", n, w[n - 1], "
      "(int)strlen(getenv(\"LARGE\"))); }");
  std::vector<std::string> arguments(5000, "argument");
  arguments.emplace_back("last");
  EXPECT_EQ(agreed(scene, {.arguments = arguments, .environment = {"LARGE=" + std::string(100'000, 'x')}}).out,
            "5002 last 100000\n");
}

}  // namespace
}  // namespace pagefold::ld_test
