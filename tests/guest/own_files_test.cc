// `pagefold run --own-files`: when the stores of a guest reach the file, as a process outside the run sees it. (That
// guests among each other see what they would natively is compared by native_vs_pagefold_test.cc and tests/soak.)
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <thread>

#include "runner.h"

namespace pagefold::guest_test {
namespace {

namespace fs = std::filesystem;

constexpr size_t kPage = 4096;

std::string content_of(const fs::path& path) {
  std::ostringstream content;
  content << std::ifstream(path).rdbuf();
  return content.str();
}

bool wait_until(const std::function<bool()>& is_true) {
  for (int i = 0; i < 10'000 && !is_true(); ++i) usleep(1000);
  return is_true();
}

// Runs a program of file operations (helpers/runs_file_operations.c); at each of its `meet` lines the step of that
// number is taken.
RunResult play(const std::string& directory, const std::string& program, const std::vector<std::string>& flags,
               const std::vector<std::function<void()>>& steps) {
  std::ofstream(directory + "/program") << program;
  Setting setting;
  setting.directory = directory;
  setting.pagefold_flags = flags;
  std::thread outside([&] {
    for (size_t i = 0; i < steps.size(); ++i) {
      EXPECT_TRUE(wait_until([&] { return fs::exists(directory + "/at-" + std::to_string(i)); })) << "step " << i;
      steps[i]();
      std::ofstream(directory + "/go-" + std::to_string(i));
    }
  });
  RunResult result = run({guest_helper_directory() + "/runs_file_operations", "program"}, Mode::Pagefold, setting);
  outside.join();
  return result;
}

// Nothing is written back because time has passed.
const std::vector<std::string> kNoInterval = {"run", "-q", "--own-files", "--writeback=0s", "--"};

// f0 has three pages of 'A', 'B', 'C'; its first ten bytes become 'x' through a shared mapping.
constexpr const char* kStore = "reset\nopen 0 0 1\nmap 0 0 3 3 1 0\nstore 0 0 10 120\n";
const std::string kOld(10, 'A'), kNew(10, 'x');

class OwnFiles : public testing::Test {
 protected:
  [[nodiscard]] std::string directory() const { return fresh_.path(); }
  [[nodiscard]] std::string start_of(const std::string& name) const {
    return content_of(directory() + "/" + name).substr(0, 10);
  }
  void expect_after(const std::string& rest, const std::string& seen, const char* name = "f0") {
    const auto result =
        play(directory(), std::string(kStore) + "meet 0\n" + rest + "meet 1\n", kNoInterval,
             {[&] { EXPECT_EQ(start_of("f0"), kOld); }, [&, seen] { EXPECT_EQ(start_of(name), seen); }});
    EXPECT_EQ(result.status, 0) << result.out << result.err;
  }

 private:
  FreshDirectory fresh_;
};

TEST_F(OwnFiles, AStoreReachesTheFileByMsync) { expect_after("msync 0 0 1 0\n", kNew); }
TEST_F(OwnFiles, MsyncWithoutWaitingPromisesNothing) { expect_after("msync 0 0 1 1\n", kOld); }
TEST_F(OwnFiles, MsyncOfAnotherPageDoesNot) { expect_after("msync 0 1 1 0\n", kOld); }
TEST_F(OwnFiles, AStoreReachesTheFileByFsync) { expect_after("fsync 0 1\n", kNew); }
TEST_F(OwnFiles, AStoreReachesTheFileByFdatasync) { expect_after("fsync 0 0\n", kNew); }
TEST_F(OwnFiles, AStoreReachesTheFileWithItsLastMapping) { expect_after("unmap 0 0 3\n", kNew); }
TEST_F(OwnFiles, AStoreReachesAFileThatWasRenamed) { expect_after("rename 0 4\nmsync 0 0 3 0\n", kNew, "f4"); }
TEST_F(OwnFiles, AWriteReachesTheFileAtOnce) { expect_after("pwrite 0 0 10 121\n", std::string(10, 'y')); }

TEST_F(OwnFiles, AStoreReachesTheFileByTheProgramsEnd) {
  EXPECT_EQ(play(directory(), kStore, kNoInterval, {}).status, 0);
  EXPECT_EQ(start_of("f0"), kNew);
}

TEST_F(OwnFiles, AStoreReachesTheFileByTime) {
  const auto look = [&] { EXPECT_TRUE(wait_until([&] { return start_of("f0") == kNew; })); };
  EXPECT_EQ(play(directory(), std::string(kStore) + "meet 0\n", {"run", "-q", "--own-files", "--writeback=50ms", "--"},
                 {look})
                .status,
            0);
}

// Twice written back, twice stored: a page that was written back is known to be dirty again.
TEST_F(OwnFiles, EveryStoreAfterAWriteBackIsSeen) {
  const std::string program = std::string(kStore) + "msync 0 0 1 0\nmeet 0\nstore 0 0 10 121\nmsync 0 0 1 0\nmeet 1\n";
  EXPECT_EQ(play(directory(), program, kNoInterval,
                 {[&] { EXPECT_EQ(start_of("f0"), kNew); }, [&] { EXPECT_EQ(start_of("f0"), std::string(10, 'y')); }})
                .status,
            0);
}

TEST_F(OwnFiles, AKilledProgramsStoresReachTheFile) {
  const std::string pid = directory() + "/pid";
  const auto kill_it = [&] {
    for (const auto& entry : fs::directory_iterator("/proc")) {
      const std::string name = entry.path().filename();
      if (name.find_first_not_of("0123456789") != std::string::npos) continue;
      std::error_code gone;
      if (fs::read_symlink(entry.path() / "cwd", gone) == directory() &&
          content_of(entry.path() / "cmdline").find("runs_file") == guest_helper_directory().size() + 1)
        ::kill(std::stoi(name), SIGKILL);
    }
  };
  EXPECT_EQ(play(directory(), std::string(kStore) + "meet 0\n", kNoInterval, {kill_it}).status, 137);
  EXPECT_EQ(start_of("f0"), kNew);
}

// A file system without room: the store stays, the failure is told, and once there is room nothing has been lost.
TEST_F(OwnFiles, AFailedWriteBackKeepsThePageDirty) {
  if (::geteuid() != 0) GTEST_SKIP() << "mounting needs root";
  ASSERT_EQ(::mount("none", directory().c_str(), "tmpfs", 0, "size=1m"), 0);
  const auto fill = [&] {
    const int fd = ::open((directory() + "/ballast").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    const std::string page(kPage, '.');
    while (::write(fd, page.data(), page.size()) > 0) {
    }
    ::close(fd);
  };
  const std::string program =
      "reset\nopen 0 0 1\nftruncate 0 40960\nmap 0 0 10 3 1 0\nstore 0 32768 10 120\nmeet 0\nmsync 0 8 1 0\nmeet "
      "1\nload 0 32768 10\nmsync 0 8 1 0\nmsync 0 8 1 0\nmeet 2\n";
  const auto look = [&] { EXPECT_EQ(content_of(directory() + "/f0").substr(32768, 10), kNew); };
  const auto result =
      play(directory(), program, kNoInterval, {fill, [&] { fs::remove(directory() + "/ballast"); }, look});
  ::umount2(directory().c_str(), MNT_DETACH);
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_NE(result.out.find("7 msync 0 8 1 0: = ENOSPC"), std::string::npos) << result.out;
  EXPECT_NE(result.out.find("10 msync 0 8 1 0: = 0\n11 msync 0 8 1 0: = 0"), std::string::npos) << result.out;
}

}  // namespace
}  // namespace pagefold::guest_test
