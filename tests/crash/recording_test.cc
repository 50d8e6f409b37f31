// Every way in which a program can change files shows in the recording, each step as one event, in its order; and the recording played
// to its end gives the files as the program left them.
#include "crash/describe.h"
#include "crash/history.h"
#include "store_test.h"

namespace pagefold {
namespace {

using testing::ElementsAre;

class Recording : public StoreTest {
 protected:
  // The events of the run in words, without their places in the program.
  std::vector<std::string> events(const std::string& way) {
    std::vector<std::string> words = events_with_places(way);
    for (std::string& text : words) text = text.substr(0, text.find("  ("));
    return words;
  }

  std::vector<std::string> events_with_places(const std::string& way) {
    fs::create_directory("tree");
    const std::string tree = fs::absolute("tree"), seen = output().string() + "-seen";
    // The first state to be checked is the last.
    const std::string check = "test -e " + seen + " || { touch " + seen + " && diff -r {} " + tree + "; }";
    const auto outcome = test::pagefold({"crash", "--files", "tree/", "--check", check, "--model", "strict", "--budget", "5", "--output",
                                         output().string(), "--", program("changes_files"), way, "tree"});
    EXPECT_TRUE(outcome.exit_code == 0 || outcome.exit_code == 3) << outcome.exit_code << outcome.out << outcome.err;
    if (outcome.err.find("exit code 77") != std::string::npos) return {"unsupported"};
    EXPECT_EQ(outcome.err, "");
    auto log = crash::Log::read((output() / "run.log").string());
    EXPECT_TRUE(log);
    const crash::History history(std::move(*log), kPageSize);
    std::vector<std::string> words;
    const crash::Describer describe(history);
    for (crash::Position p = history.log().begin(); p < history.log().events().size(); ++p) words.push_back(describe(p));
    return words;
  }
};

TEST_F(Recording, OfNames) {
  EXPECT_THAT(events("names"), ElementsAre("create a", "write 4096 bytes to a at 0", "create b", "write 4096 bytes to b at 0", "rename a to b",
                                           "link c", "unlink b", "make the directory d", "rename c to d/e", "make the link s"));
}

// A file without a name has no contents either until it gets one; then it appears with those it has.
TEST_F(Recording, OfAFileThatGetsItsNameLate) {
  EXPECT_THAT(events("nameless"), ElementsAre("create t", "write 4096 bytes to t at 0", "write 4096 bytes to t at 4096"));
}

TEST_F(Recording, OfCopiesWithinTheKernel) {
  EXPECT_THAT(events("copies"),
              ElementsAre("create from", "write 4096 bytes to from at 0", "write 4096 bytes to from at 4096", "write 4096 bytes to from at 8192",
                          "create by_range", "create by_sendfile", "create by_splice", "write 8192 bytes to by_range at 0",
                          "write 4096 bytes to by_sendfile at 0", "write 4096 bytes to by_splice at 0"));
}

TEST_F(Recording, OfWritesThroughSeveralDescriptors) {
  EXPECT_THAT(events("descriptors"),
              ElementsAre("create a", "write 4096 bytes to a at 0", "write 4096 bytes to a at 4096", "write 4096 bytes to a at 8192",
                          "write 30 bytes to a at 12288", "write 4096 bytes to a at 12318", "write 30 bytes to a at 100"));
}

TEST_F(Recording, OfStoresThroughAMapping) {
  EXPECT_THAT(events("mapping"), ElementsAre("create a", "write 4096 bytes to a at 0", "write 4096 bytes to a at 4096", "write 4096 bytes to a at 8192",
                                             "write 4096 bytes to a at 12288", "store to a, page 0", "store to a, page 3", "store to a, page 0",
                                             "msync a, 16384 bytes at 0", "truncate a to 12288 bytes"));
}

TEST_F(Recording, OfSeveralProcesses) {
  EXPECT_THAT(events("processes"), ElementsAre("create a", "write 4096 bytes to a at 0", "write 4096 bytes to a at 4096", "store to a, page 0",
                                               "store to a, page 1", "write 4096 bytes to a at 8192", "create b", "write 4096 bytes to b at 0",
                                               "store to a, page 0", "write 4096 bytes to a at 12288"));
}

TEST_F(Recording, OfFallocateInAllItsModes) {
  const auto said = events("room");
  if (said == std::vector<std::string>{"unsupported"}) GTEST_SKIP() << "this file system has not all modes";
  EXPECT_THAT(said, ElementsAre("create a", "write 4096 bytes to a at 0", "write 4096 bytes to a at 4096", "write 4096 bytes to a at 8192",
                                "write 4096 bytes to a at 12288", "punch a hole into a, 4096 bytes at 4096", "fallocate a, 4096 bytes at 16384",
                                "fallocate a, 4096 bytes at 24576", "zero a range of a, 4096 bytes at 8192",
                                "collapse a range of a, 4096 bytes at 4096", "insert a range into a, 4096 bytes at 0", "truncate a to 8192 bytes"));
}

// A change of names shows only when the program has come to its next call. (Found with RocksDB, whose files seemed to be created by the
// function that wrote to them.)
TEST_F(Recording, EachEventIsAtTheCallThatMadeIt) {
  using testing::HasSubstr;
  EXPECT_THAT(events_with_places("places"),
              ElementsAre(HasSubstr("create a  (creates+"), HasSubstr("rename a to b  (renames+"), HasSubstr("link c  (links+"),
                          HasSubstr("make the directory d  (makes_a_directory+"), HasSubstr("make the link s  (makes_a_link+"),
                          HasSubstr("unlink c  (unlinks+"), HasSubstr("truncate b to 4096 bytes  (truncates+"),
                          HasSubstr("truncate b to 0 bytes  (truncates_by_opening+"), HasSubstr("unlink d  (removes+")));
}

}  // namespace
}  // namespace pagefold
