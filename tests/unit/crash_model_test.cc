// The models on scenes that are known from practice. tests/model/crash_states_test.cc compares posix and strict with a
// reference; here are the promises of ext4, one by one, beside what posix leaves open.
#include "crash/model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "crash_scene.h"

namespace pagefold::crash {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::Not;
using testing::UnorderedElementsAre;

TEST(CrashModel, NamesGoBothWays) {
  for (const Model model : {Model::Strict, Model::Posix, Model::Ext4Ordered}) EXPECT_EQ(model_named(name_of(model)), model);
  EXPECT_EQ(model_named("xfs"), std::nullopt);
}

TEST(CrashModel, BetweenSyncsAnyPageMayBeThere) {
  const Scene scene = two_pages();
  EXPECT_THAT(states_at_the_end(scene.history(), Model::Posix), UnorderedElementsAre("a=xx", "a=xy", "a=yx", "a=yy"));
  EXPECT_THAT(states_at_the_end(scene.history(), Model::Ext4Ordered), UnorderedElementsAre("a=xx", "a=xy", "a=yx", "a=yy"));
  EXPECT_THAT(states_at_the_end(scene.history(), Model::Strict), UnorderedElementsAre("a=yx", "a=yy"));
}

TEST(CrashModel, StoresWhoseOrderIsUnknownHappenAtOnceInProgramOrder) {
  EXPECT_THAT(states_at_the_end(two_pages(true).history(), Model::Strict), ElementsAre("a=yy"));
}

TEST(CrashModel, AnMsyncedPageIsThereAndOthersMayNotBe) {
  Scene scene = two_pages();
  scene.sync_page(kFirstFile, 1);
  EXPECT_THAT(states_at_the_end(scene.history(), Model::Posix), UnorderedElementsAre("a=xy", "a=yy"));
}

// A sync promises what happened before it began, not what another thread did meanwhile.
TEST(CrashModel, ASyncPromisesNothingThatCameAfterItsBeginning) {
  Scene scene;
  const FileNumber a = scene.create("a");
  scene.write(a, 0, 'x');
  const Position begin = scene.begin();
  scene.store(a, 0, 'y');
  scene.sync(a, EventKind::Sync, begin + 1);  // the store is the event begin + 1
  EXPECT_THAT(states_at_the_end(scene.history(), Model::Posix), UnorderedElementsAre("a=x", "a=y"));
}

// The well-known zero-length file: new contents, a new name, no fsync. auto_da_alloc helps when the name existed.
TEST(CrashModel, ARenameOverAFileBringsItsDataUnderExt4Only) {
  Scene scene;
  const FileNumber a = scene.create("a");
  scene.write(a, 0, 'x');
  scene.begin();
  const FileNumber b = scene.create("b");
  scene.write(b, 0, 'y');
  scene.rename(b, "b", "a");
  EXPECT_THAT(states_at_the_end(scene.history(), Model::Posix), Contains("a="));
  const auto ext4 = states_at_the_end(scene.history(), Model::Ext4Ordered);
  EXPECT_THAT(ext4, UnorderedElementsAre("a=x", "a=x b=", "a=x b=y", "a=y"));
}

// "b" is made, given a block's room by fallocate in some way, written, and renamed over "a", under ext4. Only data that has no block yet is
// written out by the rename (found by the reference, tests/model): may "a" be there without it?
struct RenameOver {
  const char* name;
  bool written_before;  // b has a page on the disk
  std::uint32_t mode;   // of fallocate
  PageIndex pages;      // of its range
  std::vector<std::string> states;
};
void PrintTo(const RenameOver& scene, std::ostream* out) { *out << scene.name; }

class CrashModelRename : public testing::TestWithParam<RenameOver> {};

TEST_P(CrashModelRename, BringsWhatHasNoBlockYet) {
  Scene scene;
  scene.create("a");
  FileNumber b = kNoFile;
  if (GetParam().written_before) {
    b = scene.create("b");
    scene.write(b, 0, 'x');
  }
  scene.begin();
  if (!GetParam().written_before) b = scene.create("b");
  scene.allocate(b, 0, GetParam().pages, GetParam().mode);
  scene.write(b, 0, 'y');
  scene.rename(b, "b", "a");
  EXPECT_THAT(states_at_the_end(scene.history(), Model::Ext4Ordered), testing::UnorderedElementsAreArray(GetParam().states));
}

INSTANTIATE_TEST_SUITE_P(
    , CrashModelRename,
    testing::Values(RenameOver{"RoomReserved", false, 0, 1, {"a=", "a= b=", "a= b=.", "a= b=y", "a=.", "a=y"}},
                    RenameOver{"RoomReservedBehindTheEnd", false, FALLOC_FL_KEEP_SIZE, 4, {"a=", "a= b=", "a= b=y", "a=y"}},
                    RenameOver{"HolePunched", true, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 1, {"a= b=x", "a= b=.", "a= b=y", "a=y"}},
                    RenameOver{"Zeroed", true, FALLOC_FL_ZERO_RANGE, 1, {"a= b=x", "a= b=.", "a= b=y", "a=.", "a=y"}}),
    [](const auto& scene) { return std::string(scene.param.name); });

// A new block is part of its file by the journal, which has the truncation already.
TEST(CrashModel, NewBlocksComeAfterTheTruncationThatMadeRoomUnderExt4) {
  Scene scene;
  const FileNumber a = scene.create("a");
  scene.write(a, 0, 'x', 2);
  scene.begin();
  scene.truncate(a, 0);
  scene.write(a, 0, 'y');
  EXPECT_THAT(states_at_the_end(scene.history(), Model::Posix), testing::Contains("a=yx"));
  EXPECT_THAT(states_at_the_end(scene.history(), Model::Ext4Ordered), UnorderedElementsAre("a=xx", "a=", "a=y"));
}

TEST(CrashModel, ARenameToANewNameMayComeBeforeTheData) {
  Scene scene;
  scene.begin();
  const FileNumber b = scene.create("b");
  scene.write(b, 0, 'y');
  scene.rename(b, "b", "a");
  EXPECT_THAT(states_at_the_end(scene.history(), Model::Ext4Ordered), UnorderedElementsAre("", "b=", "b=y", "a=", "a=y"));
}

// data=ordered: no size without the data it shows. posix: zeros may show.
TEST(CrashModel, AppendedDataIsThereBeforeItsSizeUnderExt4) {
  Scene scene;
  const FileNumber a = scene.create("a");
  scene.write(a, 0, 'x');
  scene.begin();
  scene.write(a, 1, 'y', 2);
  EXPECT_THAT(states_at_the_end(scene.history(), Model::Posix), UnorderedElementsAre("a=x", "a=x..", "a=x.y", "a=xy.", "a=xyy"));
  EXPECT_THAT(states_at_the_end(scene.history(), Model::Ext4Ordered), UnorderedElementsAre("a=x", "a=xyy"));
}

TEST(CrashModel, NamesReachTheDiskInOrderUnderExt4Only) {
  Scene scene;
  scene.begin();
  scene.create("a");
  scene.create("b");
  EXPECT_THAT(states_at_the_end(scene.history(), Model::Posix), UnorderedElementsAre("", "a=", "b=", "a= b="));
  EXPECT_THAT(states_at_the_end(scene.history(), Model::Ext4Ordered), UnorderedElementsAre("", "a=", "a= b="));
}

TEST(CrashModel, FsyncOfAFileCommitsItsNameUnderExt4Only) {
  Scene scene;
  scene.begin();
  scene.create("a");
  const FileNumber b = scene.create("b");
  scene.write(b, 0, 'y');
  scene.sync(b);
  EXPECT_THAT(states_at_the_end(scene.history(), Model::Posix), UnorderedElementsAre("", "a=", "b=y", "a= b=y"));
  EXPECT_THAT(states_at_the_end(scene.history(), Model::Ext4Ordered), ElementsAre("a= b=y"));
}

TEST(CrashModel, FsyncOfTheDirectoryCommitsNamesAndNoData) {
  Scene scene;
  scene.begin();
  const FileNumber a = scene.create("a");
  scene.write(a, 0, 'x');
  scene.sync(kRoot);
  EXPECT_THAT(states_at_the_end(scene.history(), Model::Posix), UnorderedElementsAre("a=", "a=.", "a=x"));
}

TEST(CrashModel, ATruncationIsNotUndoneByLaterGrowth) {
  Scene scene;
  const FileNumber a = scene.create("a");
  scene.write(a, 0, 'x', 2);
  scene.begin();
  scene.truncate(a, 0);
  scene.truncate(a, 2 * kPageSize);
  EXPECT_THAT(states_at_the_end(scene.history(), Model::Posix), UnorderedElementsAre("a=xx", "a=", "a=.."));
}

// Found by the reference (tests/model): what had been told before such stores was only looked at with them done.
TEST(CrashModel, ACutBetweenWhatWasToldAndStoresSeenTogetherIsLookedAt) {
  Scene scene;
  const FileNumber a = scene.create("a");
  scene.write(a, 0, 'x', 2);
  scene.begin();
  scene.tell("done");
  const Position first = scene.store(a, 0, 'y');
  scene.store(a, 1, 'y', true);
  EXPECT_THAT(rules_of(scene.history(), Model::Strict).cuts, testing::Contains(first));
}

TEST(CrashModel, SectorsOfAPageMayComeAlone) {
  Scene scene;
  const FileNumber a = scene.create("a");
  scene.write(a, 0, 'x');
  scene.begin();
  scene.store(a, 0, 'y');
  const History history = scene.history(1024);
  const Rules rules = rules_of(history, Model::Posix);
  const Cut cut(history, rules, history.log().events().size());
  EXPECT_EQ(cut.count(100), 16U);  // four sectors
}

}  // namespace
}  // namespace pagefold::crash
