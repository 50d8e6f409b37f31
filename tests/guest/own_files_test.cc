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

#include <cstring>
#include <filesystem>
#include <fstream>

#include "play.h"

namespace pagefold::guest_test {
namespace {

namespace fs = std::filesystem;

constexpr size_t kPage = 4096;

// Nothing is written back because time has passed.
const std::vector<std::string> kNoInterval = {"run", "-q", "--own-files", "--writeback=0s", "--"};

// f0 has three pages of 'A', 'B', 'C'; its first ten bytes become 'x' through a shared mapping.
constexpr const char* kStore = "reset\nopen 0 0 1\nmap 0 0 3 3 1 0\nstore 0 0 10 120\n";
const std::string kOld(10, 'A'), kNew(10, 'x');

// As runs_file_operations.c tells so many bytes of one page.
std::string hash_of_zeros(size_t length) {
  std::uint32_t hash = 2166136261U;
  while (length-- > 0) hash *= 16777619U;
  char text[9];
  std::snprintf(text, sizeof text, "%08x", hash);
  return text;
}

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

// What an outside process writes shows at the next map, also if the run has changed the file since.
TEST_F(OwnFiles, AnOutsidersWriteShowsAtTheNextMapEvenIfOursCameLater) {
  const auto write_outside = [&] {
    const int fd = ::open((directory() + "/f0").c_str(), O_WRONLY | O_CLOEXEC);
    EXPECT_EQ(::pwrite(fd, "outside", 7, 2 * kPage), 7);
    ::close(fd);
  };
  const auto result = play(directory(), std::string(kStore) + "load 0 8192 7\nmeet 0\nmsync 0 0 1 0\nmap 1 0 1 1 1 2\nload 1 0 7\npread 0 8192 7\n",
                           kNoInterval, {write_outside});
  EXPECT_EQ(result.status, 0) << result.err;
  // What a line about bytes ends with tells them.
  const auto bytes = [&](const std::string& line) {
    const size_t end = result.out.find('\n', result.out.find(line));
    return result.out.substr(end - 8, 8);
  };
  EXPECT_EQ(bytes("load 1 0 7"), bytes("pread 0 8192 7")) << result.out;
  EXPECT_NE(bytes("load 1 0 7"), bytes("load 0 8192 7")) << result.out;
}

// Bytes behind the end of a file, in its last page, never reach it, however it grows over them.
TEST_F(OwnFiles, BytesStoredBehindTheEndAreZerosOnceTheFileGrows) {
  constexpr size_t kEnd = 5 * kPage + 100;  // of f2
  const std::string scribble = "reset\nopen 2 2 1\nmap 3 2 6 3 1 0\nscribble 3 20480 4096 65\n";
  for (const char* grow : {"ftruncate 2 22580\n", "pwrite 2 22579 1 0\n", "allocate 2 0 22579 1\n"}) {
    std::string seen;
    const auto result = play(directory(), scribble + grow + "load 3 20580 2000\npread 2 20580 2000\nfsync 2 1\nmeet 0\n",
                             kNoInterval, {[&] { seen = content_of(directory() + "/f2"); }});
    EXPECT_EQ(result.status, 0) << result.err;
    ASSERT_EQ(seen.size(), 22580U) << grow;
    EXPECT_EQ(seen.substr(5 * kPage), std::string(100, 'A') + std::string(seen.size() - kEnd, '\0')) << grow;
    EXPECT_NE(result.out.find("load 3 20580 2000: " + hash_of_zeros(2000)), std::string::npos) << result.out;
  }
}

// While a page is on its way to the file it is no longer dirty, but the file does not have it yet.
TEST_F(OwnFiles, ReadsWaitForAWriteBackThatIsUnderWay) {
  Setting setting;
  setting.timeout = std::chrono::seconds(100);
  setting.pagefold_flags = {"run", "-q", "--own-files", "--writeback=20ms", "--"};
  const RunResult result = run({guest_directory() + "/pressure_stores_into_files"}, Mode::Pagefold, setting);
  EXPECT_EQ(result.status, 0);
  EXPECT_EQ(result.out.find("NO"), std::string::npos) << result.out;
}

// What a device stores into a mapped page while it is being written back comes to the file later.
TEST_F(OwnFiles, WhatDevicesReadIntoMappedPagesReachesTheFile) {
  for (const char* program : {"/pressure_direct_reads", "/pressure_asynchronous_reads"}) {
    Setting setting;
    setting.timeout = std::chrono::seconds(100);
    setting.pagefold_flags = {"run", "-q", "--own-files", "--writeback=1ms", "--"};
    const RunResult result = run({guest_directory() + program}, Mode::Pagefold, setting);
    if (result.status == 77) GTEST_SKIP() << result.out;
    EXPECT_EQ(result.status, 0);
    EXPECT_NE(result.out.find("a mapped file: 0 wrong"), std::string::npos) << result.out;
  }
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

// The supervisor is killed at any moment, as by a power cut. What msync returned for is in the file; the rest may be
// older, page by page, but each page is whole. helpers/stamps_pages.c stamps all pages with a number, or each second,
// synchronises, tells it, goes on.
TEST_F(OwnFiles, AKilledSupervisorLosesNothingThatWasSynchronised) {
  constexpr size_t kPages = 64, kRounds = 40;
  const std::string file = directory() + "/stamped", told = directory() + "/told";
  for (size_t round = 0; round < kRounds; ++round) {
    fs::remove(told);
    const size_t step = 1 + round / 2 % 2;
    const std::string step_text = std::to_string(step);
    const pid_t supervisor = ::fork();
    if (supervisor == 0) {
      const std::string program = guest_helper_directory() + "/stamps_pages";
      ::setenv("PATH", "/usr/bin:/bin", 1);
      ::execl(pagefold_binary().c_str(), "pagefold", "run", "-q", "--own-files",
              round % 2 == 0 ? "--writeback=0s" : "--writeback=1ms", "--", program.c_str(), file.c_str(), told.c_str(),
              step_text.c_str(), nullptr);
      ::_exit(99);
    }
    EXPECT_TRUE(wait_until([&] { return !content_of(told).empty(); })) << "round " << round;
    ::usleep(static_cast<useconds_t>(round * 1237 % 20'000));
    ::kill(supervisor, SIGKILL);
    ::waitpid(supervisor, nullptr, 0);
    // Its guests are killed by the watcher, soon after.
    std::string synchronised = content_of(told);
    for (int still = 0; still < 5; ++still) {
      ::usleep(2000);
      if (content_of(told) != synchronised) still = 0;
      synchronised = content_of(told);
    }
    const std::uint64_t least = synchronised.size();  // a byte for each number that was synchronised
    const std::string stamps = content_of(file);
    ASSERT_EQ(stamps.size(), kPages * step * kPage);
    for (size_t page = 0; page < kPages; ++page) {
      std::uint64_t first = 0, other = 0;
      std::memcpy(&first, stamps.data() + page * step * kPage, sizeof first);
      ASSERT_GE(first, least) << "round " << round << ", page " << page << " is older than what was synchronised";
      for (size_t at = 0; at < kPage; at += sizeof other) {
        std::memcpy(&other, stamps.data() + page * step * kPage + at, sizeof other);
        // The guest itself may be at it when the interval has the page written.
        if (other != first && round % 2 == 0) FAIL() << "round " << round << ": page " << page << " is torn";
        ASSERT_GE(other, least) << "round " << round << ", page " << page;
      }
    }
  }
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
