// `pagefold run --mem`: programs that need several times the memory do what they do natively, and what the host itself
// says of the frames stays within the limit all the time.
#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "runner.h"

namespace pagefold::guest_test {
namespace {

using std::chrono::steady_clock;

constexpr std::uint64_t kMiB = 1 << 20;
// A guest program ends with it when the host lacks what it is about.
constexpr int kSkipped = 77;
// Above what programs can have in their stores: memory of Pagefold's own in each process (docs/pressure.md).
constexpr off_t kOwnArea = off_t{1} << 48;

// A program, and the limit it does not fit into.
struct Case {
  const char* program;
  std::vector<std::string> flags;
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.program << fmt::format(" {}", fmt::join(c.flags, " ")); }

class UnderPressure : public testing::TestWithParam<Case> {};

TEST_P(UnderPressure, ProgramsDoWhatTheyDoNatively) {
  Setting setting;
  setting.timeout = std::chrono::seconds(100);
  setting.pagefold_flags = {"run", "-q"};
  setting.pagefold_flags.insert(setting.pagefold_flags.end(), GetParam().flags.begin(), GetParam().flags.end());
  setting.pagefold_flags.emplace_back("--");
  const std::string program = GetParam().program;
  const std::vector<std::string> argv =
      program.ends_with(".sh") ? std::vector<std::string>{"/bin/bash", PAGEFOLD_GUEST_SCRIPTS "/" + program}
                               : std::vector{guest_directory() + "/" + program};
  const RunResult native = run(argv, Mode::Native, setting);
  ASSERT_FALSE(native.timed_out);
  if (native.status == kSkipped) GTEST_SKIP() << native.out << native.err;
  EXPECT_EQ(difference(native, run(argv, Mode::Pagefold, setting)), "");
}

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const char* program :
       {"pressure_walks_and_jumps", "pressure_fork_copies_on_write", "pressure_threads_come_and_go",
        "pressure_shared_memory", "pressure_kernel_reads_and_writes", "pressure_files_are_read_again",
        "pressure_locked_pages_stay", "pressure_stores_while_pages_leave", "pressure_shared_stores_while_pages_leave"})
    all.push_back({program, {"--mem", "12M"}});
  // Programs of the other tests in a quarter of what they usually have.
  for (const char* program :
       {"fork_copies_on_write", "fork_tree_of_sixty", "fork_nested_twelve_deep", "threads_malloc_storm",
        "threads_map_storm", "threads_thousand_rounds", "threads_touch_one_page_together",
        "shared_anonymous_across_fork", "mremap_results", "madvise_results", "mlock_family", "mincore_results",
        "signals_during_memory_calls", "robust_and_shared_mutexes", "pipes_carry_pages",
        "grandchildren_read_dead_grandparents", "moved_before_the_first_touch", "private_copies_outlive_a_writer"})
    all.push_back({program, {"--mem", "2M"}});
  // Eight times the limit is stored into a file that is mapped.
  all.push_back({"pressure_stores_into_files", {"--mem", "4M"}});
  all.push_back({"pressure_stores_into_files", {"--mem", "16M", "--swap", "none", "--writeback", "100ms"}});
  for (const char* database : {"sqlite_database.sh", "lmdb_load_and_dump.sh", "python_mmap.sh"})
    all.push_back({database, {"--mem", "12M"}});
  for (const char* program :
       {"shared_file_agrees_with_read_and_write", "ftruncate_under_a_mapping", "memfd_and_posix_shm_between_processes",
        "rewritten_in_place_by_another_process", "one_file_mapped_twice"})
    all.push_back({program, {"--mem", "2M"}});
  for (const char* policy : {"clock", "lru", "s3fifo", "random"})
    all.push_back({"pressure_walks_and_jumps", {"--mem", "16M", "--policy", policy, "--fault-around", "1"}});
  // Any page may go at any time, also one that is being read into.
  all.push_back({"pressure_direct_reads", {"--mem", "8M", "--swap", "memory", "--policy", "random"}});
  all.push_back({"pressure_asynchronous_reads", {"--mem", "8M", "--swap", "memory", "--policy", "random"}});
  all.push_back({"pressure_robust_mutexes", {"--mem", "8M"}});
  all.push_back({"pressure_robust_mutexes", {"--mem", "8M", "--policy", "random", "--swap", "file:swap"}});
  // A file on the disk: pages are on their way for longer.
  for (const char* program : {"pressure_stores_while_pages_leave", "pressure_shared_stores_while_pages_leave"})
    all.push_back({program, {"--mem", "8M", "--swap", "file:swap"}});
  all.push_back({"pressure_threads_come_and_go", {"--mem", "8M", "--swap", "file:swap"}});
  all.push_back({"pressure_walks_and_jumps", {"--mem", "12M", "--swap", "file:swap"}});
  for (const char* swap : {"zram", "memory", "file:swap", "file:swap:200M"})
    all.push_back({"pressure_fork_copies_on_write", {"--mem", "16M", "--swap", swap}});
  return all;
}

INSTANTIATE_TEST_SUITE_P(Guest, UnderPressure, testing::ValuesIn(cases()), [](const auto& info) {
  std::string name = info.param.program;
  for (const std::string& flag : info.param.flags) name += "_" + flag;
  std::replace_if(
      name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
});

TEST(SwappedPages, AreToldApartFromResidentOnes) {
  Setting setting;
  setting.timeout = std::chrono::seconds(60);
  setting.pagefold_flags = {"run", "-q", "--mem", "8M", "--"};
  const RunResult result = run({guest_directory() + "/pressure_swapped_pages_are_told", "limited"}, Mode::Pagefold, setting);
  EXPECT_EQ(result.status, 0);
  EXPECT_EQ(result.out.find("NO"), std::string::npos) << result.out;
}

// A swap file where there is no room: what cannot be written stays, and when nothing else can go, the story says so.
TEST(SwappedPages, AFullFileSystemIsAFullSwap) {
  if (::geteuid() != 0) GTEST_SKIP() << "mounting needs root";
  const FreshDirectory directory;
  ASSERT_EQ(::mount("none", directory.path().c_str(), "tmpfs", 0, "size=1m"), 0);
  Setting setting;
  setting.directory = directory.path();
  setting.timeout = std::chrono::seconds(60);
  setting.pagefold_flags = {"run", "--mem", "8M", "--swap", "file:swap", "--"};
  const RunResult result = run({guest_directory() + "/pressure_kernel_reads_and_writes"}, Mode::Pagefold, setting);
  ::umount2(directory.path().c_str(), MNT_DETACH);
  EXPECT_EQ(result.status, 137);
  EXPECT_THAT(result.err, testing::HasSubstr("the swap file: No space left on device"));
  EXPECT_THAT(result.err, testing::HasSubstr("out of memory: killed"));
}

// ---- out of room

struct Outcome {
  RunResult result;
  nlohmann::json report;
};

Outcome run_reported(std::vector<std::string> flags, const std::vector<std::string>& argv) {
  const FreshDirectory directory;
  Setting setting;
  setting.directory = directory.path();
  setting.timeout = std::chrono::seconds(60);
  setting.pagefold_flags = {"run", "-q", "--json", "report"};
  setting.pagefold_flags.insert(setting.pagefold_flags.end(), flags.begin(), flags.end());
  setting.pagefold_flags.emplace_back("--");
  Outcome outcome;
  outcome.result = run(argv, Mode::Pagefold, setting);
  outcome.report = nlohmann::json::parse(std::ifstream(directory.path() + "/report"), nullptr, false);
  return outcome;
}

std::string notes_of(const Outcome& outcome) { return outcome.report.value("notes", nlohmann::json::array()).dump(); }

TEST(OutOfRoom, TheGuestThatAsksIsKilledAsByTheOomKiller) {
  for (const char* swap : {"none", "zram:1M", "file:swap:2M"}) {
    const Outcome outcome =
        run_reported({"--mem", "8M", "--swap", swap}, {guest_directory() + "/pressure_kernel_reads_and_writes"});
    EXPECT_FALSE(outcome.result.timed_out) << swap;
    EXPECT_EQ(outcome.result.status, 137) << swap;
    EXPECT_NE(notes_of(outcome).find("out of memory: killed pressure_kernel_reads_and_writes"), std::string::npos)
        << notes_of(outcome);
  }
}

TEST(OutOfRoom, TheOthersGoOn) {
  const std::string program = guest_directory() + "/pressure_locked_pages_stay";
  const Outcome outcome = run_reported(
      {"--mem", "16M", "--swap", "none"},
      {"/bin/sh", "-c", program + " >/dev/null; echo $?; /bin/echo still here; ls / >/dev/null && echo so is ls"});
  EXPECT_EQ(outcome.result.out, "137\nstill here\nso is ls\n");
  EXPECT_EQ(outcome.result.status, 0);
}

// One line says who held what: 8 MiB for the one that was killed, swapped pages apart.
TEST(OutOfRoom, SaysWhoHeldWhat) {
  const Outcome outcome =
      run_reported({"--mem", "8M", "--swap", "none"}, {guest_directory() + "/pressure_locked_pages_stay"});
  EXPECT_THAT(notes_of(outcome), testing::HasSubstr("of 8 MiB held: pressure_locked_pages_stay ("));
  EXPECT_THAT(notes_of(outcome), testing::HasSubstr("files "));
}

// ---- a file system without room

class NoRoomOnDisk : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "mounting needs root";
    ASSERT_EQ(::mount("none", fresh_.path().c_str(), "tmpfs", 0, "size=1m"), 0);
  }
  void TearDown() override { ::umount2(fresh_.path().c_str(), MNT_DETACH); }
  RunResult store(const std::string& pages, const std::string& swap) {
    Setting setting;
    setting.directory = fresh_.path();
    setting.timeout = std::chrono::seconds(60);
    setting.pagefold_flags = {"run", "--mem", "8M", "--swap", swap, "--"};
    return run({guest_helper_directory() + "/stores_where_nothing_fits", pages}, Mode::Pagefold, setting);
  }

 private:
  FreshDirectory fresh_;
};

TEST_F(NoRoomOnDisk, PagesThatCannotBeWrittenBackStayAndOthersGo) {
  const RunResult result = store("240", "zram");
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(result.out,
            "stored\nmsync(map, pages * PAGE, MS_SYNC) = ENOSPC\nwrong == 0: yes\n"
            "msync(map, pages * PAGE, MS_SYNC) = 0\nwrong == 0: yes\n");
}

TEST_F(NoRoomOnDisk, WhenNothingElseCanGoTheGuestIsKilled) {
  const RunResult result = store("4000", "none");
  EXPECT_EQ(result.status, 137);
  EXPECT_THAT(result.err, testing::HasSubstr("out of memory: killed stores_where_nothing_fits"));
}

// ---- what the host says

// Bytes of the frames of a store, below Pagefold's own area, as the host counts them.
std::uint64_t frames_in(const std::string& store) {
  const int fd = open(store.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  std::uint64_t bytes = 0;
  for (off_t at = lseek(fd, 0, SEEK_DATA); at >= 0 && at < kOwnArea; at = lseek(fd, at, SEEK_DATA)) {
    const off_t end = lseek(fd, at, SEEK_HOLE);
    bytes += static_cast<std::uint64_t>(end - at);
    at = end;
  }
  close(fd);
  return bytes;
}

// The frames of all stores of a supervisor, which has two descriptors of some.
std::uint64_t frames_of(pid_t supervisor) {
  std::uint64_t bytes = 0;
  std::set<ino_t> seen;
  std::error_code gone;
  for (const auto& entry : std::filesystem::directory_iterator(fmt::format("/proc/{}/fd", supervisor), gone)) {
    const std::string target = std::filesystem::read_symlink(entry, gone);
    for (const char* name : {"/memfd:pagefold-private", "/memfd:pagefold-file", "/memfd:pagefold-full", "/memfd:pagefold-shared"})
      if (struct stat store{};
          target.starts_with(name) && stat(entry.path().c_str(), &store) == 0 && seen.insert(store.st_ino).second)
        bytes += frames_in(entry.path());
  }
  return bytes;
}

class HostView : public testing::TestWithParam<const char*> {};

// The supervisor is stopped for each look, so that no frame comes or goes meanwhile.
TEST_P(HostView, FramesStayWithinTheLimit) {
  constexpr std::uint64_t kLimit = 16 * kMiB;
  const FreshDirectory directory;
  const std::string binary = pagefold_binary(), program = guest_directory() + "/" + GetParam();
  const pid_t child = fork();
  if (child == 0) {
    const int null = open("/dev/null", O_RDWR);
    dup2(null, 0), dup2(null, 1);
    if (chdir(directory.path().c_str()) == 0)
      execl(binary.c_str(), binary.c_str(), "run", "-q", "--mem", "16M", "--json", "report", "--", program.c_str(),
            nullptr);
    _exit(99);
  }
  std::uint64_t most = 0;
  unsigned looks = 0;
  int status = 0;
  for (const auto deadline = steady_clock::now() + std::chrono::seconds(60); waitpid(child, &status, WNOHANG) == 0;
       usleep(3000)) {
    if (steady_clock::now() > deadline) {
      kill(child, SIGKILL);
      waitpid(child, &status, 0);
      FAIL() << "it did not end";
    }
    kill(child, SIGSTOP);
    if (waitpid(child, &status, WUNTRACED) != child || !WIFSTOPPED(status)) break;  // it has ended; else all its threads stand
    most = std::max(most, frames_of(child));
    ++looks;
    kill(child, SIGCONT);
  }
  EXPECT_EQ(status, 0);
  EXPECT_GT(looks, 10U);
  EXPECT_GT(most, kLimit / 2) << "it never came under pressure";
  EXPECT_LE(most, kLimit);
  const auto report = nlohmann::json::parse(std::ifstream(directory.path() + "/report"));
  EXPECT_EQ(report["pressure"]["overdrawn_bytes"], 0);
  EXPECT_LE(report["pressure"]["peak_bytes"], kLimit);
  EXPECT_GT(report["pressure"]["evicted_pages"]["anonymous"].get<int>() +
                report["pressure"]["evicted_pages"]["files"].get<int>() +
                report["pressure"]["evicted_pages"]["shared"].get<int>(),
            0);
}

INSTANTIATE_TEST_SUITE_P(Guest, HostView,
                         testing::Values("pressure_walks_and_jumps", "pressure_fork_copies_on_write",
                                         "pressure_threads_come_and_go", "pressure_shared_memory",
                                         "pressure_kernel_reads_and_writes", "pressure_files_are_read_again",
                                         "pressure_stores_while_pages_leave",
                                         "pressure_stores_into_files"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace pagefold::guest_test
