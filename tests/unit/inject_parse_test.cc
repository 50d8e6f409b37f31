// What --fail says, read into a Spec; and each mistake that people make, told with its column.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <fstream>
#include <regex>
#include <sstream>

#include "inject/grammar.h"
#include "inject/parse.h"

namespace pagefold::inject {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

Spec read(const char* text) {
  auto spec = parse(text);
  if (!spec) ADD_FAILURE() << spec.error().shown(text);
  return spec ? *spec : Spec{};
}

TEST(FailSpec, OfTheIssueMeansWhatItSays) {
  const Spec page = read("read:path=*.db:page=7:eio");
  EXPECT_EQ(page.place, Place::Read);
  EXPECT_EQ(page.path, "*.db");
  EXPECT_THAT(page.pages.runs, testing::ElementsAre(std::pair<PageIndex, PageIndex>{7, 8}));
  EXPECT_EQ(page.outcome, Outcome::Error);
  EXPECT_EQ(page.error, EIO);

  EXPECT_EQ(read("read:path=/a:delay=20ms").delay, 20ms);
  EXPECT_EQ(read("read:path=/a:delay=20ms").outcome, Outcome::Proceed);
  EXPECT_EQ(read("msync:when=3+:eio").when, (When{3, When::kNever, 1}));
  EXPECT_EQ(read("write:path=/data/*:enospc").error, ENOSPC);
  EXPECT_EQ(read("write:short").outcome, Outcome::Short);
  EXPECT_EQ(read("alloc:after=40M:enomem").after, Bytes{40} << 20);
  EXPECT_EQ(read("mmap:when=5:enomem").when, (When{5, 5, 1}));

  const Spec kill = read("kill:when=msync:2");
  EXPECT_EQ(kill.place, Place::Msync);
  EXPECT_EQ(kill.when, (When{2, 2, 1}));
  EXPECT_EQ(kill.outcome, Outcome::Kill);
}

TEST(FailSpec, CountsAsStraceDoes) {
  EXPECT_EQ(read("read:when=3:eio").when, (When{3, 3, 1}));
  EXPECT_EQ(read("read:when=3+2:eio").when, (When{3, When::kNever, 2}));
  EXPECT_EQ(read("read:when=2..5:eio").when, (When{2, 5, 1}));
  EXPECT_EQ(read("read:when=2..8+3:eio").when, (When{2, 8, 3}));
  std::vector<std::uint64_t> hit;
  for (std::uint64_t n = 1; n < 12; ++n)
    if (read("read:when=2..8+3:eio").when.contains(n)) hit.push_back(n);
  EXPECT_THAT(hit, testing::ElementsAre(2, 5, 8));
}

TEST(FailSpec, ListsOfPagesAreSortedAndJoined) {
  using Run = std::pair<PageIndex, PageIndex>;
  EXPECT_THAT(read("read:page=9,1..3,2..4,20..:eio").pages.runs, testing::ElementsAre(Run{1, 5}, Run{9, 10}, Run{20, Pages::kEnd}));
}

TEST(FailSpec, ColonsInPathsAreWrittenWithABackslash) { EXPECT_EQ(read("open:path=/a\\:b:enoent").path, "/a\\:b"); }

TEST(FailSpec, KillTakesFurtherConditions) {
  const Spec spec = read("kill:when=write:3:path=*.db:call=pwrite64");
  EXPECT_EQ(spec.when, (When{3, 3, 1}));
  EXPECT_EQ(spec.path, "*.db");
  EXPECT_EQ(spec.call, "pwrite64");
  EXPECT_EQ(read("kill:when=msync").when, (When{1, 1, 1}));
}

TEST(FailSpec, ErrnosHaveAllTheirNames) {
  EXPECT_EQ(errno_of("EDQUOT"), EDQUOT);
  EXPECT_EQ(errno_of("eWouldBlock"), EAGAIN);
  EXPECT_EQ(errno_of("ehwpoison"), EHWPOISON);
  EXPECT_EQ(errno_of("eio2"), 0);
  EXPECT_EQ(errno_of(""), 0);
}

struct Refusal {
  const char* spec;
  std::size_t column;
  const char* says;
};

class FailSpecRefused : public testing::TestWithParam<Refusal> {};

TEST_P(FailSpecRefused, WithTheColumnAndWhatIsAllowed) {
  const auto [text, column, says] = GetParam();
  const auto spec = parse(text);
  ASSERT_FALSE(spec.has_value());
  EXPECT_EQ(spec.error().column, column) << spec.error().shown(text);
  EXPECT_THAT(spec.error().message, HasSubstr(says));
}

INSTANTIATE_TEST_SUITE_P(
    Mistakes, FailSpecRefused,
    testing::Values(Refusal{"", 1, "no such place; there are read, write"}, Refusal{"raed:eio", 1, "did you mean `read`"},
                    Refusal{"read", 5, "what shall happen"}, Refusal{"read:", 6, "something is missing"},
                    Refusal{"read::eio", 6, "something is missing"}, Refusal{"read:eoi", 6, "did you mean `eio`"},
                    Refusal{"read:pge=7:eio", 6, "did you mean `page`"}, Refusal{"read:page=:eio", 11, "counted from 0"},
                    Refusal{"read:page=x:eio", 11, "counted from 0"}, Refusal{"read:page=9..3:eio", 14, "before the first"},
                    Refusal{"read:page=1,,2:eio", 13, "counted from 0"}, Refusal{"read:page=1:page=2:eio", 13, "already"},
                    Refusal{"read:when=0:eio", 11, "count from 1"}, Refusal{"read:when=5..2:eio", 14, "before the first"},
                    Refusal{"read:when=3+0:eio", 13, "at least 1"}, Refusal{"read:when=99999999999999999999:eio", 11, "too large"},
                    Refusal{"read:chance=0:eio", 13, "a chance is"}, Refusal{"read:chance=101%:eio", 13, "a chance is"},
                    Refusal{"read:chance=nan:eio", 13, "a chance is"}, Refusal{"read:delay=20:eio", 14, "a time is"},
                    Refusal{"read:delay=ms", 12, "a time is"}, Refusal{"read:delay=0s", 12, "more than nothing"},
                    Refusal{"read:delay=2m:delay=1s", 15, "already"}, Refusal{"read:path=data.db:eio", 11, "whole paths: `*/data.db`"},
                    Refusal{"read:path=:eio", 11, "pattern is missing"}, Refusal{"read:via=cal:eio", 10, "call or map"},
                    Refusal{"read:call=fsync:eio", 11, "`read` is one of read, pread64"}, Refusal{"read:eio:enospc", 10, "one failure has one"},
                    Refusal{"fsync:page=1:eio", 7, "takes no page="}, Refusal{"fsync:short", 7, "cannot be short"},
                    Refusal{"write:short=0", 13, "at least one byte"}, Refusal{"write:via=map:short", 15, "excludes calls"},
                    Refusal{"alloc:enomem", 13, "after=SIZE"}, Refusal{"alloc:after=40X:enomem", 15, "a size is"},
                    Refusal{"mmap:after=4:enomem", 6, "takes no after="}, Refusal{"kill", 1, "kill:when=msync:2"},
                    Refusal{"kill:msync:2", 6, "kill:when=msync:2"}, Refusal{"kill:when=msnyc:2", 11, "did you mean `msync`"},
                    Refusal{"kill:when=msync:0", 17, "count from 1"}, Refusal{"kill:when=msync:2:eio", 19, "one failure has one"}));

TEST(FailSpec, AMistakeIsShownWithACaret) {
  const std::string spec = "read:pge=7:eio";
  EXPECT_THAT(parse(spec).error().shown(spec), testing::EndsWith("\n  read:pge=7:eio\n       ^~~~~"));
}

TEST(FailSpec, TheHelpNamesEveryWord) {
  const std::string text = help();
  for (const PlaceRow& row : places()) EXPECT_THAT(text, HasSubstr("  " + std::string(row.name) + " "));
  for (const ConditionRow& row : conditions()) EXPECT_THAT(text, HasSubstr("  " + std::string(row.name) + "="));
}

// What README and docs/failures.md give as examples is understood.
TEST(FailSpec, TheExamplesOfTheDocumentsAreRight) {
  static const std::regex pattern(R"re(--fail ('([^']+)'|[a-z]+:[^ `]+))re");
  std::size_t found = 0;
  for (const char* name : {"/README.md", "/docs/failures.md"}) {
    std::ostringstream text;
    text << std::ifstream(std::string(PAGEFOLD_SOURCE_DIR) + name).rdbuf();
    const std::string document = text.str();
    for (std::sregex_iterator at(document.begin(), document.end(), pattern), end; at != end; ++at, ++found)
      read(((*at)[2].matched ? (*at)[2] : (*at)[1]).str().c_str());
  }
  EXPECT_GE(found, 12U);
}

// What the help gives as examples is understood.
TEST(FailSpec, TheExamplesOfTheHelpAreRight) {
  const std::string text = help();
  std::size_t found = 0;
  for (std::size_t at = text.find("\n  --fail "); at != std::string::npos; at = text.find("\n  --fail ", at + 1), ++found) {
    std::size_t start = at + std::string_view("\n  --fail ").size();
    const char end = text[start] == '\'' ? '\'' : ' ';
    if (end == '\'') ++start;
    read(text.substr(start, text.find(end, start) - start).c_str());
  }
  EXPECT_GE(found, 7U);
}

}  // namespace
}  // namespace pagefold::inject
