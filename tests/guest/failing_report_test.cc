// The command itself in trouble: its disk is full, nobody reads its story, it is killed while a failure is under way.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "failing.h"
#include "play.h"

namespace pagefold::guest_test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class FailingReport : public Failing {
 protected:
  // By the shell, natively: {} is the command.
  int shell_status(std::string script) {
    while (script.find("{}") != std::string::npos) script.replace(script.find("{}"), 2, pagefold_binary());
    Setting setting;
    setting.directory = path(".");
    const RunResult result = run({"/bin/bash", "-c", script}, Mode::Native, setting);
    said_ = result.out + result.err;
    return result.status;
  }
  [[nodiscard]] const std::string& said() const { return said_; }
  // Processes whose working directory is the test's.
  [[nodiscard]] bool anybody_here() const {
    std::error_code gone;
    for (const auto& entry : fs::directory_iterator("/proc"))
      if (fs::read_symlink(entry.path() / "cwd", gone) == fs::canonical(path("."))) return true;
    return false;
  }

 private:
  std::string said_;
};

TEST_F(FailingReport, AStoryThatFindsNoRoomIsSaidAndLeavesNoHalfFile) {
  if (::geteuid() != 0) GTEST_SKIP() << "mounting needs root";
  fs::create_directory(path("full"));
  ASSERT_EQ(::mount("none", path("full").c_str(), "tmpfs", 0, "size=16k"), 0);
  const int status = shell_status("head -c 100000 /dev/zero >full/ballast; {} run -q --json full/story.json --fail read:path=/none:eio -- true");
  const bool left = fs::exists(path("full/story.json"));
  const auto files = std::distance(fs::directory_iterator(path("full")), {});
  ::umount2(path("full").c_str(), MNT_DETACH);
  EXPECT_EQ(status, 125);
  EXPECT_THAT(said(), HasSubstr("cannot write full/story.json: No space left on device"));
  EXPECT_FALSE(left);
  EXPECT_EQ(files, 1) << "the ballast";
}

TEST_F(FailingReport, TheProgramsOwnFailureIsToldFirst) {
  EXPECT_EQ(shell_status("{} run -q --json /dev/full --fail read:path=/none:eio -- sh -c 'exit 7'"), 7);
  EXPECT_THAT(said(), HasSubstr("cannot write /dev/full: No space left on device"));
  EXPECT_EQ(shell_status("{} run -q --json - -- true >/dev/full"), 125);
  EXPECT_THAT(said(), HasSubstr("No space left on device"));
}

TEST_F(FailingReport, AStoryThatNobodyReadsChangesNothing) {
  EXPECT_EQ(shell_status("set -o pipefail; { {} run --fail read:path=/none:eio -- sh -c 'sleep 0.2; exit 5' 2>&1; } | true"), 5);
  EXPECT_EQ(shell_status("{} run --fail read:path=/none:eio -- sh -c 'exit 5' 2>&-"), 5);
  EXPECT_EQ(shell_status("{} run --fail read:path=/none:eio -- sh -c 'exit 5' 2>/dev/full"), 5);
}

// Whatever a guest is waiting for, it goes when its supervisor does.
TEST_F(FailingReport, NoGuestOutlivesASupervisorKilledWhileAFailureIsUnderWay) {
  for (const char* spec : {"read:path=*/f1:via=call:delay=60s", "read:path=*/f1:via=map:delay=60s", "fsync:delay=60s", "write:via=map:delay=60s"}) {
    std::ofstream(path("program")) << "reset\nopen 0 1 1\nmap 0 0 20 3 1 0\nmeet 0\nstore 0 0 1 65\nfsync 0 1\npread 0 0 10\nload 0 40960 1\n";
    for (const char* mark : {"at-0", "go-0"}) fs::remove(path(mark));
    const pid_t supervisor = ::fork();
    if (supervisor == 0) {
      const int null = ::open("/dev/null", O_RDWR);
      for (int fd = 0; fd < 3; ++fd) ::dup2(null, fd);
      const std::string helper = guest_helper_directory() + "/runs_file_operations";
      if (::chdir(path(".").c_str()) == 0)
        ::execl(pagefold_binary().c_str(), "pagefold", "run", "-q", "--mem", "16M", "--fail", spec, "--", helper.c_str(), "program", nullptr);
      ::_exit(99);
    }
    wait_until([&] { return fs::exists(path("at-0")); });
    std::ofstream(path("go-0"));
    ::usleep(100'000);
    ::kill(supervisor, SIGKILL);
    int status = 0;
    ::waitpid(supervisor, &status, 0);
    EXPECT_TRUE(WIFSIGNALED(status)) << spec << ": it had ended with " << status;
    EXPECT_TRUE(wait_until([&] { return !anybody_here(); })) << spec;
  }
}

}  // namespace
}  // namespace pagefold::guest_test
