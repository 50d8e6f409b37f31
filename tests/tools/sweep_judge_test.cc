// tools/sweep-judge.sh: what passes for the same when a program's output varies, and what never may.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

namespace pagefold {
namespace {

namespace fs = std::filesystem;
using testing::StartsWith;

class SweepJudge : public testing::Test {
 protected:
  SweepJudge() {
    std::string name = "/tmp/sweep-judge-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make " + name);
    folder_ = name;
  }
  ~SweepJudge() override { fs::remove_all(folder_); }

  void run(const std::string& name, const std::string& out, const std::string& err = "", int code = 0) {
    fs::create_directory(folder_ / name);
    std::ofstream(folder_ / name / "stdout") << out;
    std::ofstream(folder_ / name / "stderr") << err;
    std::ofstream(folder_ / name / "code") << code << '\n';
  }

  [[nodiscard]] std::string verdict() const {
    const std::string command = PAGEFOLD_SOURCE_DIR "/tools/sweep-judge.sh " + folder_.string() + " ours";
    std::FILE* pipe = ::popen(command.c_str(), "r");
    std::array<char, 200> line{};
    if (pipe == nullptr || std::fgets(line.data(), line.size(), pipe) == nullptr) line[0] = '\0';
    const int status = ::pclose(pipe);
    return status == 0 ? line.data() : "failed";
  }

 private:
  fs::path folder_;
};

TEST_F(SweepJudge, EqualRunsAreTheSame) {
  run("native1", "a\nb\n", "warning\n", 3);
  run("native2", "a\nb\n", "warning\n", 3);
  run("ours", "a\nb\n", "warning\n", 3);
  EXPECT_EQ(verdict(), "same\n");
}

TEST_F(SweepJudge, AnotherOrderDiffersUnlessTheNativeOneVaries) {
  run("native1", "a\nb\n");
  run("native2", "a\nb\n");
  run("ours", "b\na\n");
  EXPECT_THAT(verdict(), StartsWith("differs"));
}

TEST_F(SweepJudge, AnotherOrderThatANativeRunHadIsTheSame) {
  run("native1", "a\nb\n");
  run("native2", "a\nb\n");
  run("native3", "b\na\n");
  run("ours", "b\na\n");
  EXPECT_THAT(verdict(), StartsWith("same as one of 3 native runs"));
}

TEST_F(SweepJudge, ANewOrderOfTheSameLinesIsTheSameWhereTheOrderVaries) {
  run("native1", "a\nb\nc\n");
  run("native2", "b\na\nc\n");
  run("ours", "c\na\nb\n");
  EXPECT_THAT(verdict(), StartsWith("same lines in another order"));
}

TEST_F(SweepJudge, OtherLinesDifferEvenWhereTheOrderVaries) {
  run("native1", "a\nb\n");
  run("native2", "b\na\n");
  run("ours", "b\na\na\n");
  EXPECT_THAT(verdict(), StartsWith("differs"));
  run("ours", "b\nc\n");
  EXPECT_THAT(verdict(), StartsWith("differs"));
}

TEST_F(SweepJudge, AnotherExitCodeDiffersEvenWhereTheOrderVaries) {
  run("native1", "a\nb\n");
  run("native2", "b\na\n");
  run("ours", "b\na\n", "", 1);
  EXPECT_THAT(verdict(), StartsWith("differs"));
}

TEST_F(SweepJudge, ALineOnTheOtherStreamDiffersEvenWhereTheOrderVaries) {
  run("native1", "a\nb\n");
  run("native2", "b\na\n");
  run("ours", "a\n", "b\n");
  EXPECT_THAT(verdict(), StartsWith("differs"));
}

TEST_F(SweepJudge, NativeRunsWithOtherLinesSettleNothing) {
  run("native1", "at 12:00\n");
  run("native2", "at 12:01\n");
  run("ours", "at 12:01\n");
  EXPECT_THAT(verdict(), StartsWith("varies"));
}

TEST_F(SweepJudge, WithoutATestedRunTheNativeOnesAreJudged) {
  run("native1", "a\nb\n");
  run("native2", "b\na\n");
  EXPECT_EQ(verdict(), "same\n");
  run("native3", "b\n");
  EXPECT_THAT(verdict(), StartsWith("varies"));
}

}  // namespace
}  // namespace pagefold
