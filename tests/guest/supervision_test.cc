// What `pagefold run` owes the world around it: exit codes, streams, and that nothing of a run outlives its supervisor.
#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <thread>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "background.h"
#include "runner.h"

namespace pagefold::guest_test {
namespace {

using std::chrono::milliseconds;

std::string cgroup2_mount() {
  std::ifstream mounts("/proc/self/mounts");
  for (std::string device, place, type, rest; mounts >> device >> place >> type && std::getline(mounts, rest);) {
    if (type == "cgroup2") return place;
  }
  return {};
}

std::vector<std::string> cgroups_of(pid_t supervisor) {
  std::vector<std::string> found;
  std::error_code ignored;
  const std::string prefix = fmt::format("pagefold-{}", supervisor);
  for (std::filesystem::recursive_directory_iterator at(cgroup2_mount(), ignored), end; at != end;
       at.increment(ignored)) {
    const std::string name = at->path().filename();
    const bool whole =
        name.size() == prefix.size() || (name.size() > prefix.size() && std::isdigit(name[prefix.size()]) == 0);
    if (name.starts_with(prefix) && whole) found.push_back(at->path());
  }
  return found;
}

bool has_control_socket(pid_t supervisor) {
  std::istringstream sockets(contents("/proc/net/unix"));
  const std::string name = fmt::format("@pagefold/{}", supervisor);
  for (std::string line; std::getline(sockets, line);) {
    if (line.ends_with(name)) return true;
  }
  return false;
}

RunResult shell(const std::string& command, Setting setting = {}) {
  return run({"/bin/sh", "-c", command}, Mode::Pagefold, setting);
}

TEST(Supervision, ExitCodesPassThrough) {
  for (const int code : {0, 1, 42, 125, 126, 127, 128, 255}) {
    EXPECT_EQ(shell(fmt::format("exit {}", code)).status, code);
  }
}

TEST(Supervision, DeathBySignalIs128AndTheSignal) {
  for (const int number : {SIGKILL, SIGTERM, SIGSEGV, SIGABRT, SIGUSR1, SIGPIPE}) {
    EXPECT_EQ(shell(fmt::format("kill -{} $$", number)).status, 128 + number);
  }
}

TEST(Supervision, NotFoundIs127) {
  for (const char* name : {"no-such-program-anywhere", "/no/such/program", "./none"}) {
    const RunResult result = run({name}, Mode::Pagefold);
    EXPECT_EQ(result.status, 127) << name;
    EXPECT_NE(result.err.find(name), std::string::npos) << result.err;
  }
}

TEST(Supervision, NotExecutableIs126) {
  const FreshDirectory fresh;
  std::ofstream(fresh.path() + "/plain") << "text\n";
  Setting setting;
  setting.directory = fresh.path();
  for (const char* name : {"./plain", "/", "/etc/passwd"}) {
    const RunResult result = run({name}, Mode::Pagefold, setting);
    EXPECT_EQ(result.status, 126) << name;
    EXPECT_NE(result.err.find(name), std::string::npos) << result.err;
  }
}

TEST(Supervision, WrongUseIs125) {
  Setting setting;
  setting.pagefold_flags = {"run"};
  EXPECT_EQ(run({}, Mode::Pagefold, setting).status, 125);
  setting.pagefold_flags = {"run", "--no-such-option", "--"};
  EXPECT_EQ(run({"/bin/true"}, Mode::Pagefold, setting).status, 125);
}

TEST(Supervision, UserWithoutRightsRunsOrIsRefusedInOneLine) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to become another user";
  const RunResult result = run({"/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                                pagefold_binary(), "run", "-q", "--", "/bin/true"},
                               Mode::Native);
  if (result.err.find("Permission denied") != std::string::npos && result.err.find("doctor") == std::string::npos) {
    GTEST_SKIP() << "the build directory is closed to other users: " << result.err;
  }
  if (result.status == 0) return;
  EXPECT_EQ(result.status, 125);
  EXPECT_NE(result.err.find("pagefold doctor"), std::string::npos) << result.err;
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
}

TEST(Supervision, StandardInputPassesThrough) {
  Setting setting;
  for (int i = 0; i < 50'000; ++i) setting.input += fmt::format("line {}\n", i);
  const RunResult result = run({"/bin/cat"}, Mode::Pagefold, setting);
  EXPECT_EQ(result.status, 0);
  EXPECT_TRUE(result.out == setting.input) << result.out.size() << " bytes of " << setting.input.size();
  EXPECT_EQ(result.err, "");
}

TEST(Supervision, StoryStaysOnTheErrorStream) {
  Setting setting;
  setting.pagefold_flags = {"run", "--"};
  const RunResult result = run({"/bin/echo", "output"}, Mode::Pagefold, setting);
  EXPECT_EQ(result.out, "output\n");
  EXPECT_NE(result.err, "");
}

TEST(Supervision, RunsSideBySideDoNotDisturbEachOther) {
  std::array<RunResult, 4> results;
  std::vector<std::thread> threads;
  for (size_t i = 0; i < results.size(); ++i) {
    threads.emplace_back([&results, i] {
      results[i] = shell(fmt::format("for n in 1 2 3 4 5; do (exit $n); seq 1 2000 | tail -1; done; exit {}", i + 10));
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (size_t i = 0; i < results.size(); ++i) {
    EXPECT_EQ(results[i].status, static_cast<int>(i) + 10);
    EXPECT_EQ(results[i].out, "2000\n2000\n2000\n2000\n2000\n");
    EXPECT_EQ(results[i].err, "");
  }
}

TEST(Supervision, RunInsideARunEndsSoonAndSaysWhy) {
  const RunResult result = run({pagefold_binary(), "run", "-q", "--", "/bin/echo", "inner"}, Mode::Pagefold);
  EXPECT_FALSE(result.timed_out);
  if (result.status == 0)
    EXPECT_EQ(result.out, "inner\n");
  else
    EXPECT_NE(result.err, "");
}

TEST(Supervision, DebuggersInsideEndSoon) {
  for (const std::vector<std::string>& argv :
       {std::vector<std::string>{"/usr/bin/strace", "-f", "-o", "/dev/null", "/bin/true"},
        std::vector<std::string>{"/usr/bin/gdb", "-batch", "-nx", "-ex", "run", "/bin/true"}}) {
    if (!std::filesystem::exists(argv[0])) continue;
    EXPECT_FALSE(run(argv, Mode::Pagefold).timed_out) << argv[0];
  }
}

// Bytes of private frames that a supervisor holds: its memory files are sparse, so what they occupy is what is resident.
std::uintmax_t private_frames(pid_t supervisor) {
  std::uintmax_t bytes = 0;
  std::error_code gone;
  for (std::filesystem::directory_iterator at(fmt::format("/proc/{}/fd", supervisor), gone), end; at != end; at.increment(gone)) {
    std::error_code closed;
    struct stat status {};
    const std::string target = std::filesystem::read_symlink(at->path(), closed);
    if (target.find("pagefold-private") == std::string::npos || stat(at->path().c_str(), &status) != 0) continue;
    bytes += static_cast<std::uintmax_t>(status.st_blocks) * 512;
  }
  return bytes;
}

TEST(Supervision, AKilledGuestFreesItsFrames) {
  constexpr std::uintmax_t kLarge = 48 << 20;
  const FreshDirectory fresh;
  const Background background(
      {"/bin/sh", "-c", "dd if=/dev/zero of=/dev/null bs=64M 2>/dev/null & echo $! >pid.new; mv pid.new pid; sleep 40"},
      fresh.path());
  ASSERT_TRUE(within(milliseconds(20'000), [&] { return std::filesystem::exists(fresh.path() + "/pid"); }));
  ASSERT_TRUE(within(milliseconds(20'000), [&] { return private_frames(background.pid()) > kLarge; }));
  const std::vector<pid_t> pids = pids_in(fresh.path() + "/pid");
  ASSERT_EQ(pids.size(), 1U);
  kill(pids[0], SIGKILL);
  EXPECT_TRUE(within(milliseconds(5000), [&] { return private_frames(background.pid()) < kLarge / 4; }))
      << private_frames(background.pid());
}

// The guests of guests_of_every_kind, alive; killed by pid at the end should anything have survived.
class EveryKind : public testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::permissions(fresh_.path(), std::filesystem::perms::all);
    run_.emplace(std::vector<std::string>{guest_helper_directory() + "/guests_of_every_kind"}, fresh_.path());
    ASSERT_TRUE(within(milliseconds(20'000), [&] { return std::filesystem::exists(fresh_.path() + "/ready"); }))
        << contents(fresh_.path() + "/log");
    pids_ = pids_in(fresh_.path() + "/pids");
    ASSERT_EQ(pids_.size(), 9U);
    for (const pid_t pid : pids_) ASSERT_FALSE(is_gone(pid)) << pid;
  }
  void TearDown() override {
    for (const pid_t pid : pids_) {
      if (!is_gone(pid)) kill(pid, SIGKILL);
    }
  }
  [[nodiscard]] std::string survivors() const {
    std::string text;
    for (const pid_t pid : pids_) {
      if (!is_gone(pid)) text += fmt::format("{} {}", pid, contents(fmt::format("/proc/{}/stat", pid)));
    }
    return text;
  }

  FreshDirectory fresh_;
  std::optional<Background> run_;
  std::vector<pid_t> pids_;
};

TEST_F(EveryKind, DiesWithTheSupervisor) {
  const pid_t supervisor = run_->pid();
  run_->kill_it();
  EXPECT_TRUE(within(milliseconds(2000), [&] { return survivors().empty(); })) << survivors();
  EXPECT_TRUE(within(milliseconds(2000), [&] { return !has_control_socket(supervisor); }))
      << "the control socket is left";
  EXPECT_TRUE(within(milliseconds(2000), [&] { return cgroups_of(supervisor).empty(); }))
      << fmt::format("{}", fmt::join(cgroups_of(supervisor), " "));
}

TEST_F(EveryKind, LeavesNoOtherProcessBehind) {
  // Watchers and agents count as well: nothing may remain whose command is pagefold and whose start was this run.
  const pid_t supervisor = run_->pid();
  const auto of_this_run = [&] {
    std::string text;
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
      const std::string name = entry.path().filename();
      if (name.find_first_not_of("0123456789") != std::string::npos) continue;
      const std::string command = contents(entry.path() / "cmdline");
      std::error_code gone;
      const std::string directory = std::filesystem::read_symlink(entry.path() / "cwd", gone);
      const bool ours = directory == fresh_.path() || command.find(fresh_.path()) != std::string::npos;
      if (ours && !is_gone(std::stoi(name))) text += name + ' ' + command + '\n';
    }
    return text;
  };
  ASSERT_NE(of_this_run(), "");
  run_->kill_it();
  EXPECT_TRUE(within(milliseconds(2000), [&] { return of_this_run().empty(); })) << of_this_run();
  EXPECT_TRUE(is_gone(supervisor));
}

TEST_F(EveryKind, OneKilledGuestLeavesTheOthersAlive) {
  kill(pids_.back(), SIGKILL);
  EXPECT_TRUE(within(milliseconds(2000), [&] { return is_gone(pids_.back()); }));
  usleep(100'000);
  for (size_t i = 0; i + 1 < pids_.size(); ++i) EXPECT_FALSE(is_gone(pids_[i])) << pids_[i];
  EXPECT_FALSE(is_gone(run_->pid()));
}

bool has_verb(const std::string& verb) {
  Setting setting;
  setting.pagefold_flags = {verb, "--help"};
  return run({}, Mode::Pagefold, setting).status == 0;
}

RunResult verb(std::vector<std::string> words) {
  Setting setting;
  setting.pagefold_flags = std::move(words);
  return run({}, Mode::Pagefold, setting);
}

// Runs of other tests are asked, too; some of them are ending, or stopped. These `ps` tells on standard error and by its exit code.
TEST_F(EveryKind, ShowsInPs) {
  if (!has_verb("ps")) GTEST_SKIP() << "pagefold has no verb ps";
  const RunResult result = verb({"ps"});
  EXPECT_EQ(result.status, result.err.empty() ? 0 : 1);
  EXPECT_EQ(result.err.find(fmt::format("supervisor {}:", run_->pid())), std::string::npos) << result.err;
  for (const pid_t pid : pids_)
    EXPECT_NE(result.out.find(std::to_string(pid)), std::string::npos) << pid << '\n' << result.out;
  EXPECT_NO_THROW(EXPECT_FALSE(nlohmann::json::parse(verb({"ps", "--json"}).out).empty()));
}

TEST_F(EveryKind, ShowsInPsBesideASupervisorThatDoesNotAnswer) {
  const FreshDirectory elsewhere;
  Background other({"/bin/sh", "-c", "echo > ready; exec sleep 60"}, elsewhere.path());
  ASSERT_TRUE(within(milliseconds(20'000), [&] { return std::filesystem::exists(elsewhere.path() + "/ready"); }));
  ASSERT_EQ(kill(other.pid(), SIGSTOP), 0);
  const RunResult result = verb({"ps"});
  EXPECT_EQ(result.status, 1);
  EXPECT_NE(result.err.find(fmt::format("supervisor {}:", other.pid())), std::string::npos) << result.err;
  for (const pid_t pid : pids_) EXPECT_NE(result.out.find(std::to_string(pid)), std::string::npos) << result.out;
  kill(other.pid(), SIGCONT);
  other.kill_it();
}

TEST_F(EveryKind, ShowsItsMaps) {
  if (!has_verb("maps")) GTEST_SKIP() << "pagefold has no verb maps";
  const RunResult result = verb({"maps", std::to_string(pids_.front())});
  ASSERT_EQ(result.status, 0) << result.err;
  for (const char* part : {"guests_of_every_kind", "libc.so.6", "[stack]", "r-xp"}) {
    EXPECT_NE(result.out.find(part), std::string::npos) << part << '\n' << result.out;
  }
  EXPECT_EQ(result.out.find("memfd"), std::string::npos) << result.out;
  EXPECT_NO_THROW(nlohmann::json::parse(verb({"maps", std::to_string(pids_.front()), "--json"}).out));
  EXPECT_NE(verb({"maps", std::to_string(getpid())}).status, 0) << "this process is no guest";
}

}  // namespace
}  // namespace pagefold::guest_test
