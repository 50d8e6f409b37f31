// A state's files are exactly what the state says, whatever a check has made of those of the state before.
#include "crash/rebuild.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include "base/fd.h"
#include "crash_scene.h"

namespace pagefold::crash {
namespace {

namespace fs = std::filesystem;

// What a check may do to `directory`, where the file "a" lies.
struct Spoil {
  const char* name;
  std::function<void(const std::string& directory)> act;
};
void PrintTo(const Spoil& spoil, std::ostream* out) { *out << spoil.name; }

std::string read_whole(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// On a tmpfs, as scratch directories are, if there is one.
class CrashRebuild : public testing::TestWithParam<Spoil> {
 protected:
  CrashRebuild() {
    std::string name =
        fs::exists("/dev/shm") ? "/dev/shm/crash-rebuild-XXXXXX" : std::string(PAGEFOLD_BINARY) + "-rebuild-XXXXXX";
    directory_ = ::mkdtemp(name.data());
  }
  ~CrashRebuild() override { fs::remove_all(directory_); }

  std::string directory_;
};

TEST_P(CrashRebuild, IsExactOverWhatACheckHasSpoilt) {
  Scene scene;
  const FileNumber a = scene.create("a");
  scene.write(a, 0, 'x');
  scene.write(a, 3, 'z');
  scene.truncate(a, 3 * kPageSize + 10);
  scene.begin();
  const History history = scene.history();
  const Image image = image_of(history, history.initial());
  const std::string files = directory_ + "/files", path = files + "/a";
  const auto built = [&] {
    const auto done = rebuild(history, image, files);
    ASSERT_TRUE(done) << done.error().message();
    struct stat status {};
    ASSERT_EQ(::lstat(path.c_str(), &status), 0);
    EXPECT_TRUE(S_ISREG(status.st_mode));
    EXPECT_EQ(status.st_mode & 07777U, 0644U);
    EXPECT_EQ(status.st_nlink, 1U);
    EXPECT_EQ(status.st_blocks * 512, 2 * 4096) << "the hole is one";
    EXPECT_LE(::listxattr(path.c_str(), nullptr, 0), 0);
    EXPECT_EQ(read_whole(path), std::string(kPageSize, 'x') + std::string(2 * kPageSize, '\0') + std::string(10, 'z'));
    fs::resize_file(path, 4 * kPageSize);
    EXPECT_EQ(read_whole(path).substr(3 * kPageSize), std::string(10, 'z') + std::string(kPageSize - 10, '\0'));
    fs::resize_file(path, 3 * kPageSize + 10);
    EXPECT_EQ(std::distance(fs::directory_iterator(files), {}), 1);
  };
  ASSERT_NO_FATAL_FAILURE(built());
  std::ofstream(directory_ + "/outside") << "outside";
  GetParam().act(files);
  ASSERT_NO_FATAL_FAILURE(built());
  EXPECT_EQ(read_whole(directory_ + "/outside"), "outside");
}

void store_behind_the_end(const std::string& directory) {
  const UniqueFd fd(::open((directory + "/a").c_str(), O_RDWR));
  auto* const page = static_cast<char*>(::mmap(nullptr, kPageSize, PROT_WRITE, MAP_SHARED, fd.get(), 3 * kPageSize));
  ASSERT_NE(page, MAP_FAILED);
  page[kPageSize - 1] = '!';
  ::munmap(page, kPageSize);
}

void replace_by(const std::string& directory, const std::function<void(const std::string&)>& make) {
  fs::remove(directory + "/a");
  make(directory + "/a");
}

INSTANTIATE_TEST_SUITE_P(
    , CrashRebuild,
    testing::Values(
        Spoil{"Nothing", [](const std::string&) {}},
        Spoil{"OtherBytes", [](const std::string& d) { std::ofstream(d + "/a", std::ios::in) << "other"; }},
        Spoil{"HoleFilled", [](const std::string& d) { std::ofstream(d + "/a") << std::string(4 * kPageSize, 'f'); }},
        Spoil{"Longer", [](const std::string& d) { fs::resize_file(d + "/a", 9 * kPageSize); }},
        Spoil{"Shorter", [](const std::string& d) { fs::resize_file(d + "/a", 1); }},
        Spoil{"StoredBehindTheEnd", store_behind_the_end},
        Spoil{"Mode", [](const std::string& d) { fs::permissions(d + "/a", fs::perms::none); }},
        Spoil{"Attribute", [](const std::string& d) { ::setxattr((d + "/a").c_str(), "user.note", "n", 1, 0); }},
        Spoil{"LinkedElsewhere",
              [](const std::string& d) {
                replace_by(d, [&](const std::string& a) { fs::create_hard_link(d + "/../outside", a); });
              }},
        Spoil{"Symlink",
              [](const std::string& d) {
                replace_by(d, [](const std::string& a) { fs::create_symlink("../outside", a); });
              }},
        Spoil{"Directory",
              [](const std::string& d) {
                replace_by(d, [](const std::string& a) { fs::create_directories(a + "/below"); });
              }},
        Spoil{"Pipe",
              [](const std::string& d) { replace_by(d, [](const std::string& a) { ::mkfifo(a.c_str(), 0600); }); }},
        Spoil{"Removed", [](const std::string& d) { fs::remove_all(d); }},
        Spoil{"Stray", [](const std::string& d) { std::ofstream(d + "/stray") << "old"; }}),
    [](const auto& spoil) { return std::string(spoil.param.name); });

// Two names of one file stay two names of one file.
TEST(CrashRebuildLinks, HardLinksAreMadeAgain) {
  std::string root = std::string(PAGEFOLD_BINARY) + "-rebuild-XXXXXX";
  ASSERT_NE(::mkdtemp(root.data()), nullptr);
  Scene scene;
  const FileNumber a = scene.create("a");
  scene.write(a, 0, 'x');
  scene.link(a, "b");
  scene.begin();
  const History history = scene.history();
  const std::string files = root + "/files";
  for (int time = 0; time < 3; ++time) {
    ASSERT_TRUE(rebuild(history, image_of(history, history.initial()), files));
    EXPECT_TRUE(fs::equivalent(files + "/a", files + "/b"));
    EXPECT_EQ(read_whole(files + "/b"), std::string(kPageSize, 'x'));
    if (time == 1) {  // now "a" is plain, and "b" another file
      fs::remove(files + "/b");
      std::ofstream(files + "/b") << "other";
    }
  }
  fs::remove_all(root);
}

}  // namespace
}  // namespace pagefold::crash
