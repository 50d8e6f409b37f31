// What the supervisor reads of the host's /proc, against an independent reading of the same.
#include "kernel/process/host_proc.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>

namespace pagefold::kernel {
namespace {

TEST(HostProc, MapsAreReadLineByLine) {
  char name[] = "/tmp/pagefold a name with blanks XXXXXX";
  const UniqueFd file(::mkstemp(name));
  ASSERT_TRUE(file);
  ASSERT_EQ(::ftruncate(file.get(), 3 * 4096), 0);
  void* const at = ::mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, file.get(), 8192);
  ASSERT_NE(at, MAP_FAILED);
  const auto all = host_mappings(::getpid());
  ASSERT_TRUE(all);
  const HostMapping* found = nullptr;
  for (const HostMapping& m : *all)
    if (m.name == name) found = &m;
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->range.start, reinterpret_cast<VirtAddr>(at));
  EXPECT_EQ(found->range.size(), 4096U);
  EXPECT_EQ(found->offset, 8192U);
  struct stat status {};
  ASSERT_EQ(::fstat(file.get(), &status), 0);
  EXPECT_EQ(found->inode, status.st_ino);
  EXPECT_TRUE(found->read && found->execute && found->shared && !found->write);
  ::munmap(at, 4096);
  ::unlink(name);
}

TEST(HostProc, EveryLineOfMapsIsThere) {
  const auto all = host_mappings(::getpid());
  ASSERT_TRUE(all);
  std::ifstream lines("/proc/self/maps");
  std::size_t at = 0, stacks = 0;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string range, permissions, offset, device, inode, name;
    words >> range >> permissions >> offset >> device >> inode >> name;
    if (name == "[vsyscall]") continue;
    stacks += name == "[stack]";
    if (name == "[heap]") continue;  // it grows meanwhile
    while (at < all->size() && (*all)[at].name != name) ++at;
    ASSERT_LT(at, all->size()) << line;
  }
  EXPECT_EQ(stacks, 1U);
}

TEST(HostProc, AFieldBehindANameWithBlanksAndParentheses) {
  const std::string before = [] {
    std::string text;
    std::getline(std::ifstream("/proc/self/comm"), text);
    return text;
  }();
  { std::ofstream("/proc/self/comm") << "a) (b c"; }
  EXPECT_EQ(host_stat_field(::getpid(), 4), static_cast<std::uint64_t>(::getppid()));
  EXPECT_EQ(host_stat_field(::getpid(), 5), static_cast<std::uint64_t>(::getpgrp()));
  EXPECT_EQ(host_stat_field(::getpid(), 500), std::nullopt);
  std::ofstream("/proc/self/comm") << before;
}

TEST(HostProc, AThreadBelongsToItsProcessAndThatToItsParent) {
  std::thread([] {
    const auto family = host_family(static_cast<pid_t>(::syscall(SYS_gettid)));
    ASSERT_TRUE(family);
    EXPECT_EQ(family->group, ::getpid());
    EXPECT_EQ(family->parent, ::getppid());
  }).join();
  const pid_t child = ::fork();
  if (child == 0) {
    ::pause();
    ::_exit(0);
  }
  const auto family = host_family(child);
  ASSERT_TRUE(family);
  EXPECT_EQ(family->group, child);
  EXPECT_EQ(family->parent, ::getpid());
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  EXPECT_FALSE(host_family(child));
}

}  // namespace
}  // namespace pagefold::kernel
