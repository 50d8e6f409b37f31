// Which definition a name gets: interposition, weak, protected, hidden, symbolic, unique, copies, undefined ones.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "scene.h"

namespace pagefold::ld_test {
namespace {

using testing::HasSubstr;

// A library that defines f and asks for it itself.
std::string defines_f(const std::string& name, const std::string& before = "") {
  return before + " const char* f(void) { return \"" + name + "\"; }\nconst char* " + name +
         "_calls(void) { return f(); }\n";
}

constexpr const char* kAsk = R"(
const char* f(void);
const char* a_calls(void);
const char* b_calls(void);
int main(void) { say("prog %s, a %s, b %s\n", f(), a_calls(), b_calls()); }
)";

TEST(LoaderSymbols, FirstOfDtNeededWinsForEverybody) {
  Scene scene;
  scene.library("a", defines_f("a")).library("b", defines_f("b"));
  scene.program(kAsk, {.needs = {"b", "a"}});
  EXPECT_EQ(agreed(scene).out, "prog b, a b, b b\n");
}

TEST(LoaderSymbols, ProgramInterposesItsLibraries) {
  Scene scene;
  scene.library("a", defines_f("a")).library("b", defines_f("b"));
  scene.program(std::string(kAsk) + "const char* f(void) { return \"prog\"; }", {.needs = {"a", "b"}});
  EXPECT_EQ(agreed(scene).out, "prog prog, a prog, b prog\n");
}

TEST(LoaderSymbols, WeakDefinitionThatComesFirstWins) {
  Scene scene;
  scene.library("a", defines_f("a", "__attribute__((weak))")).library("b", defines_f("b"));
  scene.program(kAsk, {.needs = {"a", "b"}});
  EXPECT_EQ(agreed(scene).out, "prog a, a a, b a\n");
  EXPECT_EQ(agreed(scene, {.environment = {"LD_DYNAMIC_WEAK=1"}}).out, "prog b, a b, b b\n");
}

TEST(LoaderSymbols, ProtectedBindsItsOwnLibraryOnly) {
  Scene scene;
  scene.library("a", defines_f("a")).library("b", defines_f("b", "__attribute__((visibility(\"protected\")))"));
  scene.program(kAsk, {.needs = {"a", "b"}});
  EXPECT_EQ(agreed(scene).out, "prog a, a a, b b\n");
}

TEST(LoaderSymbols, SymbolicLooksInItsOwnLibraryFirst) {
  Scene scene;
  scene.library("a", defines_f("a")).library("b", defines_f("b"), {.flags = {"-Wl,-Bsymbolic"}});
  scene.program(kAsk, {.needs = {"a", "b"}});
  EXPECT_EQ(agreed(scene).out, "prog a, a a, b b\n");
}

// Linked without -Bsymbolic, marked afterwards: every reference is still a relocation, and the flag is the loader's
// business.
TEST(LoaderSymbols, DfSymbolicIsObeyedByTheLoaderItself) {
  Scene scene;
  scene.library("a", defines_f("a"));
  scene.library(
      "b",
      "const char* f(void);\nconst char* b_calls(void) { return f(); }\n__asm__(\".globl f\\n.type f,@function\\n\"\n"
      "\"f: lea word(%rip), %rax\\nret\\nword: .asciz \\\"b\\\"\");",
      {.flags = {"-Wl,-Bsymbolic", "-fno-plt"}});
  scene.program(kAsk, {.needs = {"a", "b"}});
  EXPECT_EQ(agreed(scene).out, "prog a, a a, b b\n");
}

TEST(LoaderSymbols, HiddenIsNoAnswerForOthers) {
  Scene scene;
  scene.library("a", "__attribute__((visibility(\"hidden\")))" + defines_f("a")).library("b", defines_f("b"));
  scene.program(kAsk, {.needs = {"a", "b"}});
  EXPECT_EQ(agreed(scene).out, "prog b, a a, b b\n");
}

TEST(LoaderSymbols, UndefinedWeakIsNull) {
  Scene scene;
  scene.library("a",
                "__attribute__((weak)) void nowhere(void);\n__attribute__((weak)) extern int nothing;\n"
                "int has(void) { return (nowhere != 0) + (&nothing != 0); }");
  scene.program("int has(void); int main(void) { say(\"%d\\n\", has()); }", {.needs = {"a"}});
  EXPECT_EQ(agreed(scene).out, "0\n");
}

TEST(LoaderSymbols, CopyRelocationGivesEverybodyTheProgramsCopy) {
  Scene scene;
  scene.library("a", R"(
int table[3] = {1, 2, 3};
int* table_of_a(void) { return table; }
void sum(void) { say("%d\n", table[0] + table[1] + table[2]); }
)");
  scene.program(R"(
extern int table[3];
int* table_of_a(void);
void sum(void);
int main(void) { say("%d %d\n", table == table_of_a(), table[2]); table[1] = 20; sum(); }
)",
                {.needs = {"a"}, .flags = {"-no-pie", "-fno-pic"}});
  EXPECT_EQ(agreed(scene).out, "1 3\n24\n");
}

TEST(LoaderSymbols, CopyOfAPointerIsCopiedAfterItIsRelocated) {
  Scene scene;
  scene.library("a", "static int value = 42; int* pointer = &value;\nint* const table[2] = {&value, 0};");
  scene.program(
      "extern int* pointer; extern int* const table[2];\nint main(void) { say(\"%d %d\\n\", *pointer, *table[0]); }",
      {.needs = {"a"}, .flags = {"-no-pie", "-fno-pic"}});
  EXPECT_EQ(agreed(scene).out, "42 42\n");
}

TEST(LoaderSymbols, CopyOfAnotherSizeIsReported) {
  Scene scene;
  scene.library("a", "int table[4] = {1, 2, 3, 4};");
  scene.program("extern int table[4]; int main(void) { say(\"%d\\n\", table[0]); }",
                {.needs = {"a"}, .flags = {"-no-pie", "-fno-pic"}});
  scene.library("a", "int table[8] = {1, 2, 3, 4, 5};");
  const RunResult result = agreed(scene);
  EXPECT_EQ(result.out, "1\n");
  EXPECT_EQ(result.err, "SCENE/prog: Symbol `table' has different size in shared object, consider re-linking\n");
}

TEST(LoaderSymbols, FunctionPointersCompareEqualAcrossObjects) {
  Scene scene;
  scene.library("a", "void f(void) {} void* f_of_a(void) { return f; }")
      .library("b", "void f(void); void* f_of_b(void) { return f; }");
  const std::string program =
      "void f(void); void* f_of_a(void); void* f_of_b(void);\n"
      "int main(void) { say(\"%d %d\\n\", (void*)f == f_of_a(), f_of_a() == f_of_b()); f(); }";
  scene.program(program, {.needs = {"a", "b"}, .flags = {"-no-pie", "-fno-pic"}});
  EXPECT_EQ(agreed(scene).out, "1 1\n");
  scene.program(program, {.needs = {"a", "b"}, .flags = {"-pie", "-fPIE"}});
  EXPECT_EQ(agreed(scene).out, "1 1\n");
}

TEST(LoaderSymbols, ProcessorFeaturesAsResolversSeeThem) {
  Scene scene;
  scene.program(R"(
#include <sys/platform/x86.h>
int main(void) {
  for (unsigned leaf = 0; leaf < 9; ++leaf) {
    const struct cpuid_feature* one = __x86_get_cpuid_feature_leaf(leaf);
    say("leaf %u:", leaf);
    for (int word = 0; word < 4; ++word) {
      unsigned cpuid = one->cpuid_array[word];
      if (leaf == 0 && word == 1) cpuid &= 0x00ffffff; // the number of the processor it ran on
      say(" %08x/%08x", cpuid, one->active_array[word]);
    }
    say("\n");
  }
}
)");
  EXPECT_THAT(agreed(scene, {.wrapper = {"/usr/bin/taskset", "-c", "0"}}).out, HasSubstr("leaf 8:"));
}

// One instance in the process, however locally the libraries were opened; and what defines it stays loaded.
TEST(LoaderSymbols, UniqueIsOneObjectForLocalLibrariesToo) {
  Scene scene;
  const std::string source =
      "template <class T> struct S { static int value; };\ntemplate <class T> int S<T>::value = 1;\n"
      "extern \"C\" int* value() { return &S<int>::value; }\nON_UNLOAD undo() { say(\"-\" NAME \"\\n\"); }";
  scene.library("a", source, {.flags = {"-DNAME=\"a\""}, .language = "c++"});
  scene.library("b", source, {.flags = {"-DNAME=\"b\""}, .language = "c++"});
  scene.program(R"(
#include <dlfcn.h>
int main(void) {
  void* a = dlopen("a.so", RTLD_NOW | RTLD_LOCAL);
  int* (*of_a)(void) = dlsym(a, "value");
  *of_a() = 7;
  void* b = dlopen("b.so", RTLD_NOW | RTLD_LOCAL);
  int* (*of_b)(void) = dlsym(b, "value");
  say("%d %d\n", of_a() == of_b(), *of_b());
  dlclose(a);
  dlclose(b);
  say("closed, a %d, b %d\n", dlopen("a.so", RTLD_NOW | RTLD_NOLOAD) != 0, dlopen("b.so", RTLD_NOW | RTLD_NOLOAD) != 0);
}
)");
  EXPECT_EQ(agreed(scene).out, "1 7\n-b\nclosed, a 1, b 0\n-a\n");
}

TEST(LoaderSymbols, ManyUniqueSymbolsAreAllFoundAgain) {
  Scene scene;
  std::string source;
  for (int i = 0; i < 500; ++i) {
    const std::string n = std::to_string(i);
    source += ".globl u" + n + "\n.type u" + n + ",@gnu_unique_object\n.size u" + n + ",8\nu" + n + ": .quad 0\n";
  }
  std::string asked = ".globl table\n.section .data.rel.ro,\"aw\"\n.balign 8\ntable:\n";
  for (int i = 0; i < 500; ++i) asked += ".quad u" + std::to_string(i) + "\n";
  asked += ".section .note.GNU-stack,\"\"\n";
  scene.library("a", ".data\n" + source + asked, {.language = "assembler"});
  scene.library("b", ".data\n" + source + asked, {.language = "assembler"});
  scene.program(R"(
#include <dlfcn.h>
int main(void) {
  long** of_a = dlsym(dlopen("a.so", RTLD_NOW), "table");
  long** of_b = dlsym(dlopen("b.so", RTLD_NOW), "table");
  int same = 0;
  for (int i = 0; i < 500; ++i) same += of_a[i] == of_b[i];
  say("%d\n", same);
}
)");
  EXPECT_EQ(agreed(scene).out, "500\n");
}

TEST(LoaderSymbols, SysvHashAloneIsEnough) {
  Scene scene;
  std::string many;
  for (int i = 0; i < 100; ++i) many += "int g" + std::to_string(i) + "(void) { return " + std::to_string(i) + "; }\n";
  for (const char* style : {"sysv", "gnu", "both"}) {
    scene.library("a", many + defines_f("a"), {.flags = {std::string("-Wl,--hash-style=") + style}});
    scene.program(
        "const char* f(void); int g57(void); int g99(void);\nint main(void) { say(\"%s %d %d\\n\", f(), g57(), g99()); "
        "}",
        {.needs = {"a"}});
    EXPECT_EQ(agreed(scene).out, "a 57 99\n") << style;
  }
}

TEST(LoaderSymbols, UndefinedFunctionIsFatalAtItsFirstCall) {
  Scene scene;
  scene.library("a", "void nowhere(void); void a_calls(void) { nowhere(); }", {.flags = {"-Wl,-z,lazy"}});
  scene.program(
      "void a_calls(void); int main(int count, char** words) { say(\"before\\n\"); if (count > 1) a_calls(); "
      "say(\"after\\n\"); }",
      {.needs = {"a"}, .flags = {"-Wl,-z,lazy"}});
  EXPECT_EQ(agreed(scene).out, "before\nafter\n");
  const RunResult result = agreed(scene, {.arguments = {"call"}});
  EXPECT_EQ(result.status, 127);
  EXPECT_EQ(result.out, "before\n");
  EXPECT_EQ(result.err, "SCENE/prog: symbol lookup error: SCENE/a.so: undefined symbol: nowhere\n");
}

TEST(LoaderSymbols, BindNowFindsTheUndefinedFunctionBeforeAnythingRuns) {
  Scene scene;
  scene.library("a", "void nowhere(void); void a_calls(void) { nowhere(); }\nON_LOAD load(void) { say(\"+a\\n\"); }",
                {.flags = {"-Wl,-z,lazy"}});
  const std::string program =
      "void a_calls(void); int main(int count, char** words) { say(\"before\\n\"); if (count > 1) a_calls(); }";
  scene.program(program, {.needs = {"a"}, .flags = {"-Wl,-z,lazy"}});
  const RunResult result = agreed(scene, {.environment = {"LD_BIND_NOW=1"}});
  EXPECT_EQ(result.status, 127);
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(agreed(scene, {.environment = {"LD_BIND_NOW="}}).status, 0);
  scene.library("a", "void nowhere(void); void a_calls(void) { nowhere(); }", {.flags = {"-Wl,-z,now"}});
  EXPECT_EQ(agreed(scene).err, "SCENE/prog: symbol lookup error: SCENE/a.so: undefined symbol: nowhere\n");
}

TEST(LoaderSymbols, UndefinedDataIsFatalAtTheStart) {
  Scene scene;
  scene.library("a",
                "extern int nothing; int a_reads(void) { return nothing; }\nON_LOAD load(void) { say(\"+a\\n\"); }");
  scene.program("int a_reads(void); int main(int count, char** words) { return count > 1 ? a_reads() : 0; }",
                {.needs = {"a"}});
  const RunResult result = agreed(scene);
  EXPECT_EQ(result.status, 127);
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(result.err, "SCENE/prog: symbol lookup error: SCENE/a.so: undefined symbol: nothing\n");
}

// Arguments and results of every kind survive the first, resolving call: registers, vectors, x87, variadic, stack.
TEST(LoaderSymbols, LazyBindingKeepsEveryArgumentRegister) {
  Scene scene;
  scene.library("a", R"(
#include <immintrin.h>
#include <stdarg.h>
long many(long a, long b, long c, long d, long e, long f, long g, double h, double i, double j, double k, double l, double m, double n, double o, double p) {
  return a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g + (long)(8 * h + 9 * i + 10 * j + 11 * k + 12 * l + 13 * m + 14 * n + 15 * o + 16 * p);
}
long double extended(long double x, _Complex double y) { return x * __real__ y + __imag__ y; }
long variadic(int count, ...) { va_list list; va_start(list, count); double sum = 0; while (count--) sum += va_arg(list, double); return (long)sum; }
__attribute__((target("avx"))) __m256i wide(__m256i x) { return x; }
struct big { long v[8]; } big_one(long seed) { struct big b; for (int i = 0; i < 8; ++i) b.v[i] = seed * i; return b; }
)");
  scene.program(R"(
#include <immintrin.h>
#include <string.h>
long many(long, long, long, long, long, long, long, double, double, double, double, double, double, double, double, double);
long double extended(long double, _Complex double);
long variadic(int, ...);
__m256i wide(__m256i);
struct big { long v[8]; } big_one(long);
__attribute__((target("avx"))) static void try_wide(void) {
  long in[4] = {1, 20, 300, 4000}, out[4];
  _mm256_storeu_si256((__m256i*)out, wide(_mm256_loadu_si256((__m256i*)in)));
  say("%ld %ld %ld %ld\n", out[0], out[1], out[2], out[3]);
}
int main(void) {
  say("%ld\n", many(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16));
  _Complex double y; __real__ y = 2; __imag__ y = 0.5;
  say("%Lf\n", extended(1.25L, y));
  say("%ld\n", variadic(9, 1., 2., 3., 4., 5., 6., 7., 8., 9.));
  say("%ld\n", big_one(3).v[7]);
  if (__builtin_cpu_supports("avx")) try_wide();
}
)",
                {.needs = {"a"}, .flags = {"-Wl,-z,lazy"}});
  EXPECT_THAT(agreed(scene).out, HasSubstr("1496\n3.000000\n45\n21\n"));
}

TEST(LoaderSymbols, AllRelocationsOfDataOccurAndAreRight) {
  Scene scene;
  scene.library("b", "long other[4] = {1, 2, 3, 4}; int small = 9;");
  scene.library("a", R"(
.globl table
.data
.balign 16
mine: .long 11
table: .quad mine
 .quad other + 16
 .quad mine - .
 .quad other@SIZE
 .quad small@SIZE
 .section .note.GNU-stack,""
)",
                {.needs = {"b"}, .language = "assembler"});
  scene.program(R"(
extern void* table[];
int main(void) {
  say("%d %ld %ld %ld %ld\n", *(int*)table[0], *(long*)table[1], (long)table[2] + (long)&table[2] == (long)table[0], (long)table[3], (long)table[4]);
}
)",
                {.needs = {"a", "b"}, .flags = {"-pie", "-fPIC"}});
  EXPECT_EQ(agreed(scene).out, "11 3 1 32 4\n");
}

}  // namespace
}  // namespace pagefold::ld_test
