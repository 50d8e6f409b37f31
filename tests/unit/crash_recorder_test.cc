// The recorder by itself: this process does what a guest would do, and tells it as the supervisor would. Played back,
// the log gives the very files that are there.
#include "crash/recorder.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "crash/cut.h"
#include "crash/rebuild.h"

namespace pagefold::crash {
namespace {

namespace fs = std::filesystem;
using event::FileWatch;
using Intent = FileWatch::Intent;
using testing::ElementsAre;

class CrashRecorder : public testing::Test {
 protected:
  CrashRecorder() {
    std::string name = std::string(PAGEFOLD_BINARY) + "-record-XXXXXX";
    root_ = ::mkdtemp(name.data());
    fs::create_directory(root_ + "/files");
  }
  ~CrashRecorder() override { fs::remove_all(root_); }

  void start(const std::string& pattern = "") {
    recorder_ = std::move(*Recorder::start(*Selection::parse(files() + "/" + pattern), root_ + "/log"));
  }
  void about_to(Intent intent = {}) { recorder_->about_to({1, 1, {}}, intent); }
  Intent intent(Intent::Kind kind, const std::string& name, Bytes offset = 0, Bytes length = 0) {
    struct stat status {};
    EXPECT_EQ(::stat(path(name).c_str(), &status), 0);
    return {kind, {status.st_dev, status.st_ino}, offset, length};
  }
  [[nodiscard]] std::string files() const { return root_ + "/files"; }
  [[nodiscard]] std::string path(const std::string& name) const { return files() + "/" + name; }
  UniqueFd create(const std::string& name) {
    about_to();
    return UniqueFd(::open(path(name).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  }
  void write(int fd, const std::string& name, Bytes offset, const std::string& text) {
    about_to(intent(Intent::Kind::Write, name, offset, text.size()));
    ASSERT_EQ(::pwrite(fd, text.data(), text.size(), static_cast<off_t>(offset)), static_cast<ssize_t>(text.size()));
  }
  // Fills a page, which was open for stores from one moment to another.
  void store(const std::string& name, PageIndex page, char fill, std::uint64_t opened = 0, std::uint64_t closed = 0) {
    const std::vector<std::byte> bytes(kPageSize, static_cast<std::byte>(fill));
    recorder_->stored({1, 1, {}}, {intent(Intent::Kind::Other, name).file, bytes_of(page), bytes, opened, closed});
    const UniqueFd fd(::open(path(name).c_str(), O_WRONLY | O_CLOEXEC));
    ASSERT_EQ(::pwrite(fd.get(), bytes.data(), bytes.size(), static_cast<off_t>(bytes_of(page))),
              static_cast<ssize_t>(bytes.size()));
  }
  std::optional<int> synchronise(FileWatch::Scope scope, const std::string& name, Bytes offset = 0, Bytes length = 0) {
    return recorder_->synchronise({1, 1, {}}, scope, intent(Intent::Kind::Other, name).file, offset, length,
                                  [] { return 0; });
  }
  // Ends the recording; the kinds of the events of the run.
  std::vector<EventKind> kinds() {
    EXPECT_TRUE(recorder_->finish());
    log_ = *Log::read(root_ + "/log");
    std::vector<EventKind> kinds;
    for (Position p = log_.begin(); p < log_.events().size(); ++p) kinds.push_back(log_.events()[p].kind);
    return kinds;
  }
  // The log played to its end gives the files as they are.
  void expect_complete() {
    const History history(log_, kPageSize);
    const Rules rules = rules_of(history, Model::Strict);
    const Cut end(history, rules, history.log().events().size());
    ASSERT_TRUE(rebuild(history, image_of(history, end.values(Chosen(end.size(), true))), root_ + "/again"));
    const std::string compare = "diff -r " + files() + " " + root_ + "/again";
    EXPECT_EQ(std::system(compare.c_str()), 0);
  }

  std::string root_;
  std::unique_ptr<Recorder> recorder_;
  Log log_;
};

TEST_F(CrashRecorder, WhatWasThereBeforeIsNoPartOfTheRun) {
  fs::create_directory(path("sub"));
  std::ofstream(path("sub/old")) << std::string(5000, 'o');
  fs::create_symlink("old", path("sub/link"));
  start();
  EXPECT_THAT(kinds(), ElementsAre());
  expect_complete();
}

TEST_F(CrashRecorder, CallsAndStoresComeInTheirOrder) {
  start();
  const UniqueFd fd = create("a");
  write(fd.get(), "a", 0, std::string(3 * kPageSize, 'x'));
  EXPECT_EQ(synchronise(FileWatch::Scope::File, "a"), 0);
  store("a", 2, 'm');
  EXPECT_EQ(synchronise(FileWatch::Scope::Range, "a", 2 * kPageSize, kPageSize), 0);
  store("a", 0, 'n');
  recorder_->tells({1, 1, {}}, "done\n");
  about_to(intent(Intent::Kind::Truncate, "a", 0, 100));
  ASSERT_EQ(::ftruncate(fd.get(), 100), 0);
  EXPECT_THAT(kinds(), ElementsAre(EventKind::Create, EventKind::Write, EventKind::Sync, EventKind::Store,
                                   EventKind::SyncRange, EventKind::Store, EventKind::Output, EventKind::Truncate));
  EXPECT_EQ(log_.events()[log_.begin() + 3].offset, 2 * kPageSize);
  expect_complete();
}

// Only pages that were open at the same time have no order; a page that is as it was known is no event.
TEST_F(CrashRecorder, StoresAreInTheOrderInWhichTheirPagesWereOpen) {
  start();
  const UniqueFd fd = create("a");
  write(fd.get(), "a", 0, std::string(3 * kPageSize, 'x'));
  store("a", 0, 'y', 1, 2);
  store("a", 1, 'x', 3, 4);
  store("a", 1, 'y', 5, 7);
  store("a", 2, 'y', 6, 8);
  store("a", 0, 'z', 9, 10);
  EXPECT_THAT(kinds(), ElementsAre(EventKind::Create, EventKind::Write, EventKind::Store, EventKind::Store,
                                   EventKind::Store, EventKind::Store));
  std::vector<bool> together;
  for (Position p = log_.begin() + 2; p < log_.events().size(); ++p) together.push_back(log_.events()[p].together);
  EXPECT_THAT(together, ElementsAre(false, false, true, false));
  expect_complete();
}

TEST_F(CrashRecorder, ACallThatFailsToReachTheDiskPromisesNothing) {
  start();
  const UniqueFd fd = create("a");
  about_to();
  EXPECT_EQ(recorder_->synchronise({1, 1, {}}, FileWatch::Scope::File, intent(Intent::Kind::Other, "a").file, 0, 0,
                                   [] { return EIO; }),
            EIO);
  EXPECT_THAT(kinds(), ElementsAre(EventKind::Create));
}

TEST_F(CrashRecorder, AHugeFileCostsWhatItHolds) {
  start();
  const UniqueFd fd = create("a");
  constexpr Bytes kHuge = Bytes{10} << 30;
  about_to(intent(Intent::Kind::Truncate, "a", 0, kHuge));
  ASSERT_EQ(::ftruncate(fd.get(), static_cast<off_t>(kHuge)), 0);
  write(fd.get(), "a", kHuge - 5, "tail");
  about_to();
  EXPECT_THAT(kinds(), ElementsAre(EventKind::Create, EventKind::Truncate, EventKind::Write));
  EXPECT_EQ(log_.events().back().offset, kHuge - 5);
}

// Found when stores became exact: a range that is taken out moves all that follows.
TEST_F(CrashRecorder, ARangeThatIsTakenOutMovesTheRest) {
  start();
  const UniqueFd fd = create("a");
  for (PageIndex page = 0; page < 4; ++page)
    write(fd.get(), "a", bytes_of(page), std::string(kPageSize, static_cast<char>('a' + page)));
  about_to(intent(Intent::Kind::Allocate, "a", 0, ~Bytes{0}));
  if (::fallocate(fd.get(), FALLOC_FL_COLLAPSE_RANGE, 0, kPageSize) != 0) GTEST_SKIP() << "this file system cannot";
  EXPECT_EQ(kinds().back(), EventKind::Allocate);
  expect_complete();
}

TEST_F(CrashRecorder, NamesAreFollowed) {
  start();
  const UniqueFd fd = create("a");
  write(fd.get(), "a", 0, "first");
  about_to();
  ASSERT_EQ(::link(path("a").c_str(), path("b").c_str()), 0);
  about_to();
  ASSERT_EQ(::rename(path("a").c_str(), path("c").c_str()), 0);
  const UniqueFd other = create("d");
  about_to();
  ASSERT_EQ(::rename(path("d").c_str(), path("c").c_str()), 0);  // replaces
  about_to();
  ASSERT_EQ(::unlink(path("b").c_str()), 0);
  about_to();
  ASSERT_EQ(::mkdir(path("sub").c_str(), 0755), 0);
  about_to();
  ASSERT_EQ(::rename(path("c").c_str(), path("sub/e").c_str()), 0);
  EXPECT_THAT(kinds(),
              ElementsAre(EventKind::Create, EventKind::Write, EventKind::Link, EventKind::Rename, EventKind::Create,
                          EventKind::Rename, EventKind::Unlink, EventKind::Create, EventKind::Rename));
  expect_complete();
}

TEST_F(CrashRecorder, AnInodeThatIsUsedAgainIsAnotherFile) {
  start();
  for (int i = 0; i < 5; ++i) {
    const UniqueFd fd = create("a");
    write(fd.get(), "a", 0, std::string(static_cast<std::size_t>(i + 1), 'x'));
    about_to();
    ASSERT_EQ(::unlink(path("a").c_str()), 0);
  }
  EXPECT_TRUE(recorder_->finish());
  log_ = *Log::read(root_ + "/log");
  std::set<FileNumber> numbers;
  for (const Event& event : log_.events())
    if (event.kind == EventKind::Create) numbers.insert(event.file);
  EXPECT_EQ(numbers.size(), 5U);
  expect_complete();
}

TEST_F(CrashRecorder, AWriteThatWaitsForTheDiskPromisesItsRange) {
  start();
  const UniqueFd fd = create("a");
  Intent synchronous = intent(Intent::Kind::Write, "a", 0, 4);
  synchronous.waits_for_disk = true;
  about_to(synchronous);
  ASSERT_EQ(::pwrite(fd.get(), "data", 4, 0), 4);
  about_to();
  EXPECT_THAT(kinds(), ElementsAre(EventKind::Create, EventKind::Write, EventKind::SyncRange));
  EXPECT_EQ(log_.events().back().covers, log_.events().size() - 1);
}

TEST_F(CrashRecorder, HolesAreZerosAgain) {
  start();
  const UniqueFd fd = create("a");
  write(fd.get(), "a", 0, std::string(4 * kPageSize, 'x'));
  about_to(intent(Intent::Kind::Allocate, "a", kPageSize, 2 * kPageSize));
  ASSERT_EQ(::fallocate(fd.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, kPageSize, 2 * kPageSize), 0);
  EXPECT_THAT(kinds(), ElementsAre(EventKind::Create, EventKind::Write, EventKind::Allocate));
  expect_complete();
}

TEST_F(CrashRecorder, OnlyWhatThePatternNamesIsRecorded) {
  start("*.db");
  const UniqueFd one = create("a.db"), two = create("a.log");
  about_to();
  EXPECT_EQ(synchronise(FileWatch::Scope::File, "a.log"), std::nullopt);
  EXPECT_THAT(kinds(), ElementsAre(EventKind::Create));
}

TEST(CrashSelection, SaysWhatIsMeant) {
  const auto one = Selection::parse("/tmp/x.db");
  ASSERT_TRUE(one);
  EXPECT_EQ(one->target, "x.db");
  EXPECT_TRUE(one->matches("x.db"));
  EXPECT_FALSE(one->matches("x.db-wal"));
  const auto some = Selection::parse("/tmp/x.db*");
  ASSERT_TRUE(some);
  EXPECT_EQ(some->target, "");
  EXPECT_TRUE(some->matches("x.db-wal"));
  const auto all = Selection::parse("/tmp");
  ASSERT_TRUE(all);
  EXPECT_TRUE(all->enters_directories());
  EXPECT_EQ(Selection::parse("/nowhere/x").error().code, ENOENT);
  EXPECT_EQ(Selection::parse("").error().code, EINVAL);
}

}  // namespace
}  // namespace pagefold::crash
