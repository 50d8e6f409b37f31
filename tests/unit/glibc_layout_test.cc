// The table of this machine's libc against the libc that this very test runs on: what public calls say of a link_map, a
// thread and a module must stand where the table says. A machine whose libc has no table skips, and says how to add
// one.
#include "ld/abi/glibc/layout.h"

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <link.h>
#include <pthread.h>
#include <unistd.h>

#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "ld/abi/glibc/cross_check.h"
#include "ld/module/published.h"

namespace {

using namespace pagefold::ld::glibc;

struct RunningLibc {
  std::vector<uint8_t> build_id;
  std::string path;
};

// The build-id note of the libc.so.6 in this process.
RunningLibc running_libc() {
  RunningLibc found;
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* out) {
        if (!std::string(info->dlpi_name).ends_with("/libc.so.6")) return 0;
        auto& libc = *static_cast<RunningLibc*>(out);
        libc.path = info->dlpi_name;
        for (int i = 0; i < info->dlpi_phnum; i++) {
          const auto& header = info->dlpi_phdr[i];
          if (header.p_type != PT_NOTE) continue;
          const auto* at = reinterpret_cast<const char*>(info->dlpi_addr + header.p_vaddr);
          for (const char* end = at + header.p_memsz; at + sizeof(ElfW(Nhdr)) < end;) {
            const auto* note = reinterpret_cast<const ElfW(Nhdr)*>(at);
            const char* desc = at + sizeof *note + ((note->n_namesz + 3) & ~3U);
            if (note->n_type == NT_GNU_BUILD_ID) libc.build_id.assign(desc, desc + note->n_descsz);
            at = desc + ((note->n_descsz + 3) & ~3U);
          }
        }
        return 1;
      },
      &found);
  return found;
}

class GlibcLayout : public testing::Test {
 protected:
  void SetUp() override {
    libc = running_libc();
    build = find_build(libc.build_id);
    if (!build) GTEST_SKIP() << "no table for " << libc.path << ": run tools/glibc-layout.sh";
  }
  template <class T>
  static T at(const void* base, uint32_t offset) {
    T value;
    std::memcpy(&value, static_cast<const char*>(base) + offset, sizeof value);
    return value;
  }
  static bool bit(const void* base, uint32_t number) { return at<uint8_t>(base, number / 8) >> (number % 8) & 1; }

  RunningLibc libc;
  const Build* build = nullptr;
};

TEST_F(GlibcLayout, LinkMapOfARunningLibraryIsWhereTheTableSays) {
  const auto& map = build->layout.link_map;
  void* handle = dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD);
  ASSERT_NE(handle, nullptr);
  size_t module = 0;
  ASSERT_EQ(dlinfo(handle, RTLD_DI_TLS_MODID, &module), 0);
  EXPECT_EQ(at<size_t>(handle, map.l_tls_modid), module);
  EXPECT_EQ(at<const void*>(handle, map.l_real), handle);
  EXPECT_STREQ(at<const char*>(handle, map.l_name), libc.path.c_str());
  char origin[PATH_MAX];
  ASSERT_EQ(dlinfo(handle, RTLD_DI_ORIGIN, origin), 0);
  EXPECT_STREQ(at<const char*>(handle, map.l_origin), origin);
  EXPECT_TRUE(bit(handle, map.l_relocated));
  EXPECT_TRUE(bit(handle, map.l_init_called));
  EXPECT_TRUE(bit(handle, map.l_global));
  EXPECT_FALSE(bit(handle, map.l_main_map));
  const auto start = at<uintptr_t>(handle, map.l_map_start), end = at<uintptr_t>(handle, map.l_map_end);
  const auto function = reinterpret_cast<uintptr_t>(dlsym(handle, "qsort"));
  EXPECT_LT(start, function);
  EXPECT_GT(end, function);
  dlclose(handle);
}

TEST_F(GlibcLayout, ThreadBlockHoldsItsTidAndStack) {
  const auto& pthread = build->layout.pthread;
  const auto* self = reinterpret_cast<const char*>(pthread_self());
  EXPECT_EQ(at<pid_t>(self, pthread.tid), gettid());
  EXPECT_EQ(at<const char*>(self, build->layout.tcb.self), self);
  EXPECT_EQ(at<const char*>(self, pthread.specific), self + pthread.specific_1stblock);
  EXPECT_EQ(at<long>(self, pthread.robust_head_futex_offset), -32);
}

TEST_F(GlibcLayout, ExportedDescriptorsAgreeWithTheTable) {
  std::vector<uint8_t> bytes(4u << 20);
  FILE* file = std::fopen(libc.path.c_str(), "r");
  ASSERT_NE(file, nullptr);
  bytes.resize(std::fread(bytes.data(), 1, bytes.size(), file));
  std::fclose(file);
  const DescriptorRange range = descriptor_range(build->layout);
  ASSERT_LE(range.offset + range.size, bytes.size());
  EXPECT_LE(range.size, kLargestDescriptorRange);
  std::span<uint8_t> window(bytes.data() + range.offset, range.size);
  EXPECT_EQ(contradicted_descriptor(build->layout, window), nullptr);
  // Any one wrong offset must be noticed, whichever descriptor it is.
  Layout wrong = build->layout;
  wrong.pthread.tid += 8;
  EXPECT_STREQ(contradicted_descriptor(wrong, window), "pthread.tid");
  wrong = build->layout;
  wrong.link_map.l_tls_modid += 8;
  EXPECT_STREQ(contradicted_descriptor(wrong, window), "link_map.l_tls_modid");
}

TEST(GlibcTables, UnknownBuildIdHasNoLayout) {
  const std::vector<uint8_t> zeros(kBuildIdSize), none;
  EXPECT_EQ(find_layout(zeros), nullptr);
  EXPECT_EQ(find_layout(none), nullptr);
}

TEST(GlibcTables, BuildIdsAreDistinctAndFoundAgain) {
  std::set<std::vector<uint8_t>> seen;
  ASSERT_FALSE(known_builds().empty());
  for (const Build& build : known_builds()) {
    EXPECT_TRUE(seen.emplace(build.build_id, build.build_id + kBuildIdSize).second) << build.version;
    EXPECT_EQ(find_build(build.build_id), &build) << build.version;
    EXPECT_TRUE(present(build.layout.link_map.l_relocated)) << build.version;
    EXPECT_LE(build.tunables, kMaxTunables) << build.version;
  }
}

// The loader has one piece of memory for either, whatever libc it meets.
TEST(GlibcTables, WhatTheLoaderPublishesHasRoomForEveryBuild) {
  for (const Build& build : known_builds()) {
    EXPECT_LE(build.layout.rtld_global.size, pagefold::ld::published::kGlobalSize) << build.version;
    EXPECT_LE(build.layout.rtld_global_ro.size, pagefold::ld::published::kReadOnlySize) << build.version;
  }
}

}  // namespace
