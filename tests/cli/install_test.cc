// What `make install` leaves is a whole tool: it finds its loader and its lecture, and does not need the build folder's.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace pagefold::test {
namespace {

namespace fs = std::filesystem;

class Install : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "pagefold-install-XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    prefix = name;
    const std::string build = fs::path(PAGEFOLD_BINARY).parent_path();
    ASSERT_EQ(run("cmake --install " + build + " --prefix " + name), 0) << said();
  }
  void TearDown() override { fs::remove_all(prefix); }

  // Exit code of a shell command; what it says is kept for said().
  int run(const std::string& command) { return WEXITSTATUS(std::system((command + " >" + log() + " 2>&1").c_str())); }
  std::string said() {
    std::ifstream file(log());
    return {std::istreambuf_iterator<char>(file), {}};
  }
  std::string installed(const std::string& path) { return (prefix / path).string(); }

  fs::path prefix;

 private:
  std::string log() { return installed("log"); }
};

TEST_F(Install, GivesACommandThatFindsItsLoader) {
  ASSERT_EQ(run(installed("bin/pagefold") + " run --loader pagefold -- cat /proc/self/maps"), 0) << said();
  EXPECT_NE(said().find(installed("lib/pagefold/ld-pagefold.so")), std::string::npos) << said();
}

TEST_F(Install, GivesALoaderThatIsACommand) {
  EXPECT_EQ(run(installed("lib/pagefold/ld-pagefold.so") + " /bin/echo started"), 0);
  EXPECT_EQ(said(), "started\n");
}

TEST_F(Install, GivesTheLectureItsPrograms) { EXPECT_EQ(run(installed("bin/pagefold") + " tour zeros"), 0) << said(); }

TEST_F(Install, GivesTheManualPage) { EXPECT_TRUE(fs::is_regular_file(installed("share/man/man1/pagefold.1"))); }

}  // namespace
}  // namespace pagefold::test
