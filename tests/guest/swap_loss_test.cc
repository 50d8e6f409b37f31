// The swap is lost while pages are in it, or the supervisor while pages are on their way there. What is lost is told to who needs it;
// nothing comes back wrong, and nothing outlives the run.
#include <gmock/gmock.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

#include <cstdio>
#include <filesystem>
#include <optional>

#include "background.h"

namespace pagefold::guest_test {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using testing::HasSubstr;

class SwapLoss : public testing::Test {
 protected:
  void begin(const std::vector<std::string>& more = {}) {
    std::vector<std::string> argv = {guest_helper_directory() + "/rereads_its_pages"};
    argv.insert(argv.end(), more.begin(), more.end());
    run_.emplace(argv, fresh_.path(), std::vector<std::string>{"--mem", "8M", "--swap", "file:" + where_});
    ASSERT_TRUE(within(milliseconds(60'000), [&] { return fs::exists(fresh_.path() + "/ready"); })) << log();
  }
  [[nodiscard]] std::string log() const { return contents(fresh_.path() + "/log"); }
  [[nodiscard]] std::string path(const std::string& name) const { return fresh_.path() + "/" + name; }
  [[nodiscard]] pid_t guest() const { return pids_in(path("ready")).front(); }
  std::optional<Background>& running() { return run_; }
  void swap_to(std::string where) { where_ = std::move(where); }

 private:
  FreshDirectory fresh_;
  std::string where_ = "swap";
  std::optional<Background> run_;
};

TEST_F(SwapLoss, PagesOfASwapThatIsThereComeBackWhole) {
  begin();
  std::ofstream(path("go"));
  ASSERT_TRUE(within(milliseconds(60'000), [&] { return log().find("wrong") != std::string::npos; })) << log();
  EXPECT_EQ(log(), "whole 6144, lost 0, wrong 0\n");
}

// A file system of one's own that can be made to answer EIO from one moment on, as ext4 does when its device is lost.
class SwapOnALostDisk : public SwapLoss {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "mounting needs root";
    fs::create_directory(disk_);
    const std::string make = fmt::format("truncate -s 64M {0}.image && mkfs.ext4 -q -F {0}.image 2>/dev/null && mount -o loop {0}.image {0} 2>/dev/null", disk_);
    if (::system(make.c_str()) != 0) GTEST_SKIP() << "no loop device, or no mkfs.ext4";
    swap_to(disk_ + "/swap");
  }
  void TearDown() override {
    running().reset();
    ::umount2(disk_.c_str(), MNT_DETACH);
  }
  void lose() {
    constexpr unsigned long kShutdown = _IOR('X', 125, std::uint32_t);  // FS_IOC_SHUTDOWN
    std::uint32_t without_flushing = 2;
    const int fd = ::open(disk_.c_str(), O_RDONLY | O_CLOEXEC);
    ASSERT_EQ(::ioctl(fd, kShutdown, &without_flushing), 0);
    ::close(fd);
  }

 private:
  const std::string disk_ = path("disk");
};

// As when the kernel cannot read its swap. What is in frames stays there, since nothing can be written either.
TEST_F(SwapOnALostDisk, APageThatDoesNotComeBackRaisesSigbus) {
  begin();
  lose();
  std::ofstream(path("go"));
  ASSERT_TRUE(within(milliseconds(60'000), [&] { return log().find("wrong") != std::string::npos || is_gone(guest()); })) << log();
  std::size_t whole = 0, lost = 0, wrong = 0;
  ASSERT_EQ(std::sscanf(log().c_str(), "whole %zu, lost %zu, wrong %zu", &whole, &lost, &wrong), 3) << log();
  EXPECT_GE(lost, 6144U - 2048U) << "no more than 8 MiB were in frames";
  EXPECT_GT(whole, 0U);
  EXPECT_EQ(whole + lost, 6144U);
  EXPECT_EQ(wrong, 0U);
}

// Killed at any moment of evictions that follow each other.
TEST_F(SwapLoss, ASupervisorKilledWhileItEvictsLeavesNothing) {
  for (const int pause : {0, 3'000, 11'000, 40'000, 150'000}) {
    begin({"on"});
    ::usleep(static_cast<useconds_t>(pause));
    const pid_t program = guest();
    running()->kill_it();
    EXPECT_TRUE(within(milliseconds(5000), [&] { return is_gone(program); })) << pause;
    EXPECT_FALSE(fs::exists(path("swap")));
    fs::remove(path("ready"));
    running().reset();
  }
}

}  // namespace
}  // namespace pagefold::guest_test
