// `pagefold crash` among unruly checks and writers: whatever they do, its verdicts hold and nothing is left behind.
#include <signal.h>
#include <sys/wait.h>

#include <fstream>
#include <optional>
#include <sstream>
#include <thread>

#include "store_test.h"

namespace pagefold {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using namespace std::chrono_literals;

std::string contents(const fs::path& path) {
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

class RobustCrash : public StoreTest {
 protected:
  RobustCrash() { fs::create_directory(scratch()); }

  [[nodiscard]] fs::path scratch() { return fs::path(output()).parent_path() / "scratch"; }
  test::Outcome run(const std::string& check, const std::vector<std::string>& writer,
                    std::vector<std::string> options = {}, const std::string& files = "s.db") {
    std::vector<std::string> words = {"crash",    "--files",         files,       "--check",         check,
                                      "--output", output().string(), "--scratch", scratch().string()};
    words.insert(words.end(), options.begin(), options.end());
    words.emplace_back("--");
    words.insert(words.end(), writer.begin(), writer.end());
    return test::pagefold(words);
  }
  std::vector<std::string> store(const std::string& mode, const std::string& records) {
    return {program("mapped_store"), mode, "s.db", records};
  }

  // Starts a run whose checks take long and lets it come to them; what it says goes to files.
  pid_t start(const std::string& check) {
    const std::string command = std::string("exec ") + PAGEFOLD_BINARY + " crash --files s.db --check '" + check +
                                "' --output " + output().string() + " --scratch " + scratch().string() + " -- " +
                                program("mapped_store") + " missing s.db 7 >../said 2>&1 </dev/null";
    const pid_t process = ::fork();
    if (process == 0) {
      ::execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
      ::_exit(127);
    }
    for (int i = 0; i < 1000 && !fs::exists("../checked"); ++i) std::this_thread::sleep_for(10ms);
    return process;
  }
  // Starts a run of this script in a process group of its own; it says by ../checked that it has come far enough.
  pid_t start_writer(const std::string& script) {
    fs::create_directory("tree");
    const std::string command = std::string("exec ") + PAGEFOLD_BINARY + " crash --files tree/ --check true --output " + output().string() +
                                " --scratch " + scratch().string() + " -- sh -c '" + script + "' >../said 2>&1 </dev/null";
    const pid_t process = ::fork();
    if (process == 0) {
      ::setpgid(0, 0);
      ::execl("/bin/sh", "sh", "-c", command.c_str(), nullptr);
      ::_exit(127);
    }
    for (int i = 0; i < 1000 && !fs::exists("../checked"); ++i) std::this_thread::sleep_for(10ms);
    return process;
  }
  // The processes whose command line has this word.
  static std::vector<std::string> processes(const std::string& word) {
    std::vector<std::string> found;
    std::error_code error;
    for (const auto& entry : fs::directory_iterator("/proc", error))
      if (const std::string line = contents(entry.path() / "cmdline"); line.find(word) != std::string::npos)
        found.push_back(line);
    return found;
  }
  [[nodiscard]] std::vector<fs::path> left_in_scratch() {
    std::vector<fs::path> left;
    for (const auto& entry : fs::directory_iterator(scratch())) left.push_back(entry.path());
    return left;
  }
  template <class Done>
  static bool comes_true(Done&& done) {
    for (int i = 0; i < 500; ++i) {
      if (done()) return true;
      std::this_thread::sleep_for(10ms);
    }
    return false;
  }
};

TEST_F(RobustCrash, KilledInTheMiddleItLeavesNoProcessAndNoFile) {
  const std::string mark = "86.4" + std::to_string(::getpid());  // seconds, and a name
  const pid_t process = start("touch ../checked; setsid sleep " + mark + " & sleep " + mark);
  ASSERT_TRUE(fs::exists("../checked")) << contents("../said");
  EXPECT_FALSE(processes(mark).empty());
  ::kill(process, SIGKILL);
  ::waitpid(process, nullptr, 0);
  EXPECT_TRUE(comes_true([&] { return processes(mark).empty() && left_in_scratch().empty(); }))
      << testing::PrintToString(left_in_scratch());
}

TEST_F(RobustCrash, InterruptedItTellsWhatWasFoundSoFar) {
  const pid_t process = start("touch ../checked; sleep 0.05; " + program("check_store") + " {}");
  ASSERT_TRUE(fs::exists("../checked")) << contents("../said");
  std::this_thread::sleep_for(1s);
  ::kill(process, SIGINT);
  int status = 0;
  ::waitpid(process, &status, 0);
  const std::string said = contents("../said");
  EXPECT_TRUE(WIFEXITED(status) && (WEXITSTATUS(status) == 1 || WEXITSTATUS(status) == 3)) << status << said;
  EXPECT_THAT(said, HasSubstr("states checked (a part of the plan)"));
  EXPECT_THAT(said, HasSubstr("interrupted: this is what was found so far"));
  EXPECT_THAT(left_in_scratch(), IsEmpty());
}

TEST_F(RobustCrash, ACheckThatHangsIsEndedAndIsAViolation) {
  const auto outcome = run("grep -q stored\\ 3 $PAGEFOLD_CRASH_OUTPUT || sleep 60", store("good", "3"),
                           {"--check-timeout", "0.2", "--first", "--jobs", "1"});
  EXPECT_EQ(outcome.exit_code, 1) << outcome.out << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("it took too long"));
  const auto always = run("sleep 60", store("good", "1"), {"--check-timeout", "0.2"});
  EXPECT_EQ(always.exit_code, 2) << always.out << always.err;
  EXPECT_THAT(always.err, HasSubstr("no end within 0.2 s"));
}

// Each state is rebuilt from nothing, and what a check leaves running is gone before the next one.
TEST_F(RobustCrash, ACheckMaySpoilItsCopyAndLeaveDaemons) {
  const std::string check =
      program("check_store") +
      " {} told && (setsid sh -c \"while :; do echo spoilt >{}; done\" >/dev/null 2>&1 &) && echo spoilt >{}";
  const auto outcome = run(check, store("good", "3"));
  EXPECT_EQ(outcome.exit_code, 0) << outcome.out << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("(all states)"));
  EXPECT_THAT(processes("echo spoilt"), IsEmpty());
}

TEST_F(RobustCrash, AFullDiskIsSaid) {
  const std::string command = "mount -t tmpfs -o size=300k none " + scratch().string() + " && rm -f s.db && exec " +
                              PAGEFOLD_BINARY + " crash --files s.db --check true --output " + output().string() +
                              " --scratch " + scratch().string() + " -- " + program("mapped_store") +
                              " good s.db 100 >../said 2>&1";
  const std::string inside = "unshare -m sh -c '" + command + "'";
  if (std::system(("unshare -m mount -t tmpfs none " + scratch().string() + " 2>/dev/null").c_str()) != 0)
    GTEST_SKIP() << "mounting is not allowed";
  const int status = std::system(inside.c_str());
  EXPECT_EQ(WEXITSTATUS(status), 125) << contents("../said");
  EXPECT_THAT(contents("../said"), HasSubstr("(--scratch names another directory): No space left on device"));
}

// --output on a file system of 64 KiB, in a mount namespace of its own.
class RobustOutput : public RobustCrash {
 protected:
  // Exit code; what was said is in ../said. nullopt: mounting is not allowed.
  std::optional<int> run_in_little_room(const std::string& before, const std::string& check, const std::string& writer) {
    fs::create_directory("../little");
    if (std::system("unshare -m mount -t tmpfs none ../little 2>/dev/null") != 0) return std::nullopt;
    std::ofstream("../script") << "mount -t tmpfs -o size=64k none ../little\n" << before << "\nexec " << PAGEFOLD_BINARY
                               << " crash --files tree/ --check '" << check << "' --output ../little/out --scratch " << scratch().string()
                               << " -- sh -c '" << writer << "'\n";
    fs::create_directory("tree");
    return WEXITSTATUS(std::system("unshare -m sh ../script >../said 2>&1"));
  }
};

TEST_F(RobustOutput, ALogThatFindsNoRoomIsSaid) {
  const auto code = run_in_little_room("", "true", "for i in 1 2 3 4 5 6 7 8 9; do head -c 16384 /dev/urandom >tree/$i; done; echo reached");
  if (!code) GTEST_SKIP() << "mounting is not allowed";
  EXPECT_EQ(code, 125) << contents("../said");
  EXPECT_THAT(contents("../said"), HasSubstr("reached\n"));  // the program itself is not hurt
  EXPECT_THAT(contents("../said"), HasSubstr("cannot record: ../little/out/run.log: "));
  EXPECT_THAT(contents("../said"), HasSubstr("No space left on device (--output names another directory)"));
}

TEST_F(RobustOutput, ACaseThatFindsNoRoomIsAViolationAllTheSame) {
  const auto code = run_in_little_room("", "test -e {}/b || ! test -s {}/a",
                                       "echo a >tree/a; head -c 100000 /dev/zero >../little/ballast; echo b >tree/b");
  if (!code) GTEST_SKIP() << "mounting is not allowed";
  EXPECT_EQ(code, 1) << contents("../said");
  EXPECT_THAT(contents("../said"), HasSubstr("cannot keep the case: ../little/out/case.json: No space left on device"));
  EXPECT_THAT(contents("../said"), HasSubstr("reached  create a"));
}

// What somebody who has not written the program needs to understand a case.
TEST_F(RobustCrash, ACaseIsToldByPathsAndWithWhatIsEasilyOverlooked) {
  fs::create_directory("tree");
  const auto early = run("test -e {}/sub/b", {"sh", "-c", "mkdir tree/sub; echo a >tree/sub/a; mv tree/sub/a tree/sub/b"}, {}, "tree/");
  EXPECT_EQ(early.exit_code, 1) << early.err;
  EXPECT_THAT(early.out, HasSubstr("make the directory sub"));
  EXPECT_THAT(early.out, HasSubstr("write 2 bytes to sub/a at 0"));
  EXPECT_THAT(early.out, HasSubstr("rename sub/a to sub/b"));
  EXPECT_THAT(early.out, HasSubstr("neither synchronised nor told anything: should the check accept files that are not there yet?"));
  EXPECT_THAT(early.out, HasSubstr("The check says nothing; its exit code is 1."));
  fs::remove_all("tree");
  fs::create_directory("tree");
  const auto late = run("! grep -q told $PAGEFOLD_CRASH_OUTPUT || test -e {}/b", {"sh", "-c", "echo a >tree/a; echo told; mv tree/a tree/b"}, {}, "tree/");
  EXPECT_EQ(late.exit_code, 1) << late.err;
  EXPECT_THAT(late.out, testing::Not(HasSubstr("neither synchronised nor told")));
}

// {} may stand within quotes of the command's own: python3 -c 'open("{}")'.
TEST_F(RobustCrash, ThePathMayStandWithinQuotes) {
  fs::create_directory("tree");
  const auto outcome = run("sh -c \"test -d '{}' && ! grep -q x \\\"{}/a\\\" 2>/dev/null\"", {"sh", "-c", "echo a >tree/a"}, {}, "tree/");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.out << outcome.err;
}

TEST_F(RobustCrash, AVerdictThatNobodyCouldReadIsNone) {
  const std::string command = std::string(PAGEFOLD_BINARY) + " crash --files s.db --check '" + program("check_store") + " {}' --output " +
                              output().string() + " --scratch " + scratch().string() + " -- " + program("mapped_store");
  EXPECT_EQ(WEXITSTATUS(std::system((command + " good s.db 2 >/dev/full 2>../said").c_str())), 125);
  EXPECT_THAT(contents("../said"), HasSubstr("cannot write to standard output: No space left on device"));
  fs::remove("s.db");
  EXPECT_EQ(WEXITSTATUS(std::system((command + " missing s.db 3 >/dev/full 2>../said").c_str())), 1);
}

// The log is whole up to the kill; what it holds can be explored.
TEST_F(RobustCrash, KilledWhileItRecordsItLeavesALog) {
  const std::string mark = "86.5" + std::to_string(::getpid());
  const pid_t process = start_writer("echo a >tree/a && sync tree tree/a && echo b >tree/b && sync tree/b && touch ../checked && exec sleep " + mark);
  ASSERT_TRUE(fs::exists("../checked")) << contents("../said");
  ::kill(process, SIGKILL);
  ::waitpid(process, nullptr, 0);
  EXPECT_TRUE(comes_true([&] { return processes(mark).empty(); }));
  const auto again = test::pagefold({"crash", "--log", (output() / "run.log").string(), "--check", "test -s {}/a", "--scratch", scratch().string()});
  EXPECT_EQ(again.exit_code, 1) << again.out << again.err;  // before the first sync there is no file
  EXPECT_THAT(again.out, HasSubstr("create a"));
  EXPECT_THAT(left_in_scratch(), IsEmpty());
}

// As Ctrl-C does: the program gets the signal too. What it did until then is explored.
TEST_F(RobustCrash, InterruptedWhileItRecordsItExploresWhatThereIs) {
  const pid_t process = start_writer("echo a >tree/a && sync tree tree/a && touch ../checked && exec sleep 60");
  ASSERT_TRUE(fs::exists("../checked")) << contents("../said");
  ::kill(-process, SIGINT);
  int status = 0;
  ::waitpid(process, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0) << contents("../said");
  EXPECT_THAT(contents("../said"), HasSubstr("exit code 130"));
  EXPECT_THAT(contents("../said"), HasSubstr("(all states)"));
}

TEST_F(RobustCrash, APatternThatMatchesNothingIsAMistakeOfUse) {
  const auto outcome = run("true", {"true"}, {}, "nothing*.db");
  EXPECT_EQ(outcome.exit_code, 2) << outcome.out << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("nothing*.db"));
}

TEST_F(RobustCrash, AWriterThatFailsOrIsKilledIsExploredAllTheSame) {
  const auto killed = run("true", {"sh", "-c", program("mapped_store") + " good s.db 2; kill -9 $$"});
  EXPECT_EQ(killed.exit_code, 0) << killed.out << killed.err;
  EXPECT_THAT(killed.err, HasSubstr("exit code 137"));
  fs::remove("s.db");
  const auto failed = run("true", {"sh", "-c", program("mapped_store") + " good s.db 2; exit 5"});
  EXPECT_EQ(failed.exit_code, 0) << failed.out << failed.err;
  EXPECT_THAT(failed.err, HasSubstr("exit code 5"));
}

// New contents under another name, synchronised, renamed over the old: many processes, a directory of directories.
TEST_F(RobustCrash, FilesThatAreReplacedByRenameAreOldOrNew) {
  fs::create_directories("tree/a/b");
  const std::string writer =
      "for i in 1 2 3; do for d in tree tree/a tree/a/b; do echo whole $i >$d/new; sync $d/new; mv $d/new $d/file; "
      "sync $d; done; done";
  const std::string check = "for f in $(find {} -name file); do grep -qx \"whole [123]\" $f || exit 1; done";
  for (const char* model : {"posix", "ext4-ordered"}) {
    fs::remove_all("tree");
    fs::create_directories("tree/a/b");
    const auto outcome = run(check, {"sh", "-c", writer}, {"--model", model, "--budget", "300"}, "tree/");
    EXPECT_TRUE(outcome.exit_code == 0 || outcome.exit_code == 3) << model << outcome.out << outcome.err;
    EXPECT_THAT(outcome.out, HasSubstr("; 0 violations"));
  }
  // Without the first sync an empty file may have taken the name: posix allows it, auto_da_alloc does not, once the
  // name existed.
  const std::string hasty =
      "echo whole 1 >tree/file; sync tree/file tree; echo whole 2 >tree/new; mv tree/new tree/file; sync tree";
  fs::remove_all("tree");
  fs::create_directory("tree");
  EXPECT_EQ(run(check, {"sh", "-c", hasty}, {}, "tree/").exit_code, 1);
  fs::remove_all("tree");
  fs::create_directory("tree");
  const auto ext4 =
      run("test ! -e {}/file || grep -qx \"whole [12]\" {}/file || grep -q . {}/new || ! grep -q whole.2 {}/file",
          {"sh", "-c", hasty}, {"--model", "ext4-ordered"}, "tree/");
  EXPECT_EQ(ext4.exit_code, 0) << ext4.out << ext4.err;
}

TEST_F(RobustCrash, AHugeSparseFileCostsLittle) {
  const std::string writer =
      "truncate -s 10G s.db && sync s.db . && printf end | dd of=s.db bs=1 seek=10737418000 conv=notrunc 2>/dev/null "
      "&& sync s.db && echo stored";
  const std::string check =
      "! grep -q stored $PAGEFOLD_CRASH_OUTPUT || test \"$(tail -c +10737418001 {} | head -c 3)\" = end";
  const auto outcome = run(check, {"sh", "-c", writer});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.out << outcome.err;
  EXPECT_LT(fs::file_size(output() / "run.log"), 1U << 20);
}

TEST_F(RobustCrash, TheSameSeedFindsTheSame) {
  const auto told = [&](const std::string& seed, const std::string& jobs) {
    fs::remove("s.db");
    std::string out =
        run(program("check_store") + " {}", store("missing", "12"), {"--budget", "40", "--seed", seed, "--jobs", jobs})
            .out;
    const auto end = out.find(" in ");  // seconds, and states a second, are not told alike
    return out.substr(0, end) + out.substr(std::min(out.size(), out.find(';', end)));
  };
  const std::string one = told("7", "1");
  EXPECT_THAT(one, HasSubstr("violations"));
  EXPECT_EQ(one, told("7", "2"));
}

}  // namespace
}  // namespace pagefold
