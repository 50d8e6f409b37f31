// A page that its disk cannot give raises SIGBUS at this touch, and the next touch tries again: pages of files, and of the swap. The
// disk is ext4 on a loop device; its own file, on a tmpfs, is cut off and comes back whole.
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/mount.h>

#include <filesystem>

#include "background.h"

namespace pagefold::guest_test {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

class UnreadablePage : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "mounting needs root";
    fs::create_directory(path("room"));
    fs::create_directory(path("disk"));
    ASSERT_EQ(::mount("none", path("room").c_str(), "tmpfs", 0, "size=144m"), 0);
    const std::string make = fmt::format(
        "truncate -s 64M {0} && mkfs.ext4 -q -F -O ^has_journal {0} 2>/dev/null && mount -o loop {0} {1} 2>/dev/null", image(), path("disk"));
    if (::system(make.c_str()) != 0) GTEST_SKIP() << "no loop device, or no mkfs.ext4";
    std::ofstream(path("disk/data")) << std::string(4096, 'd');
    fs::create_symlink(path("disk/data"), path("data"));
    forget_data();
  }
  void TearDown() override {
    run_.reset();
    ::umount2(path("disk").c_str(), MNT_DETACH);
    ::umount2(path("room").c_str(), MNT_DETACH);
  }

  // What the program `touches_again` printed, the page being away and then back.
  std::string story(const std::vector<std::string>& argument, const std::vector<std::string>& flags, Mode mode = Mode::Pagefold) {
    std::vector<std::string> argv = {guest_helper_directory() + "/touches_again"};
    argv.insert(argv.end(), argument.begin(), argument.end());
    run_.emplace(argv, home(), flags, mode);
    if (!within(kPatience, [&] { return fs::exists(path("ready")); })) return "not ready: " + log();
    forget_data();
    lose();
    std::ofstream(path("lost"));
    if (!within(kPatience, [&] { return fs::exists(path("told")); })) return "not told: " + log();
    mend();
    std::ofstream(path("mended"));
    if (!within(kPatience, [&] { return is_gone(run_->pid()); })) return "not ended: " + log();
    return log();
  }
  [[nodiscard]] static std::string told(const std::string& first, const std::string& word) {
    const std::string away = "touch: SIGBUS BUS_ADRERR, at the page\n";
    return away + away + "write(ends[1], page, 8) = EFAULT\ntouch: " + word + "\nwrite(ends[1], page, 8) = 8\nstore: " + first + " 1\n";
  }
  std::vector<std::string> on_the_disk() { return {"--mem", "8M", "--swap", "file:" + path("disk/swap")}; }

 private:
  static constexpr milliseconds kPatience{60'000};
  [[nodiscard]] const std::string& home() const { return fresh_.path(); }
  [[nodiscard]] std::string path(const std::string& name) const { return home() + "/" + name; }
  [[nodiscard]] std::string image() const { return path("room/image"); }
  [[nodiscard]] std::string log() const { return contents(path("log")); }
  // Nothing finds a place on the tmpfs meanwhile: what were written would be surrounded by zeros.
  void lose() {
    fs::copy_file(image(), path("room/backup"));
    fs::resize_file(image(), 0);
    std::ofstream ballast(path("room/ballast"));
    const std::string page(4096, '.');
    while (ballast.write(page.data(), static_cast<std::streamsize>(page.size())).flush()) continue;
  }
  void mend() {
    fs::remove(path("room/ballast"));
    std::ofstream(image(), std::ios::in | std::ios::binary) << std::ifstream(path("room/backup"), std::ios::binary).rdbuf();
  }
  // It is on its disk, and nowhere else.
  void forget_data() {
    const int fd = ::open(path("disk/data").c_str(), O_RDWR | O_CLOEXEC);
    ::fsync(fd);
    ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    ::close(fd);
  }
  FreshDirectory fresh_;
  std::optional<Background> run_;
};

const std::string kData = "6464646464646464", kStamp = "9e3779b97f4a7c15";

TEST_F(UnreadablePage, NativelyASharedPageOfAFileComesAtTheNextTouch) {
  EXPECT_EQ(story({"shared", "file"}, {}, Mode::Native), told(kData, kData));
}
TEST_F(UnreadablePage, ASharedPageOfAFileComesAtTheNextTouch) {
  EXPECT_EQ(story({"shared", "file"}, {"--own-files"}), told(kData, kData));
}
TEST_F(UnreadablePage, APrivatePageOfAFileComesAtTheNextTouch) {
  EXPECT_EQ(story({"private", "file"}, {"--own-files"}), told(kData, kData));
}
TEST_F(UnreadablePage, APageOfAFileComesAtTheNextTouchInTheDefaultState) {
  EXPECT_EQ(story({"private", "file"}, {}), told(kData, kData));
}
TEST_F(UnreadablePage, APrivatePageInTheSwapComesAtTheNextTouch) { EXPECT_EQ(story({"private"}, on_the_disk()), told(kStamp, kStamp)); }
TEST_F(UnreadablePage, ASharedPageInTheSwapComesAtTheNextTouch) { EXPECT_EQ(story({"shared"}, on_the_disk()), told(kStamp, kStamp)); }

}  // namespace
}  // namespace pagefold::guest_test
