// What a program can ask about what is loaded: dladdr, dlinfo, dl_iterate_phdr, _dl_find_object.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "open_program.h"
#include "scene.h"

namespace pagefold::ld_test {
namespace {

using testing::HasSubstr;

TEST(LoaderAsk, DladdrNamesObjectAndSymbol) {
  Scene scene;
  scene.library("a", R"(
int data[4];
static int hidden_one(void) { return 1; }
int visible(void) { return 2; }
void* pointers[3] = {(char*)data + 5, hidden_one, (char*)visible + 1};
__asm__(".globl alias\n.set alias, visible");
)");
  scene.program(program(R"(
  void* outside = &count;
  void* all[6] = {pointers[0], pointers[1], pointers[2], (void*)main, outside, 0};
  for (int i = 0; i < 5; ++i) {
    Dl_info info;
    memset(&info, 0, sizeof info);
    int found = dladdr(all[i], &info);
    if (!found) { say("none\n"); continue; }
    say("%s %s %d %d\n", last(info.dli_fname), info.dli_sname ? info.dli_sname : "null",
        info.dli_saddr ? (int)((char*)all[i] - (char*)info.dli_saddr) : -1, memcmp(info.dli_fbase, "\177ELF", 4));
  }
)",
                        "extern void* pointers[3];\n"),
                {.needs = {"a"}});
  EXPECT_THAT(agreed(scene).out, HasSubstr("a.so data 5 0\n"));
}

TEST(LoaderAsk, Dladdr1GivesTheSymbolEntryAndTheLinkMap) {
  Scene scene;
  scene.library("a", "int data[4] = {1};\nvoid function(void) {}");
  scene.program(program(R"(
  Dl_info info;
  ElfW(Sym)* symbol = 0;
  struct link_map* map = 0;
  say("%d\n", dladdr1(data + 1, &info, (void**)&symbol, RTLD_DL_SYMENT));
  say("%d %d\n", (int)symbol->st_size, ELF64_ST_TYPE(symbol->st_info));
  int found = dladdr1((void*)function, &info, (void**)&map, RTLD_DL_LINKMAP);
  say("%d %s\n", found, last(map->l_name));
  say("%s\n", map->l_ld && map->l_addr == (ElfW(Addr))info.dli_fbase ? "base" : "other");
)",
                        "extern int data[4]; void function(void);\n"),
                {.needs = {"a"}, .flags = {"-fPIC", "-pie"}});
  EXPECT_EQ(agreed(scene).out, "1\n16 1\n1 a.so\nbase\n");
}

TEST(LoaderAsk, DlinfoTellsMapOriginPathsAndTls) {
  Scene scene;
  scene.library("sub/a", "__thread int value = 6; int* where(void) { return &value; }",
                {.runpath = "$ORIGIN/x:/nowhere"});
  scene.program(program(R"(
  void* a = opened("a.so", RTLD_NOW);
  struct link_map* map = 0;
  say("%d\n", dlinfo(a, RTLD_DI_LINKMAP, &map));
  say("%s\n", last(map->l_name));
  Lmid_t space = 5;
  say("%d\n", dlinfo(a, RTLD_DI_LMID, &space));
  say("%ld\n", (long)space);
  char origin[4096];
  say("%d\n", dlinfo(a, RTLD_DI_ORIGIN, origin));
  say("%s\n", last(origin));
  union { Dl_serinfo info; char bytes[8192]; } paths;
  say("%d\n", dlinfo(a, RTLD_DI_SERINFOSIZE, &paths.info));
  say("%d\n", dlinfo(a, RTLD_DI_SERINFO, &paths.info));
  for (unsigned i = 0; i < paths.info.dls_cnt; ++i) say("%s %u\n", paths.info.dls_serpath[i].dls_name, paths.info.dls_serpath[i].dls_flags);
  size_t module = 0;
  say("%d\n", dlinfo(a, RTLD_DI_TLS_MODID, &module));
  say("%d\n", module > 0);
  void* block = 0;
  int* (*where)(void) = dlsym(a, "where");
  int* value = where();
  say("%d\n", dlinfo(a, RTLD_DI_TLS_DATA, &block));
  say("%d\n", block == value);
  const ElfW(Phdr)* headers = 0;
  int number = dlinfo(a, RTLD_DI_PHDR, &headers);
  say("%d %d\n", number, headers && headers[0].p_type == PT_LOAD);
  say("%d\n", dlinfo(a, 77, &block));
  say("%s\n", dlerror());
)"),
                {.runpath = "$ORIGIN/sub"});
  EXPECT_THAT(agreed(scene, {.environment = {"LD_LIBRARY_PATH=/lib:/nowhere2"}}).out,
              HasSubstr("0\na.so\n0\n0\n0\nsub\n"));
}

TEST(LoaderAsk, IteratePhdrTellsEveryObjectAndTheCounters) {
  Scene scene;
  scene.library("a", "__thread int value = 1;\nint a;").library("b", "int b;");
  scene.program(program(R"(
  dl_iterate_phdr(tell, "start");
  void* b = opened("b.so", RTLD_NOW);
  dl_iterate_phdr(tell, "opened");
  dlclose(b);
  dl_iterate_phdr(tell, "closed");
  say("stopped with %d\n", dl_iterate_phdr(stop, 0));
)",
                        R"(
static int tell(struct dl_phdr_info* info, size_t size, void* when) {
  int loads = 0, dynamic = 0;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    loads += info->dlpi_phdr[i].p_type == PT_LOAD;
    dynamic += info->dlpi_phdr[i].p_type == PT_DYNAMIC;
  }
  const char* name = last(info->dlpi_name);
  if (strcmp(name, "ld.so") && strcmp(name, "LOADER") && !strstr(name, "ld-")) {
    say("%s: '%s' %d %d %d tls %d %d, %d\n", (char*)when, name, info->dlpi_phnum, loads, dynamic, (int)info->dlpi_tls_modid,
        info->dlpi_tls_data != 0, (int)size);
  } else {
    say("%s: the loader\n", (char*)when);
  }
  say("  %d added, %d removed\n", (int)info->dlpi_adds, (int)info->dlpi_subs);
  return 0;
}
static int stop(struct dl_phdr_info* info, size_t size, void* unused) { return 17 + (info == 0) + (size == 0) + (unused != 0); }
)"),
                {.needs = {"a"}});
  EXPECT_THAT(agreed(scene).out, HasSubstr("stopped with 17\n"));
}

TEST(LoaderAsk, FindObjectFollowsOpenAndClose) {
  Scene scene;
  scene.library("a", "void in_a(void) {}", {.flags = {"-lm"}});
  scene.program(program(R"(
  struct dl_find_object found;
  say("prog %d\n", _dl_find_object((void*)main, &found));
  say("%d %s\n", found.dlfo_link_map->l_name[0] == 0, found.dlfo_eh_frame ? "frames" : "none");
  say("main is inside: %d\n", (char*)main >= (char*)found.dlfo_map_start && (char*)main < (char*)found.dlfo_map_end);
  say("stack %d\n", _dl_find_object(&found, &found));
  void* where = 0;
  for (int i = 0; i < 3; ++i) {
    void* a = opened("a.so", RTLD_NOW);
    where = dlsym(a, "in_a");
    say("opened %d", _dl_find_object(where, &found));
    say(" %s\n", last(found.dlfo_link_map->l_name));
    dlclose(a);
    say("closed %d\n", _dl_find_object(where, &found));
  }
  say("libc %d\n", _dl_find_object(dlsym(RTLD_DEFAULT, "malloc"), &found));
)"));
  EXPECT_THAT(agreed(scene).out, HasSubstr("stack -1\nopened 0 a.so\nclosed -1\nopened 0 a.so\nclosed -1\n"));
}

}  // namespace
}  // namespace pagefold::ld_test
