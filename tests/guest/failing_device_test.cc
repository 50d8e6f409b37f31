// Write-back that a real device refuses: ext4 on a loop device whose own file lies on a tmpfs that is full. The host takes the bytes,
// tells the error at the next sync, and from then on takes its pages for clean. Pagefold's are dirty until a sync has succeeded.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <stdlib.h>
#include <sys/mount.h>

#include "play.h"

namespace pagefold::guest_test {
namespace {

namespace fs = std::filesystem;
using testing::AnyOf;
using testing::HasSubstr;

const std::vector<std::string> kOwnFiles = {"run", "-q", "--own-files", "--writeback=0s", "--"};
constexpr size_t kBytes = 60 * 4096;  // what a slot of the program can map

class FailingDevice : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "mounting needs root";
    fs::create_directory(room_);
    fs::create_directory(disk_);
    ASSERT_EQ(::mount("none", room_.c_str(), "tmpfs", 0, "size=3m"), 0);
    const std::string make = "truncate -s 16M " + image() + " && mkfs.ext4 -q -F -O ^has_journal " + image() + " 2>/dev/null && mount -o loop " +
                             image() + " " + disk_ + " 2>/dev/null";
    if (::system(make.c_str()) != 0) GTEST_SKIP() << "no loop device, or no mkfs.ext4";
    fs::create_symlink(disk_ + "/f3", fresh_.path() + "/f3");
  }
  void TearDown() override {
    ::umount2(disk_.c_str(), MNT_DETACH);
    ::umount2(room_.c_str(), MNT_DETACH);
  }

  // Nothing that is new to the device finds a place from now on.
  void fill() {
    std::ofstream ballast(room_ + "/ballast");
    const std::string page(4096, '.');
    while (ballast.write(page.data(), static_cast<std::streamsize>(page.size())).flush()) continue;
  }
  void make_room() { fs::remove(room_ + "/ballast"); }
  // What the device holds, whatever the host has in its memory.
  [[nodiscard]] std::string on_disk() const {
    const int fd = ::open((disk_ + "/f3").c_str(), O_RDONLY | O_CLOEXEC);
    ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    ::close(fd);
    return content_of(disk_ + "/f3");
  }
  // f3 is made while there is room, stored into while there is none; `first` come then, and `then` when there is room again.
  RunResult store(const std::string& first, const std::string& then, Mode mode = Mode::Pagefold, const std::vector<std::string>& flags = kOwnFiles) {
    const std::string program = "open 0 3 3\nftruncate 0 245760\nfsync 0 1\nmap 0 0 60 3 1 0\nmeet 0\nstore 0 0 245760 120\n" + first + "meet 1\n" +
                                then + "meet 2\n";
    return play(fresh_.path(), program, flags, {[&] { fill(); }, [&] { make_room(); }, [&] { held_ = on_disk(); }}, mode);
  }
  [[nodiscard]] const std::string& held() const { return held_; }
  [[nodiscard]] const std::string& disk() const { return disk_; }

 private:
  [[nodiscard]] std::string image() const { return room_ + "/image"; }
  FreshDirectory fresh_;
  const std::string room_ = fresh_.path() + "/room", disk_ = fresh_.path() + "/disk";
  std::string held_;
};

constexpr const char* kSync = "msync 0 0 60 0\n";
const testing::Matcher<std::string> kRefused = AnyOf(HasSubstr("7 msync 0 0 60 0: = ENOSPC"), HasSubstr("7 msync 0 0 60 0: = EIO"));

// The same error as natively; but natively the second msync succeeds, and the stores are nowhere.
TEST_F(FailingDevice, AWriteBackThatTheDeviceRefusesIsToldAndTriedAgain) {
  const RunResult result = store(std::string(kSync) + kSync, kSync);
  EXPECT_THAT(result.out, kRefused);
  EXPECT_THAT(result.out, AnyOf(HasSubstr("8 msync 0 0 60 0: = ENOSPC"), HasSubstr("8 msync 0 0 60 0: = EIO")));
  EXPECT_THAT(result.out, HasSubstr("10 msync 0 0 60 0: = 0"));
  EXPECT_EQ(held(), std::string(kBytes, 'x'));
}

TEST_F(FailingDevice, TheErrorIsLinuxs) {
  EXPECT_THAT(store(kSync, "", Mode::Native).out, kRefused);
}

TEST_F(FailingDevice, AnErrorThatMsyncToldIsNotToldByFsyncAgain) {
  const RunResult result = store(kSync, "fsync 0 1\nfsync 0 0\n");
  EXPECT_THAT(result.out, kRefused);
  EXPECT_THAT(result.out, HasSubstr("9 fsync 0 1: = 0\n10 fsync 0 0: = 0"));
  EXPECT_EQ(held(), std::string(kBytes, 'x'));
}

TEST_F(FailingDevice, AnErrorThatFsyncToldIsNotToldByMsyncAgain) {
  const RunResult result = store("fsync 0 1\n", std::string(kSync) + "fsync 0 1\n");
  EXPECT_THAT(result.out, AnyOf(HasSubstr("7 fsync 0 1: = ENOSPC"), HasSubstr("7 fsync 0 1: = EIO")));
  EXPECT_THAT(result.out, HasSubstr("9 msync 0 0 60 0: = 0\n10 fsync 0 1: = 0"));
  EXPECT_EQ(held(), std::string(kBytes, 'x'));
}

// Stores after the failure, and a mapping that has gone, are no different.
TEST_F(FailingDevice, PagesThatWereRefusedCanBeStoredToAndUnmapped) {
  const RunResult result = store(std::string(kSync) + "store 0 4096 4096 121\nunmap 0 0 60\nfsync 0 1\n", "fsync 0 1\n");
  EXPECT_THAT(result.out, AnyOf(HasSubstr("10 fsync 0 1: = ENOSPC"), HasSubstr("10 fsync 0 1: = EIO")));
  EXPECT_THAT(result.out, HasSubstr("12 fsync 0 1: = 0"));
  EXPECT_EQ(held(), std::string(4096, 'x') + std::string(4096, 'y') + std::string(kBytes - 8192, 'x'));
}

// A private mapping sees the stores, refused or not.
TEST_F(FailingDevice, PrivateMappingsSeeWhatWasRefused) {
  const RunResult result = store(std::string("map 1 0 60 1 0 0\n") + kSync + "load 1 8192 4096\nload 0 8192 4096\n", kSync);
  EXPECT_THAT(result.out, AnyOf(HasSubstr("8 msync 0 0 60 0: = ENOSPC"), HasSubstr("8 msync 0 0 60 0: = EIO")));
  EXPECT_EQ(held(), std::string(kBytes, 'x'));
  const auto sum_at = [&](const std::string& line) { return result.out.substr(result.out.find(line) + line.size(), 9); };
  EXPECT_EQ(sum_at("9 load 1 8192 4096:"), sum_at("10 load 0 8192 4096:"));
}

// What the swap's medium does not take stays in its frame. When nothing else can go there is no room.
TEST_F(FailingDevice, PagesThatTheSwapCannotTakeStayUntilThereIsNoRoom) {
  fill();
  Setting setting;
  setting.timeout = std::chrono::seconds(60);
  setting.pagefold_flags = {"run", "--mem", "8M", "--swap", "file:" + disk() + "/swap", "--"};
  const RunResult result = run({guest_directory() + "/pressure_kernel_reads_and_writes"}, Mode::Pagefold, setting);
  EXPECT_EQ(result.status, 137) << result.out;
  EXPECT_THAT(result.err, HasSubstr("out of memory: killed"));
}

}  // namespace
}  // namespace pagefold::guest_test
