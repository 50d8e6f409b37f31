// Rebuilding, checking, exploring and shrinking, with shell commands as checkers.
#include "crash/explore.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "crash/case_file.h"
#include "crash/minimise.h"
#include "crash_scene.h"

namespace pagefold::crash {
namespace {

namespace fs = std::filesystem;

class CrashExplore : public testing::Test {
 protected:
  CrashExplore() {
    std::string name = std::string(PAGEFOLD_BINARY) + "-crash-XXXXXX";
    directory_ = ::mkdtemp(name.data());
  }
  ~CrashExplore() override { fs::remove_all(directory_); }

  Result<Exploration> run(const History& history, const std::string& check, ExploreOptions options = {}) {
    options.scratch = directory_;
    options.target = options.target.empty() ? "a" : options.target;
    options.jobs = 2;
    const auto checker = Checker::create(check, std::chrono::seconds(10));
    return explore(history, rules_of(history, Model::Posix), *checker, options, [](const Progress&) {});
  }
  std::string directory_;
};

// Sound is: both pages of two_pages() or none.
constexpr const char* kBothOrNone = "test $(head -c1 {}) = $(tail -c1 {})";

TEST_F(CrashExplore, BytesBehindTheEndDoNotTellStatesApart) {
  Scene scene;
  const FileNumber a = scene.create("a");
  scene.write(a, 0, 'x');
  scene.truncate(a, 10);
  scene.begin();
  const History history = scene.history(), again = two_pages().history();
  EXPECT_EQ(image_of(history, history.initial()).hash, image_of(history, history.initial()).hash);
  EXPECT_NE(image_of(history, history.initial()).hash, image_of(again, again.initial()).hash);
}

TEST_F(CrashExplore, EachDistinctStateIsCheckedOnceAndViolationsAreCounted) {
  const History history = two_pages().history();
  const auto result = run(history, kBothOrNone);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->checked, 4U);
  EXPECT_EQ(result->violations, 2U);
  EXPECT_EQ(result->examples.size(), 2U);
  EXPECT_TRUE(result->plan.exhaustive);
}

TEST_F(CrashExplore, ABudgetEndsItBeforeThePlan) {
  ExploreOptions options;
  options.plan.budget = 3;
  const auto result = run(two_pages().history(), "true", options);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->checked, 3U);
  EXPECT_FALSE(result->plan.finished);
}

TEST_F(CrashExplore, ACheckThatHangsIsAViolation) {
  const auto checker = Checker::create("sleep 5", std::chrono::milliseconds(50));
  const History history = two_pages().history();
  auto trial = Trial::create(history, *checker, "a", directory_ + "/0");
  const auto verdict = trial->run(image_of(history, history.initial()), 0);
  ASSERT_TRUE(verdict);
  EXPECT_EQ(verdict->kind, Verdict::Kind::TimedOut);
  EXPECT_TRUE(verdict->violates());
}

TEST_F(CrashExplore, ACheckThatCannotRunIsAnError) {
  const auto result = run(two_pages().history(), "/nowhere/at/all {}");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ENOEXEC);
}

// What was told is part of the state: the same files are checked again after a promise.
TEST_F(CrashExplore, TheCheckLearnsWhatHadBeenTold) {
  Scene scene = two_pages();
  scene.tell("stored\n");
  const History history = scene.history();
  const auto result = run(history, "test ! -s \"$PAGEFOLD_CRASH_OUTPUT\" || test $(head -c1 {}) = y");
  ASSERT_TRUE(result);
  EXPECT_EQ(result->checked, 8U);
  EXPECT_EQ(result->violations, 2U);  // told, and page 0 is old
}

TEST_F(CrashExplore, ACaseIsShrunkToTheOneAtomThatMatters) {
  Scene scene;
  const FileNumber a = scene.create("a");
  scene.write(a, 0, 'x', 12);
  scene.begin();
  for (PageIndex page = 0; page < 12; ++page) scene.store(a, page, 'y');
  const History history = scene.history();
  // Broken: page 7 is old and page 3 is new.
  const std::string check = "test $(dd if={} bs=4096 skip=7 count=1 2>/dev/null | head -c1) = y || "
                            "test $(dd if={} bs=4096 skip=3 count=1 2>/dev/null | head -c1) = x";
  const auto checker = Checker::create(check, std::chrono::seconds(10));
  const Rules rules = rules_of(history, Model::Posix);
  auto trial = Trial::create(history, *checker, "a", directory_ + "/0");
  Violation violation{0, std::make_shared<const Cut>(history, rules, history.log().events().size()), Chosen(12), {}};
  for (const std::size_t page : {1U, 3U, 4U, 9U}) violation.chosen[page] = true;
  ASSERT_TRUE(trial->run(*violation.cut, violation.chosen)->violates());
  const auto minimal = minimise(probe_of(*trial, false), violation);
  ASSERT_TRUE(minimal);
  EXPECT_EQ(minimal->size(), 1U);
  EXPECT_TRUE(minimal->smallest);
  EXPECT_TRUE(minimal->verdict.violates());
  if (minimal->form == MinimalCase::Form::Missing)
    EXPECT_FALSE(minimal->chosen[7]);
  else
    EXPECT_TRUE(minimal->chosen[3]);

  CaseFile file{"run.log", check, "a", Model::Posix, kPageSize, violation.cut->position(), reached_atoms(*minimal->cut, minimal->chosen), minimal->form};
  const auto read = case_from_json(to_json(file));
  ASSERT_TRUE(read);
  EXPECT_EQ(*chosen_atoms(*minimal->cut, read->reached), minimal->chosen);
  EXPECT_FALSE(chosen_atoms(*minimal->cut, {999}));
  EXPECT_EQ(case_from_json("{}").error().code, EBADMSG);
}

// Systemd's journal, found by `make crash-proof`: a missing file breaks the check, too, but is no state that is looked at.
TEST_F(CrashExplore, ACaseIsNotShrunkToNoFileAtAll) {
  Scene scene;
  scene.begin();
  const FileNumber a = scene.create("a");
  scene.write(a, 0, 'x', 2);
  const History history = scene.history();
  const auto checker = Checker::create("test -s {}", std::chrono::seconds(10));
  const Rules rules = rules_of(history, Model::Posix);
  auto trial = Trial::create(history, *checker, "a", directory_ + "/0");
  Violation violation{0, std::make_shared<const Cut>(history, rules, history.log().events().size()), Chosen(4), {}};
  violation.chosen[0] = true;  // its name
  ASSERT_TRUE(trial->run(*violation.cut, violation.chosen)->violates());
  EXPECT_TRUE(minimise(probe_of(*trial, false), violation)->chosen[0]);
  EXPECT_EQ(minimise(probe_of(*trial, true), violation)->size(), 0U);
}

}  // namespace
}  // namespace pagefold::crash
