// `pagefold crash` from end to end: mistakes planted in a small mapped store are found, with the smallest cases, and a
// sound store passes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store_test.h"

namespace pagefold {
namespace {

using testing::HasSubstr;
using testing::Not;

class PlantedBugs : public StoreTest {};

TEST_F(PlantedBugs, ASoundStoreIsClean) {
  for (const char* model : {"strict", "posix", "ext4-ordered"}) {
    const auto outcome = crash("good", {"--model", model}, "{} told");
    EXPECT_EQ(outcome.exit_code, 0) << model << outcome.out << outcome.err;
    EXPECT_THAT(outcome.out, HasSubstr("(all states)"));
    EXPECT_THAT(outcome.out, HasSubstr("; 0 violations"));
  }
}

TEST_F(PlantedBugs, AMissingMsyncIsFoundAndOnePageIsItsCase) {
  const auto outcome = crash("missing", {});
  EXPECT_EQ(outcome.exit_code, 1) << outcome.out << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("but not (1):"));
  EXPECT_THAT(outcome.out, HasSubstr("LOST     store to s.db, page 1"));
  EXPECT_THAT(outcome.out, HasSubstr("record 1 of 1 is wrong"));
  // Stores and calls with their places in the program, not in the C library that makes the calls.
  EXPECT_THAT(
      outcome.out,
      testing::ContainsRegex(
          "LOST     store to s.db, page 1  \\([a-z_]+\\+0x[0-9a-f]+ \\(mapped_store\\), mapped_store.c:[0-9]+\\)"));
  EXPECT_THAT(outcome.out, testing::ContainsRegex(
                               "fsync s.db  \\([a-z_]+\\+0x[0-9a-f]+ \\(mapped_store\\), mapped_store.c:[0-9]+\\)"));
  const auto again = replay();
  EXPECT_EQ(again.exit_code, 1) << again.out << again.err;
  EXPECT_THAT(again.out, HasSubstr("LOST     store to s.db, page 1"));
}

// The mistake needs no reordering by the disk: the smallest case is an order that the program itself made.
TEST_F(PlantedBugs, AWrongOrderIsFoundEvenWhenTheDiskKeepsProgramOrder) {
  for (const char* model : {"strict", "posix", "ext4-ordered"}) {
    const auto outcome = crash("order", {"--model", model});
    EXPECT_EQ(outcome.exit_code, 1) << model << outcome.out << outcome.err;
    EXPECT_THAT(outcome.out, HasSubstr("Everything before the cut has reached the disk."));
    EXPECT_THAT(outcome.out, HasSubstr("record 1 of 1 is wrong"));
  }
}

// No call tells these stores apart: their order is that of their faults.
TEST_F(PlantedBugs, AnOrderOfStoresBetweenTwoCallsIsExact) {
  const auto early = crash("early", {"--model", "strict"});
  EXPECT_EQ(early.exit_code, 1) << early.out << early.err;
  EXPECT_THAT(early.out, HasSubstr("record 1 of 1 is wrong"));
  const auto late = crash("late", {"--model", "strict"});
  EXPECT_EQ(late.exit_code, 0) << late.out << late.err;
  EXPECT_EQ(crash("late", {}).exit_code, 1);  // the disk may reorder what is synchronised together
}

TEST_F(PlantedBugs, APageThatIsStoredTwiceShowsBothVersions) {
  const auto outcome = crash("over", {"--model", "strict"}, "{}", "2");
  EXPECT_EQ(outcome.exit_code, 1) << outcome.out << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("record 1 of 2 is wrong"));
}

// Found when it was measured: page 0 got the byte it had, and stayed open beside page 1.
TEST_F(PlantedBugs, PagesThatAreStoredInTurnsAreRecordedEachTime) {
  const auto outcome =
      test::pagefold({"crash", "--files", "s.db", "--check", "test -e {}", "--model", "strict", "--output",
                      output().string(), "--", program("busy_pages"), "turns", "s.db", "101"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.out << outcome.err;
  // The file, its size, 100 stores of another byte than before, msync.
  EXPECT_THAT(outcome.out, HasSubstr("103 events recorded"));
}

TEST_F(PlantedBugs, StoresOfThreadsAndProcessesAndAcrossPagesAreRecorded) {
  for (const char* mode : {"straddle", "threads", "children", "walk"}) {
    const auto outcome =
        test::pagefold({"crash", "--files", "s.db", "--check", "test -e {}", "--budget", "50", "--output",
                        output().string(), "--", program("busy_pages"), mode, "s.db", "100"});
    EXPECT_EQ(outcome.exit_code, 3) << mode << outcome.out << outcome.err;
    EXPECT_THAT(outcome.out, HasSubstr("; 0 violations")) << mode;
    fs::remove("s.db");
  }
}

TEST_F(PlantedBugs, AMissingMsyncIsNoMistakeInProgramOrder) {
  EXPECT_EQ(crash("missing", {"--model", "strict"}).exit_code, 0);
}

// POSIX promises the name of a file only when its directory has been synchronised; ext4 commits it with the file.
TEST_F(PlantedBugs, AFileWhoseDirectoryWasNotSynchronisedMayBeGone) {
  const auto posix = crash("create", {"--check-empty"}, "{} told");
  EXPECT_EQ(posix.exit_code, 1) << posix.out << posix.err;
  EXPECT_THAT(posix.out, HasSubstr("create s.db"));
  EXPECT_THAT(posix.out, HasSubstr("record 1 was told, 0 are there"));
  const auto ext4 = crash("create", {"--check-empty", "--model", "ext4-ordered"}, "{} told");
  EXPECT_EQ(ext4.exit_code, 0) << ext4.out << ext4.err;
}

TEST_F(PlantedBugs, ATornRecordShowsItsSectors) {
  const auto outcome = crash("missing", {"--torn", "512"});
  EXPECT_EQ(outcome.exit_code, 1) << outcome.out << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("page 1 sector"));
}

TEST_F(PlantedBugs, ATooSmallBudgetIsSaid) {
  const auto outcome = crash("good", {"--budget", "2"});
  EXPECT_EQ(outcome.exit_code, 3) << outcome.out << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("a part of the plan"));
}

TEST_F(PlantedBugs, ACheckThatCannotRunOrIsNeverContentIsAMistakeOfUse) {
  const auto nowhere = test::pagefold({"crash", "--files", "s.db", "--check", "/nowhere {}", "--output",
                                       output().string(), "--", program("mapped_store"), "good", "s.db", "1"});
  EXPECT_EQ(nowhere.exit_code, 2) << nowhere.out << nowhere.err;
  const auto never = test::pagefold({"crash", "--files", "s.db", "--check", "false", "--output", output().string(),
                                     "--", program("mapped_store"), "good", "s.db", "1"});
  EXPECT_EQ(never.exit_code, 2) << never.out << never.err;
  EXPECT_THAT(never.err, HasSubstr("refuses the files as the program left them"));
}

TEST_F(PlantedBugs, ALogIsExploredAgainUnderAnotherModel) {
  EXPECT_EQ(crash("missing", {"--model", "strict"}).exit_code, 0);
  const auto outcome = test::pagefold({"crash", "--log", (output() / "run.log").string(), "--files", "s.db", "--check",
                                       program("check_store") + " {}"});
  EXPECT_EQ(outcome.exit_code, 1) << outcome.out << outcome.err;
}

TEST_F(PlantedBugs, WrongUsageIsRefused) {
  EXPECT_EQ(test::pagefold({"crash"}).exit_code, 2);
  EXPECT_EQ(test::pagefold({"crash", "--check", "true", "--", "true"}).exit_code, 2);
  EXPECT_EQ(test::pagefold({"crash", "--files", "x", "--check", "true"}).exit_code, 2);
  EXPECT_EQ(test::pagefold({"crash", "--files", "x", "--check", "true", "--model", "ext5", "--", "true"}).exit_code, 2);
  EXPECT_EQ(test::pagefold({"crash", "--files", "x", "--check", "true", "--torn", "500", "--", "true"}).exit_code, 2);
  EXPECT_EQ(test::pagefold({"crash", "--files", "nowhere/x", "--check", "true", "--", "true"}).exit_code, 2);
  EXPECT_EQ(test::pagefold({"replay", "nowhere.json"}).exit_code, 2);
}

}  // namespace
}  // namespace pagefold
