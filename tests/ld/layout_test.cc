// How objects are laid into memory: kinds of programs, bss, alignment, RELRO, text relocations, RELR, executable
// stacks.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "elf_patch.h"
#include "scene.h"

namespace pagefold::ld_test {
namespace {

using testing::HasSubstr;

constexpr const char* kMaps = R"(
#include <signal.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
// The permissions of the mapping an address is in.
static const char* permissions(void* address) {
  static char line[4096], found[8];
  strcpy(found, "none");
  FILE* maps = fopen("/proc/self/maps", "r");
  while (fgets(line, sizeof line, maps)) {
    unsigned long start, end;
    char mode[8];
    if (sscanf(line, "%lx-%lx %4s", &start, &end, mode) == 3 && (uintptr_t)address >= start && (uintptr_t)address < end) strcpy(found, mode);
  }
  fclose(maps);
  return found;
}
)";

TEST(LoaderLayout, FixedAndMovableProgramsRun) {
  Scene scene;
  scene.library("a", "int a(void) { return 3; }");
  for (const std::vector<std::string>& kind :
       std::vector<std::vector<std::string>>{{"-no-pie", "-fno-pic"},
                                             {"-pie", "-fPIE"},
                                             {"-no-pie", "-Wl,-z,noseparate-code"},
                                             {"-pie", "-Wl,-z,noseparate-code"},
                                             {"-pie", "-Wl,-z,norelro"},
                                             {"-pie", "-Wl,-z,now"},
                                             {"-pie", "-Wl,-z,lazy"},
                                             {"-no-pie", "-Wl,-Ttext-segment=0x10000000"}}) {
    scene.program(std::string(kMaps) + R"(
int a(void);
int data = 5; int zero; static int* pointer = &data;
int main(void) { say("%d %d %d %s", a(), *pointer, zero, permissions((void*)main)); say(" %s\n", permissions(&data)); }
)",
                  {.needs = {"a"}, .flags = kind});
    EXPECT_EQ(agreed(scene).out, "3 5 0 r-xp rw-p\n") << kind.back();
  }
}

// Rights, place and part of the file, mapping by mapping, however the linker laid out what is only read.
TEST(LoaderLayout, MappingsOfALibraryAreTheGenuineLoaders) {
  for (const std::vector<std::string>& layout :
       std::vector<std::vector<std::string>>{{"-Wl,-z,separate-code"},
                                             {"-Wl,-z,noseparate-code"},
                                             {"-Wl,-z,norelro"},
                                             {"-Wl,-z,max-page-size=0x10000"},
                                             {"-Wl,-z,max-page-size=0x10000", "-Wl,-z,noseparate-code"},
                                             {"-Wl,-z,separate-code", "-Wl,--section-start=.rodata=0x20000"},
                                             {"-Wl,-z,separate-code", "-Wl,--section-start=.eh_frame=0x31000"},
                                             {"-Wl,-N"},
                                             {"-Wl,--rosegment"}}) {
    Scene scene;
    try {
      scene.library("a", R"(
const char text[9000] = "read only"; int zeros[3000]; int data[2000] = {7};
int a(void) { return text[0] + text[8999] + zeros[5] + data[0]; }
)",
                    {.flags = layout});
    } catch (const std::exception&) {
      continue;  // not every linker has every option
    }
    scene.program(R"(
#include <stdio.h>
#include <string.h>
int a(void);
int main(void) {
  char line[4096], mode[8], name[4096];
  unsigned long start, end, offset, first = 0;
  FILE* maps = fopen("/proc/self/maps", "r");
  while (fgets(line, sizeof line, maps)) {
    name[0] = 0;
    if (sscanf(line, "%lx-%lx %7s %lx %*s %*s %4095s", &start, &end, mode, &offset, name) < 4 || !strstr(name, "/a.so")) continue;
    if (!first) first = start;
    say("%lx-%lx %s %lx\n", start - first, end - first, mode, offset);
  }
  say("%d\n", a());
})",
                  {.needs = {"a"}});
    EXPECT_THAT(agreed(scene).out, HasSubstr("\n121\n")) << layout.back();
  }
}

TEST(LoaderLayout, StaticProgramsAreLeftToThemselves) {
  Scene scene;
  scene.file("static.c",
             "#include <stdio.h>\nint main(int n, char** words) { printf(\"%d %s\\n\", n, words[1]); return 3; }");
  for (const char* kind : {"-static-pie", "-static"}) {
    scene.make({"gcc", kind, "-o", "prog", "static.c"});
    const RunResult result = agreed(scene, {.arguments = {"word"}, .ways = {Way::Command}});
    EXPECT_EQ(result.out, "2 word\n") << kind;
    EXPECT_EQ(result.status, 3) << kind;
  }
}

TEST(LoaderLayout, BssOfEverySizeIsZero) {
  for (const int bytes : {1, 100, 4095, 4096, 4097, 70000, 3000000}) {
    Scene scene;
    scene.library("a", "char first = 1; char bss[SIZE]; char* where(void) { return bss; }",
                  {.flags = {"-DSIZE=" + std::to_string(bytes)}});
    scene.program(R"(
char* where(void);
char own[SIZE];
int main(void) {
  char* bss = where();
  int wrong = 0;
  for (int i = 0; i < SIZE; ++i) wrong += bss[i] != 0 || own[i] != 0;
  bss[SIZE - 1] = own[SIZE - 1] = 1;
  say("%d\n", wrong);
}
)",
                  {.needs = {"a"}, .flags = {"-DSIZE=" + std::to_string(bytes)}});
    EXPECT_EQ(agreed(scene).out, "0\n") << bytes;
  }
}

// What follows the data in the file (sections, symbols) must not be seen in the bss that shares its page.
TEST(LoaderLayout, RestOfTheLastDataPageIsCleared) {
  Scene scene;
  scene.library("a",
                ".data\n.globl start\nstart: .fill 123, 1, 7\n.bss\n.globl zero\nzero: .skip 9000\n.section "
                ".note.GNU-stack,\"\"\n"
                ".section .junk\n.fill 20000, 1, 0x55\n",
                {.language = "assembler"});
  scene.program(
      "extern char zero[9000]; char* volatile z = zero;\nint main(void) { int wrong = 0; for (int i = 0; i < 9000; "
      "++i) wrong += z[i] != 0; say(\"%d\\n\", wrong); }",
      {.needs = {"a"}, .flags = {"-fPIC", "-pie"}});
  EXPECT_EQ(agreed(scene).out, "0\n");
}

TEST(LoaderLayout, SegmentOfBssAlone) {
  Scene scene;
  scene.file("only_bss.ld", R"(
PHDRS { text PT_LOAD FILEHDR PHDRS FLAGS(5); data PT_LOAD FLAGS(6); zero PT_LOAD FLAGS(6); dynamic PT_DYNAMIC FLAGS(6); }
SECTIONS {
  . = SIZEOF_HEADERS;
  .hash : { *(.hash) } :text
  .gnu.hash : { *(.gnu.hash) } .dynsym : { *(.dynsym) } .dynstr : { *(.dynstr) }
  .rela.dyn : { *(.rela*) } .plt : { *(.plt*) } .text : { *(.text*) } .rodata : { *(.rodata*) }
  .eh_frame : { *(.eh_frame*) } .notes : { *(.note*) }
  . = ALIGN(0x1000);
  .dynamic : { *(.dynamic) } :data :dynamic
  .got : { *(.got*) } :data
  .data : { *(.data*) }
  . = ALIGN(0x1000) + 0x10000;
  .bss : { *(.bss*) } :zero
}
)");
  scene.library(
      "a",
      ".data\n.globl start\nstart: .quad zero\n.bss\n.globl zero\nzero: .skip 9000\n.section .note.GNU-stack,\"\"\n",
      {.flags = {"-nostdlib", "-Wl,-T," + scene.path("only_bss.ld")}, .language = "assembler"});
  scene.program(
      "extern char zero[9000]; extern char* start;\nint main(void) { int wrong = start != zero; for (int i = 0; i < "
      "9000; ++i) wrong += zero[i] != 0;"
      "zero[8999] = 1; say(\"%d\\n\", wrong); }",
      {.needs = {"a"}, .flags = {"-fPIC", "-pie"}});
  EXPECT_EQ(agreed(scene).out, "0\n");
}

TEST(LoaderLayout, TwoMegabyteAlignmentIsKept) {
  Scene scene;
  scene.library(
      "a",
      "char huge[1 << 21] __attribute__((aligned(1 << 21))) = {1}; static int here; int* a(void) { return &here; }",
      {.flags = {"-Wl,-z,max-page-size=0x200000"}});
  scene.library("b", "char wide[8] __attribute__((aligned(65536))) = {2};",
                {.flags = {"-Wl,-z,max-page-size=0x10000"}});
  scene.program(R"(
#include <dlfcn.h>
#include <stdint.h>
int main(int count, char** words) {
  for (int i = 0; i < 20; ++i) {
    void* a = dlopen("a.so", RTLD_NOW);
    void* b = dlopen("b.so", RTLD_NOW);
    if ((uintptr_t)dlsym(a, "huge") % (1 << 21) || (uintptr_t)dlsym(b, "wide") % 65536) say("misaligned\n");
    dlclose(a);
    dlclose(b);
  }
  say("%d %s\n", count, words[1]);
}
)");
  EXPECT_EQ(agreed(scene, {.arguments = {"x"}}).out, "2 x\n");
}

TEST(LoaderLayout, RelroIsReadOnlyAfterTheStart) {
  Scene scene;
  scene.library("a", "static int x; int* const table[600] = {&x}; void* constant(void) { return (void*)table; }",
                {.flags = {"-Wl,-z,relro,-z,now"}});
  scene.program(std::string(kMaps) + R"(
#include <dlfcn.h>
static int x; int* const own[600] = {&x};
static sigjmp_buf back;
static void caught(int number) { siglongjmp(back, number); }
static void try_write(const char* who, void* address) {
  say("%s %s ", who, permissions(address));
  signal(SIGSEGV, caught);
  if (sigsetjmp(back, 1) == 0) { *(volatile long*)address = 1; say("written\n"); } else say("protected\n");
}
void* constant(void);
int main(void) {
  try_write("library", constant());
  try_write("program", (void*)own);
  void* (*opened)(void) = dlsym(dlopen("b.so", RTLD_NOW), "constant");
  try_write("opened", opened());
}
)",
                {.needs = {"a"}, .flags = {"-pie", "-fPIE", "-Wl,-z,relro,-z,now"}});
  scene.make({"cp", "a.so", "b.so"});
  scene.library("b", "static int x; int* const table[600] = {&x}; void* constant(void) { return (void*)table; }",
                {.flags = {"-Wl,-z,relro,-z,now"}});
  EXPECT_EQ(agreed(scene).out, "library r--p protected\nprogram r--p protected\nopened r--p protected\n");
}

TEST(LoaderLayout, TextRelocationsAreAppliedAndTheTextIsProtectedAgain) {
  Scene scene;
  scene.library(
      "a",
      "extern int outside; int inside = 3; int a(void) { return inside + outside; } void* text(void) { return a; }",
      {.flags = {"-fno-pic", "-mcmodel=large", "-Wl,-z,notext"}});
  scene.program(std::string(kMaps) + R"(
int outside = 39;
int a(void); void* text(void);
int main(void) { say("%d %s\n", a(), permissions(text())); }
)",
                {.needs = {"a"}, .flags = {"-rdynamic"}});
  EXPECT_EQ(agreed(scene).out, "42 r-xp\n");
}

TEST(LoaderLayout, RelativeRelocationsPackedAsRelr) {
  Scene scene;
  std::string source = "static long values[300];\nlong* const table[] = {";
  for (int i = 0; i < 300; ++i) source += "&values[" + std::to_string(i) + "], " + (i % 7 == 0 ? "0, 0, " : "");
  source +=
      "};\nint a(void) { int n = 0, at = 0; for (int i = 0; i < (int)(sizeof table / sizeof *table); ++i) if "
      "(table[i]) { n += table[i] == &values[at++]; } return n; }";
  scene.library("a", source, {.flags = {"-Wl,-z,pack-relative-relocs"}});
  ElfPatch a(scene.path("a.so"));
  ASSERT_GT(a.get<Elf64_Dyn>(a.dynamic(DT_RELRSZ)).d_un.d_val, 0U);
  scene.program("int a(void); int main(void) { say(\"%d\\n\", a()); }",
                {.needs = {"a"}, .flags = {"-Wl,-z,pack-relative-relocs"}});
  EXPECT_EQ(agreed(scene).out, "300\n");
}

TEST(LoaderLayout, ExecutableStackIsGivenWhenALibraryWantsIt) {
  Scene scene;
  scene.library("a", "int a;", {.flags = {"-Wl,-z,execstack"}});
  scene.program(std::string(kMaps) + R"(
#include <dlfcn.h>
int main(void) {
  int here;
  say("%s", permissions(&here));
  if (!dlopen("a.so", RTLD_NOW)) say("%s", dlerror());
  say(" %s\n", permissions(&here));
}
)");
  constexpr int kOnlyAtStart = 41;
  EXPECT_EQ(agreed(scene).out,
            glibc_minor() < kOnlyAtStart
                ? "rw-p rwxp\n"
                : "rw-pa.so: cannot enable executable stack as shared object requires: Invalid argument rw-p\n");
  scene.program(std::string(kMaps) +
                    "extern int a; int* p = &a; int main(void) { int here; say(\"%s\\n\", permissions(&here)); }",
                {.needs = {"a"}, .flags = {"-fPIC", "-pie"}});
  EXPECT_EQ(agreed(scene).out, "rwxp\n");
}

TEST(LoaderLayout, EntryStateIsThatOfTheKernel) {
  Scene scene;
  scene.program(R"(
#include <elf.h>
#include <link.h>
#include <sys/auxv.h>
int main(int count, char** words, char** environment) {
  char** end = environment;
  while (*end) ++end;
  Elf64_auxv_t* one = (Elf64_auxv_t*)(end + 1);
  int kinds = 0;
  for (; one->a_type != AT_NULL; ++one) kinds++;
  say("%d %d %s %d\n", count, ((long)words & 7) == 0, words[count], kinds > 10);
  say("phdr %d entry %d secure %ld pagesize %ld\n", getauxval(AT_PHDR) != 0, getauxval(AT_ENTRY) != 0, getauxval(AT_SECURE), getauxval(AT_PAGESZ));
  say("%s\n", __builtin_strrchr((char*)getauxval(AT_EXECFN), '/'));
  say("base %d\n", getauxval(AT_BASE) != 0);
  say("r_debug %d %d\n", _r_debug.r_version, _r_debug.r_state);
}
)");
  EXPECT_THAT(agreed(scene, {.arguments = {"a", "b"}}).out,
              HasSubstr("3 1 (null) 1\nphdr 1 entry 1 secure 0 pagesize 4096\n"));
}

// What the loader tells libc about the process cannot be overwritten once it is told.
TEST(LoaderLayout, WhatTheLoaderPublishesIsReadOnlyAfterTheStart) {
  Scene scene;
  scene.program(R"(
#include <dlfcn.h>
#include <stdio.h>
static void permissions(const char* name) {
  unsigned long address = (unsigned long)dlsym(RTLD_DEFAULT, name), start, end;
  char line[4096], rights[8];
  FILE* maps = fopen("/proc/self/maps", "r");
  while (fgets(line, sizeof line, maps))
    if (sscanf(line, "%lx-%lx %7s", &start, &end, rights) == 3 && start <= address && address < end) say("%s %s\n", name, rights);
  fclose(maps);
}
ON_LOAD early(void) { permissions("_rtld_global_ro"); }
int main(void) {
  permissions("_rtld_global_ro");
  permissions("_rtld_global");
  permissions("__libc_stack_end");
  permissions("_dl_argv");
  permissions("__rseq_offset");
}
)");
  EXPECT_EQ(agreed(scene).out,
            "_rtld_global_ro r--p\n_rtld_global_ro r--p\n_rtld_global rw-p\n__libc_stack_end r--p\n"
            "_dl_argv r--p\n__rseq_offset r--p\n");
}

}  // namespace
}  // namespace pagefold::ld_test
