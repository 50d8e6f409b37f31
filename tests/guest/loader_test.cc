// `pagefold run --loader pagefold`: who loads which program. The mechanism is tried with a copy of the command that has
// the genuine loader beside it under the name ld-pagefold.so, so that it does not depend on what the loader itself can
// do; then guest programs run under the real one.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "runner.h"

namespace pagefold::guest_test {
namespace {

namespace fs = std::filesystem;

constexpr const char* kGenuine = "/lib64/ld-linux-x86-64.so.2";

std::string content_of(const fs::path& path) {
  std::ostringstream content;
  content << std::ifstream(path).rdbuf();
  return content.str();
}

class OwnLoader : public testing::Test {
 protected:
  void SetUp() override {
    fs::permissions(fresh_.path(), fs::perms::all);
    fs::copy_file(pagefold_binary(), command());
    fs::copy_file(kGenuine, loader());
  }

  [[nodiscard]] fs::path command() const { return fs::path(fresh_.path()) / "pagefold"; }
  [[nodiscard]] fs::path loader() const { return fs::path(fresh_.path()) / "ld-pagefold.so"; }
  [[nodiscard]] fs::path report() const { return fs::path(fresh_.path()) / "report.json"; }

  RunResult run_with_own(const std::vector<std::string>& argv) const {
    return run_command({command(), "run", "-q", "--loader", "pagefold", "--json", report(), "--"}, argv);
  }

  RunResult run_command(std::vector<std::string> words, const std::vector<std::string>& argv) const {
    words.insert(words.end(), argv.begin(), argv.end());
    Setting setting;
    setting.directory = fresh_.path();
    return run(words, Mode::Native, setting);
  }

  // {programs that Pagefold's loader loaded, that the system's did, that were handed over}
  [[nodiscard]] std::vector<std::uint64_t> counts() const {
    const auto json = nlohmann::json::parse(content_of(report()), nullptr, false);
    if (!json.is_object()) return {};
    const auto& loaders = json.at("loaders");
    return {loaders.at("pagefold"), loaders.at("system"), loaders.at("handed_over")};
  }

  FreshDirectory fresh_;
};

using Counts = std::vector<std::uint64_t>;

TEST_F(OwnLoader, LiesWhereTheGenuineOneWouldAndNothingOfThatIsLeft) {
  const RunResult result = run_with_own({"/bin/cat", "/proc/self/maps"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_NE(result.out.find(" r-xp "), std::string::npos);
  EXPECT_NE(result.out.find("/ld-pagefold.so\n"), std::string::npos) << result.out;
  EXPECT_EQ(result.out.find("ld-linux"), std::string::npos) << result.out;
  EXPECT_EQ(counts(), (Counts{1, 0, 0}));
}

TEST_F(OwnLoader, LoadsWhatProgramsExecAndFork) {
  const RunResult result = run_with_own({"/bin/bash", "-c", "for i in 1 2 3; do /bin/echo $i; done | sort -r; (true)"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(result.out, "3\n2\n1\n");
  EXPECT_EQ(counts(), (Counts{5, 0, 0})) << "bash, echo three times, sort";
}

TEST_F(OwnLoader, IsFoundWhereTheGuestCannotSeeIt) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root for chroot";
  const RunResult result =
      run_with_own({"/bin/bash", "-c",
                    "mkdir -p root/bin root/lib64 root/lib/x86_64-linux-gnu && cp /bin/echo root/bin && cp -L "
                    "/lib64/ld-linux-x86-64.so.2 "
                    "root/lib64 && cp -L /lib/x86_64-linux-gnu/libc.so.6 root/lib/x86_64-linux-gnu && "
                    "exec /usr/sbin/chroot --userspec=+65534:+65534 root /bin/echo inside"});
  EXPECT_EQ(result.out, "inside\n") << result.err;
  EXPECT_EQ(counts(), (Counts{7, 0, 0})) << "bash, mkdir, cp three times, chroot, echo";
}

TEST_F(OwnLoader, LeavesAProgramWithMoreRightsToTheGenuineOne) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to make a set-uid program";
  const fs::path program = fs::path(fresh_.path()) / "program";
  fs::copy_file("/usr/bin/cat", program);
  ASSERT_EQ(chown(program.c_str(), 65534, 65534), 0);
  ASSERT_EQ(chmod(program.c_str(), 04755), 0);
  const RunResult result = run_with_own({program, "/proc/self/maps"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_NE(result.out.find("/ld-linux-x86-64.so.2\n"), std::string::npos) << result.out;
  EXPECT_EQ(counts(), (Counts{0, 1, 0}));
}

TEST_F(OwnLoader, LeavesStaticProgramsAlone) {
  const RunResult result = run_with_own({"/sbin/ldconfig", "--version"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(counts(), (Counts{0, 0, 0}));
}

TEST_F(OwnLoader, LeavesAProgramThatIsTheLoaderItselfAlone) {
  const RunResult result = run_with_own({kGenuine, "/bin/echo", "by hand"});
  EXPECT_EQ(result.out, "by hand\n") << result.err;
  EXPECT_EQ(counts().at(0), 0U);
}

TEST_F(OwnLoader, ThatIsMissingOrBrokenIsAClearRefusal) {
  fs::remove(loader());
  RunResult result = run_with_own({"/bin/true"});
  EXPECT_EQ(result.status, 125);
  EXPECT_NE(result.err.find("ld-pagefold.so beside " + command().string()), std::string::npos) << result.err;
  std::ofstream(loader()) << "not a loader";
  result = run_with_own({"/bin/true"});
  EXPECT_EQ(result.status, 125);
  EXPECT_NE(result.err.find("ld-pagefold.so: file too short"), std::string::npos) << result.err;
}

TEST_F(OwnLoader, ThatIsMissingButWasNotAskedForIsANote) {
  fs::remove(loader());
  const RunResult result = run_command({command(), "run", "--json", report(), "--"}, {"/bin/echo", "still works"});
  EXPECT_EQ(result.out, "still works\n") << result.err;
  EXPECT_EQ(result.status, 0);
  EXPECT_NE(result.err.find("note   the system's loader loads the programs: ld-pagefold.so beside"), std::string::npos) << result.err;
  EXPECT_EQ(counts(), (Counts{0, 1, 0}));
}

TEST_F(OwnLoader, LoadsUnlessToldOtherwise) {
  EXPECT_EQ(run_command({command(), "run", "-q", "--json", report(), "--"}, {"/bin/true"}).status, 0);
  EXPECT_EQ(counts(), (Counts{1, 0, 0}));
  EXPECT_EQ(run_command({command(), "run", "-q", "--loader", "system", "--json", report(), "--"}, {"/bin/true"}).status, 0);
  EXPECT_EQ(counts(), (Counts{0, 1, 0}));
}

TEST_F(OwnLoader, StaysOutWhileItsFileIsBeingWritten) {
  std::ofstream writer(loader(), std::ios::app);
  const RunResult result = run_with_own({"/bin/echo", "still works"});
  EXPECT_EQ(result.out, "still works\n") << result.err;
  EXPECT_EQ(counts(), (Counts{0, 1, 0}));
}

// Programs that the real loader leaves to the genuine one, inside a guest.
class HandedOver : public OwnLoader {
 protected:
  void SetUp() override {
    const fs::path real = fs::path(pagefold_binary()).parent_path() / "ld-pagefold.so";
    if (!fs::exists(real)) GTEST_SKIP() << "no ld-pagefold.so";
    fs::permissions(fresh_.path(), fs::perms::all);
    fs::copy_file(pagefold_binary(), command());
    fs::copy_file(real, loader());
  }

  // The same words natively and in a guest: the streams and the exit code, and whose loader it was.
  void expect_handed_over(const std::vector<std::string>& argv, Counts expected) const {
    const RunResult native = run_command({}, argv), guest = run_with_own(argv);
    EXPECT_EQ(guest.out, native.out);
    EXPECT_EQ(guest.err, native.err);
    EXPECT_EQ(guest.status, native.status);
    EXPECT_EQ(counts(), expected);
  }
};

TEST_F(HandedOver, ProgramsOfALibcThatIsNotKnown) {
  std::string libc = content_of(fs::canonical("/lib/x86_64-linux-gnu/libc.so.6"));
  const std::string owner("\4\0\0\0\x14\0\0\0\3\0\0\0GNU\0", 16);  // a note: sizes of name and build-id, NT_GNU_BUILD_ID
  const std::size_t note = libc.find(owner);
  ASSERT_NE(note, std::string::npos);
  libc[note + owner.size()] ^= 1;
  fs::create_directory(fs::path(fresh_.path()) / "other");
  std::ofstream(fs::path(fresh_.path()) / "other/libc.so.6") << libc;
  // env is loaded by ours; what it starts, and what that starts, is not. Who it is must stay true.
  expect_handed_over({"/usr/bin/env", "LD_LIBRARY_PATH=" + fresh_.path() + "/other", "/bin/bash", "-c",
                      "readlink /proc/$$/exe /proc/self/exe; read -r name </proc/self/comm; echo $name $0 \"$@\"; grep -c other/libc /proc/self/maps; "
                      "tr '\\0' '\\n' </proc/self/cmdline; exit 3", "zero", "one"},
                     Counts{5, 0, 4});
}

TEST_F(HandedOver, ProgramsThatAreAudited) {
  expect_handed_over({"/usr/bin/env", "LD_AUDIT=/no/such/library.so", "/bin/echo", "heard"}, Counts{2, 0, 1});
}

TEST_F(HandedOver, TheStorySaysSo) {
  const RunResult result = run_command({command(), "run", "--"}, {"/usr/bin/env", "LD_AUDIT=/no/such/library.so", "/bin/true"});
  EXPECT_NE(result.err.find("loader ld-pagefold.so for 2 starts (1 handed over)"), std::string::npos) << result.err;
  EXPECT_NE(result.err.find("note   ld-pagefold.so left a program to the system's loader"), std::string::npos) << result.err;
}

// What a loader has most to do with: exec in all its forms, threads and their storage, signals, forks, what /proc
// tells.
constexpr std::array kPrograms = {"argv0_and_environment",      "dropped_user_execs_its_own_file",
                                  "exec_by_descriptor",         "exec_from_a_thread",
                                  "exec_scripts_nested",        "exec_self_with_large_argv",
                                  "fork_in_a_threaded_program", "fork_nested_twelve_deep",
                                  "handlers_without_restart",   "posix_spawn_with_file_actions",
                                  "proc_of_another_process",    "proc_self_tells_the_truth",
                                  "robust_and_shared_mutexes",  "signals_during_memory_calls",
                                  "thread_local_storage",       "threads_malloc_storm",
                                  "threads_thousand_rounds",    "vfork_and_exec"};

class UnderOwnLoader : public testing::TestWithParam<const char*> {};

TEST_P(UnderOwnLoader, NativeVsPagefold) {
  if (!fs::exists(fs::path(pagefold_binary()).parent_path() / "ld-pagefold.so")) GTEST_SKIP() << "no ld-pagefold.so";
  Setting setting;
  setting.timeout = std::chrono::seconds(60);
  setting.pagefold_flags = {"run", "-q", "--loader", "pagefold", "--"};
  const std::vector<std::string> argv = {guest_directory() + "/" + GetParam()};
  EXPECT_EQ(difference(run(argv, Mode::Native, setting), run(argv, Mode::Pagefold, setting)), "");
}

INSTANTIATE_TEST_SUITE_P(Guest, UnderOwnLoader, testing::ValuesIn(kPrograms),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace pagefold::guest_test
