// `pagefold run --fail`: programs meet what they would meet with a failing disk, a full one, or no memory. Small programs of file
// operations (helpers/runs_file_operations.c) tell each result, errno, and signal with its code and address; what is expected of
// them is what Linux does. Real programs are asked for what they say.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "failing.h"

namespace pagefold::guest_test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

// ---- what small programs meet. f0 has three pages, f1 has twenty; `open D F 0` is for reading, 1 for both, 3 creates;
// `map M D PAGES PROT SHARED`, `load M FROM LENGTH` touches, `store` stores.

struct Case {
  const char* name;
  Strings failures;
  const char* program;
  const char* says;
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

class FailingPrograms : public Failing, public testing::WithParamInterface<Case> {};

TEST_P(FailingPrograms, MeetWhatLinuxWouldGive) {
  const RunResult result = run_program(GetParam().failures, std::string("reset\n") + GetParam().program);
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(result.out, std::string("1 reset:\n") + GetParam().says);
}

constexpr const char* kMapAndLoad = "open 0 1 0\nmap 0 0 20 1 1 0\nload 0 28672 10\nload 0 28672 10\nload 0 0 4096\n";
constexpr const char* kMapPrivate = "open 0 1 0\nmap 0 0 20 3 0 0\nstore 0 28672 10 65\nload 0 28672 10\nload 0 32768 10\n";
constexpr const char* kMapAndStore = "open 0 0 1\nmap 0 0 3 3 1 0\nstore 0 0 10 120\n";

INSTANTIATE_TEST_SUITE_P(
    Guest, FailingPrograms,
    testing::Values(
        Case{"ATouchOfABadPageIsSigbusEachTime",
             {"read:path=*/f1:page=7:eio"},
             kMapAndLoad,
             "2 open 0 1 0: = 0\n3 map 0 0 20 1 1 0: = 0\n4 load 0 28672 10: BUS/2@0+28672 00000000\n"
             "5 load 0 28672 10: BUS/2@0+28672 00000000\n6 load 0 0 4096: 26f8edc5\n"},
        Case{"APageThatFailsOnceIsThereAfterwards",
             {"read:path=*/f1:page=7:when=1:eio"},
             kMapAndLoad,
             "2 open 0 1 0: = 0\n3 map 0 0 20 1 1 0: = 0\n4 load 0 28672 10: BUS/2@0+28672 00000000\n"
             "5 load 0 28672 10: 0db12c4d\n6 load 0 0 4096: 26f8edc5\n"},
        Case{"AStoreToAPrivatePageThatFailsOnce",
             {"read:path=*/f1:page=7:when=1:eio"},
             kMapPrivate,
             "2 open 0 1 0: = 0\n3 map 0 0 20 3 0 0: = 0\n4 store 0 28672 10 65: BUS/2@0+28672\n"
             "5 load 0 28672 10: 0db12c4d\n6 load 0 32768 10: 61c5d2af\n"},
        Case{"TheKernelsTouchOfABadPageIsEfault",
             {"read:path=*/f1:page=7:when=1..2:eio"},
             "open 0 1 0\nmap 0 0 20 1 1 0\npipe_map 0 28672 10\npipe_map 0 28672 10\npipe_map 0 28672 10\nload 0 28672 10\n",
             "2 open 0 1 0: = 0\n3 map 0 0 20 1 1 0: = 0\n4 pipe_map 0 28672 10: = EFAULT\n5 pipe_map 0 28672 10: = EFAULT\n"
             "6 pipe_map 0 28672 10: = 10\n7 load 0 28672 10: 0db12c4d\n"},
        Case{"ReadsEndBeforeABadPageAndFailAtIt",
             {"read:path=*/f1:page=7:eio"},
             "open 0 1 0\nread 0 40960\nread 0 40960\npread 0 28671 2\npread 0 28672 1\npread 0 32768 1\npreadv 0 24576 4096 8192\n",
             "2 open 0 1 0: = 0\n3 read 0 40960: = 28672 0b809dc5\n4 read 0 40960: = EIO\n5 pread 0 28671 2: = 1 c20bf3a6\n"
             "6 pread 0 28672 1: = EIO\n7 pread 0 32768 1: = 1 cc0c0364\n8 preadv 0 24576 4096 8192: = 4096 25b16dc5\n"},
        Case{"CopiesEndBeforeABadPageAndFailAtIt",
             {"read:path=*/f1:page=7:eio"},
             "open 0 1 0\nopen 1 3 3\ncopy 0 0 1 0 50000\ncopy 0 28672 1 28672 100\nsendfile 1 0 0 50000\nsendfile 1 0 28672 10\nsplice 0 28672 1 0 10\n",
             "2 open 0 1 0: = 0\n3 open 1 3 3: = 0\n4 copy 0 0 1 0 50000: = 28672 28672 28672\n5 copy 0 28672 1 28672 100: = EIO 28672 28672\n"
             "6 sendfile 1 0 0 50000: = 28672 28672\n7 sendfile 1 0 28672 10: = EIO 28672\n8 splice 0 28672 1 0 10: = EIO 28672 0\n"},
        Case{"WritesFillTheDiskUpToItsEnd",
             {"write:path=*/f3:page=7..:when=1..2:enospc"},
             "open 0 3 3\nwrite 0 40960 65\nwrite 0 100 65\nwrite 0 100 65\nwrite 0 100 65\nstat 3\n",
             "2 open 0 3 3: = 0\n3 write 0 40960 65: = 28672\n4 write 0 100 65: = ENOSPC\n5 write 0 100 65: = ENOSPC\n6 write 0 100 65: = 100\n7 stat 3: = 0 28772\n"},
        Case{"ShortWritesWriteHalfAndTheRestCanFollow",
             {"write:path=*/f3:short"},
             "open 0 3 3\nwrite 0 1001 65\nwrite 0 501 65\nwrite 0 1 65\npwritev 0 0 600 65\nstat 3\n",
             "2 open 0 3 3: = 0\n3 write 0 1001 65: = 500\n4 write 0 501 65: = 250\n5 write 0 1 65: = 1\n6 pwritev 0 0 600 65: = 250\n7 stat 3: = 0 751\n"},
        Case{"ShortReadsReadSomeAndGoOn",
             {"read:path=*/f1:short=300"},
             "open 0 1 0\nread 0 1000\nread 0 1000\npreadv 0 0 200 2000\nread 0 300\nseek 0 0 1\n",
             "2 open 0 1 0: = 0\n3 read 0 1000: = 300 f41f9e41\n4 read 0 1000: = 300 f41f9e41\n5 preadv 0 0 200 2000: = 300 f41f9e41\n"
             "6 read 0 300: = 300 f41f9e41\n7 seek 0 0 1: = 900\n"},
        Case{"FsyncFailsOnceThenIsWell",
             {"fsync:path=*/f0:when=1:eio"},
             "open 0 0 1\nmap 0 0 3 3 1 0\nstore 0 0 10 120\nfsync 0 1\nfsync 0 1\nfsync 0 0\n",
             "2 open 0 0 1: = 0\n3 map 0 0 3 3 1 0: = 0\n4 store 0 0 10 120:\n5 fsync 0 1: = EIO\n6 fsync 0 1: = 0\n7 fsync 0 0: = 0\n"},
        Case{"FdatasyncAloneFails",
             {"fsync:call=fdatasync:enospc"},
             "open 0 0 1\nfsync 0 1\nfsync 0 0\n",
             "2 open 0 0 1: = 0\n3 fsync 0 1: = 0\n4 fsync 0 0: = ENOSPC\n"},
        Case{"EveryMsyncFromTheThirdFails",
             {"msync:when=3+:eio"},
             "open 0 0 1\nmap 0 0 3 3 1 0\nmsync 0 0 1 0\nmsync 0 0 1 1\nmsync 0 0 1 0\nmsync 0 0 1 0\n",
             "2 open 0 0 1: = 0\n3 map 0 0 3 3 1 0: = 0\n4 msync 0 0 1 0: = 0\n5 msync 0 0 1 1: = 0\n6 msync 0 0 1 0: = EIO\n7 msync 0 0 1 0: = EIO\n"},
        Case{"MsyncOfOnePageFails",
             {"msync:page=1:eio"},
             "open 0 0 1\nmap 0 0 3 3 1 0\nmsync 0 0 1 0\nmsync 0 1 1 0\nmsync 0 0 3 0\nmsync 0 2 1 0\n",
             "2 open 0 0 1: = 0\n3 map 0 0 3 3 1 0: = 0\n4 msync 0 0 1 0: = 0\n5 msync 0 1 1 0: = EIO\n6 msync 0 0 3 0: = EIO\n7 msync 0 2 1 0: = 0\n"},
        Case{"AFailedWriteBackIsToldOnceByFsync",
             {"write:path=*/f0:via=map:page=1:when=1:eio"},
             "open 0 0 1\nmap 0 0 3 3 1 0\nstore 0 4096 10 120\nfsync 0 1\nload 0 4096 10\nfsync 0 1\nmsync 0 0 3 0\n",
             "2 open 0 0 1: = 0\n3 map 0 0 3 3 1 0: = 0\n4 store 0 4096 10 120:\n5 fsync 0 1: = EIO\n6 load 0 4096 10: f7e4618d\n7 fsync 0 1: = 0\n8 msync 0 0 3 0: = 0\n"},
        Case{"AFailedWriteBackThatNobodyWaitedForIsToldOnce",
             {"write:path=*/f0:via=map:when=1:enospc"},
             "open 0 0 1\nmap 0 0 3 3 1 0\nstore 0 0 10 120\nunmap 0 0 3\nfsync 0 1\nfsync 0 1\npread 0 0 10\n",
             "2 open 0 0 1: = 0\n3 map 0 0 3 3 1 0: = 0\n4 store 0 0 10 120:\n5 unmap 0 0 3: = 0\n6 fsync 0 1: = ENOSPC\n7 fsync 0 1: = 0\n8 pread 0 0 10: = 10 f7e4618d\n"},
        Case{"AFailedMsyncIsToldOnce",
             {"write:path=*/f0:via=map:when=1:eio"},
             "open 0 0 1\nmap 0 0 3 3 1 0\nstore 0 0 10 120\nmsync 0 0 3 0\nmsync 0 0 3 0\nfsync 0 1\n",
             "2 open 0 0 1: = 0\n3 map 0 0 3 3 1 0: = 0\n4 store 0 0 10 120:\n5 msync 0 0 3 0: = EIO\n6 msync 0 0 3 0: = 0\n7 fsync 0 1: = 0\n"},
        Case{"FilesCannotBeCutExtendedOrOpened",
             {"truncate:path=*/f1:eio", "fallocate:page=20..:when=1:enospc", "open:path=*/f5:emfile"},
             "open 0 1 1\nftruncate 0 10\ntruncate 1 10\nallocate 0 0 0 4096\nallocate 0 0 0 100000\nallocate 0 0 0 100000\nopen 1 5 3\nopen 1 6 3\n",
             "2 open 0 1 1: = 0\n3 ftruncate 0 10: = EIO\n4 truncate 1 10: = EIO\n5 allocate 0 0 0 4096: = 0\n6 allocate 0 0 0 100000: = ENOSPC\n"
             "7 allocate 0 0 0 100000: = 0\n8 open 1 5 3: = EMFILE\n9 open 1 6 3: = 0\n"}),
    [](const auto& info) { return info.param.name; });

TEST_F(Failing, AFailedWriteBackIsInTheFileAfterTheNextOne) {
  const RunResult result = run_program({"write:path=*/f0:via=map:when=1:eio"}, std::string("reset\n") + kMapAndStore + "fsync 0 1\nfsync 0 1\n");
  EXPECT_THAT(result.out, HasSubstr("5 fsync 0 1: = EIO\n6 fsync 0 1: = 0\n"));
  EXPECT_EQ(content("f0").substr(0, 10), std::string(10, 'x'));
}

// Even the write-back at the end of the run fails: the story says what is lost.
TEST_F(Failing, WhatCouldNeverBeWrittenBackIsSaid) {
  run_program({"write:path=*/f0:via=map:eio"}, std::string("reset\n") + kMapAndStore);
  EXPECT_NE(content("f0").substr(0, 10), std::string(10, 'x'));
  EXPECT_THAT(story["notes"].dump(), HasSubstr("lost at the end of the run"));
}

TEST_F(Failing, KillComesBeforeTheCallHasAnEffect) {
  const RunResult result = run_program({"kill:when=write:2:path=*/f3"}, "reset\nopen 0 3 3\nwrite 0 100 65\nwrite 0 100 65\nwrite 0 100 65\n");
  EXPECT_EQ(result.status, 137);
  EXPECT_EQ(content("f3").size(), 100U);
  EXPECT_EQ(hit(0)["outcome"], "killed");
}

TEST_F(Failing, TheSecondMsyncKills) {
  const RunResult result = run_program({"kill:when=msync:2"}, std::string("reset\n") + kMapAndStore + "msync 0 0 1 0\nstore 0 0 10 121\nmsync 0 0 1 0\nload 0 0 1\n");
  EXPECT_EQ(result.status, 137);
  EXPECT_EQ(hit(0)["match"], 2);
  EXPECT_EQ(content("f0").substr(0, 10), std::string(10, 'y'));  // the process died, not the machine
}

TEST_F(Failing, DelaysAreWaited) {
  const RunResult result = run_program({"read:path=*/f1:via=call:delay=100ms", "read:path=*/f1:via=map:delay=100ms"},
                                       "reset\nopen 0 1 0\nread 0 10\nread 0 10\nmap 0 0 20 1 1 0\nload 0 4096 1\nload 0 4096 1\n");
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(hits(0), 2);
  EXPECT_EQ(hits(1), 1);
  EXPECT_GE(story["wall_ns"].get<std::uint64_t>(), 300'000'000U);
  EXPECT_EQ(hit(0)["outcome"], "waited 100 ms");
}

// Of a call, a touch and a write-back: the function of the program, not the C library's, and its line.
TEST_F(Failing, AHitTellsItsPlaceInTheProgram) {
  run_program({"read:path=*/f1:page=7:eio", "write:path=*/f0:via=map:when=1:eio"},
              std::string("reset\nopen 0 1 0\npread 0 28672 1\nmap 0 0 20 1 1 0\nload 0 28672 10\n") + kMapAndStore + "fsync 0 1\n");
  const char* const kFunctions[] = {"op_pread+", "reach+", "op_fsync+"};
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_THAT(hit(i)["place"], testing::StartsWith(kFunctions[i]));
    EXPECT_THAT(hit(i)["place"], HasSubstr("operations.h:"));
    EXPECT_NE(hit(i)["pid"], 0);
    EXPECT_EQ(hit(i)["page"], i < 2 ? 7 : 0);
    EXPECT_THAT(hit(i)["program"], testing::EndsWith("/runs_file_operations"));
  }
  EXPECT_EQ(hit(1)["outcome"], "SIGBUS");
  EXPECT_EQ(hit(2)["what"], "write-back");
}

// Each touch of each page is seen, though pages usually come in blocks.
TEST_F(Failing, EveryPageThatIsTouchedIsCounted) {
  const RunResult result = run_program({"read:path=*/f1:via=map:when=1000:eio"}, "reset\nopen 0 1 0\nmap 0 0 20 1 1 0\nload 0 0 81920\nmap 1 0 20 3 0 0\nload 1 0 81920\n");
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(story["failures"]["specs"][0]["matches"], 40);
}

// A page that MAP_POPULATE would bring in waits for its own touch.
TEST_F(Failing, PopulatedPagesFailWhenTheyAreTouched) {
  const RunResult result = run_program({"read:path=*/f1:page=7:eio"}, "reset\nopen 0 1 0\nmap 0 0 20 1 3 0\nload 0 24576 12288\n");
  EXPECT_THAT(result.out, HasSubstr("BUS/2@0+28672"));
  EXPECT_EQ(hits(), 1);
}

// Also found by it: a thread that another's failure let go on, and that had ended since, left the page failing for ever.
TEST_F(Failing, ThreadsThatMeetFailuresTogetherAllReadTheFile) {
  std::ofstream(path("data")) << std::string(300 * 4096, 'd');
  const RunResult result = run_with({"read:path=*/data:chance=40%:eio"}, {guest_helper_directory() + "/reads_in_threads_and_tries_again"});
  EXPECT_EQ(result.out, "1200 good bytes, after SIGBUS\n");
  EXPECT_GT(hits(), 0);
}

TEST_F(Failing, TheSameSeedGivesTheSameFailures) {
  std::string program = "reset\nopen 0 1 0\n";
  for (int i = 0; i < 200; ++i) program += "pread 0 " + std::to_string(i * 64) + " 8\n";
  const auto output = [&](const char* seed) { return run_program({"read:path=*/f1:chance=20%:eio"}, program, {"--seed", seed}).out; };
  const std::string first = output("7");
  EXPECT_EQ(first, output("7"));
  EXPECT_NE(first, output("8"));
  EXPECT_NEAR(hits(), 40, 30);
}

// Threads that race may change places; each with a file of its own has its own specs, and its own luck.
TEST_F(Failing, TheSameSeedGivesTheSameFailuresToEachThread) {
  if (!fs::exists("/usr/bin/python3")) GTEST_SKIP() << "python3 is not installed";
  Strings specs;
  for (int thread = 0; thread < 4; ++thread) {
    std::ofstream(path("t" + std::to_string(thread))) << std::string(4096, 't');
    specs.push_back("read:path=*/t" + std::to_string(thread) + ":call=pread64:chance=30%:eio");
  }
  const auto output = [&](const char* seed) {
    return run_with(specs, {"/usr/bin/python3", "-c", R"(
import os, threading
said = [''] * 4
def read(n):
  fd = os.open('t%d' % n, os.O_RDONLY)
  for i in range(100):
    try: said[n] += '.' if os.pread(fd, 8, i) else '?'
    except OSError: said[n] += 'E'
threads = [threading.Thread(target=read, args=(n,)) for n in range(4)]
[t.start() for t in threads], [t.join() for t in threads]
print('\n'.join(said))
)"}, {"--seed", seed}).out;
  };
  const std::string first = output("7");
  EXPECT_EQ(first.size(), 404U);
  EXPECT_THAT(first, HasSubstr("E"));
  for (int again = 0; again < 3; ++again) EXPECT_EQ(first, output("7"));
  EXPECT_NE(first, output("8"));
}

// The fourth of all, which is the loader's, for what libc does not have in its file: the program does not run.
TEST_F(Failing, TheFourthMmapFails) {
  const RunResult result = run_with({"mmap:when=4:enomem"}, {"/bin/cat", "/dev/null"});
  EXPECT_EQ(hits(), 1);
  EXPECT_EQ(hit(0)["match"], 4);
  EXPECT_NE(result.status, 0);
}

TEST_F(Failing, ASpecThatNothingMatchedIsToldInTheStory) {
  Setting setting;
  setting.pagefold_flags = {"run", "--fail", "read:path=*/no-such-file:eio", "--"};
  const RunResult result = run({"/bin/true"}, Mode::Pagefold, setting);
  EXPECT_EQ(result.status, 0);
  EXPECT_THAT(result.err, HasSubstr("nothing matched it"));
}

TEST_F(Failing, ABadSpecIsRefusedWithItsColumn) {
  Setting setting;
  setting.pagefold_flags = {"run", "--fail", "read:eio", "--fail", "read:pge=7:eio", "--"};
  const RunResult result = run({"/bin/true"}, Mode::Pagefold, setting);
  EXPECT_EQ(result.status, 125);
  EXPECT_THAT(result.err, HasSubstr("column 6"));
  EXPECT_THAT(result.err, HasSubstr("\n  read:pge=7:eio\n       ^~~~~\n"));
}

TEST_F(Failing, HelpPrintsTheGrammar) {
  Setting setting;
  setting.pagefold_flags = {"run", "--fail", "help"};
  const RunResult result = run({}, Mode::Pagefold, setting);
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("--fail PLACE[:CONDITION...]:OUTCOME"));
}

// ---- memory

TEST_F(Failing, PythonMeetsAMemoryError) {
  if (!fs::exists("/usr/bin/python3")) GTEST_SKIP() << "python3 is not installed";
  const RunResult result = run_with({"alloc:after=40M:enomem"}, {"/usr/bin/python3", "-c", R"(
held = bytearray(20 << 20)
try: bytearray(60 << 20)
except MemoryError: print('no more')
del held
print(len(bytearray(20 << 20)))
)"});
  EXPECT_EQ(result.out, "no more\n20971520\n") << result.err;
}

TEST_F(Failing, TheWholeRunSharesWhatItMayHold) {
  if (!fs::exists("/usr/bin/python3")) GTEST_SKIP() << "python3 is not installed";
  const RunResult result = run_with({"alloc:after=60M:enomem"}, {"/usr/bin/python3", "-c", R"(
import os
held = bytearray(30 << 20)
if os.fork() == 0:
  try: bytearray(10 << 20)
  except MemoryError: print('no more', flush=True)
  os._exit(0)
os.wait()
)"});
  EXPECT_EQ(result.out, "no more\n") << result.err;
}

TEST_F(Failing, AnMmapCanFailInTheLoader) {
  const RunResult result = shell({"mmap:path=*/libc.so.6:program=*/cat:enomem"}, "cat /dev/null; echo $?");
  EXPECT_THAT(result.err, HasSubstr("Cannot allocate memory"));
  EXPECT_EQ(result.out, "127\n");
}

TEST_F(Failing, AForkCanFail) {
  const RunResult result = run_with({"fork:when=2:eagain"}, {"/bin/bash", "-c", "cat /dev/null; cat /dev/null; echo reached"});
  EXPECT_THAT(result.err, HasSubstr("fork: retry: Resource temporarily unavailable"));
  EXPECT_EQ(result.out, "reached\n");
}

}  // namespace
}  // namespace pagefold::guest_test
