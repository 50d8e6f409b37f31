// `pagefold ps`, `maps` and `smaps` against a supervisor that this test plays itself.
#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/command.h"
#include "unit/fake_introspector.h"
#include "view/control_server.h"

namespace pagefold::test {
namespace {

class Views : public ::testing::Test {
 protected:
  void SetUp() override {
    auto started = view::ControlServer::start(guests_);
    ASSERT_TRUE(started) << started.error().message();
    server_ = std::move(*started);
  }

  static std::string pid() { return std::to_string(FakeIntrospector::kShell); }

  FakeIntrospector guests_;
  std::unique_ptr<view::ControlServer> server_;
};

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

TEST_F(Views, PsListsTheGuests) {
  const Outcome outcome = pagefold({"ps"});
  EXPECT_EQ(outcome.exit_code, outcome.err.empty() ? 0 : 1) << outcome.err;  // runs of others that do not answer
  EXPECT_TRUE(outcome.out.starts_with("    PID    PPID    UID  THR       RSS   PRIVATE    SHARED COMMAND\n"));
  EXPECT_TRUE(
      contains(outcome.out, "\n2000000001       1      0    3        12        12         0 sh -c echo \\033[31m\n"));
  EXPECT_TRUE(contains(outcome.out, "\n2000000002 "));
  EXPECT_FALSE(contains(outcome.out, "\n2000000003 "));
}

TEST_F(Views, PsTellsJson) {
  const nlohmann::json list = nlohmann::json::parse(pagefold({"ps", "--json"}).out);
  EXPECT_EQ(list.at("schema_version"), 1);
  bool found = false;
  for (const auto& process : list.at("processes")) found |= process.at("pid") == FakeIntrospector::kChild;
  EXPECT_TRUE(found);
}

TEST_F(Views, MapsAreInTheColumnsOfProc) {
  const Outcome outcome = pagefold({"maps", pid()});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.out,
            "00001000-00003000 rw-p 00000000 00:00 0                                  [heap]\n"
            "7ffd00000000-7ffd00003000 rw-p 00000000 00:00 0                          [stack]\n");
}

TEST_F(Views, MapsShowPagesAndJsonWhenAsked) {
  EXPECT_TRUE(contains(pagefold({"maps", "--pages", pid()}).out, "\n  00002000            1 page  absent\n"));
  const auto plain = nlohmann::json::parse(pagefold({"maps", "--json", pid()}).out);
  EXPECT_FALSE(plain.at("process").at("mappings").at(0).contains("page_states"));
  const auto pages = nlohmann::json::parse(pagefold({"maps", "--json", "--pages", pid()}).out);
  EXPECT_EQ(pages.at("process").at("mappings").at(0).at("page_states").at(1).at("state"), "absent");
}

TEST_F(Views, SmapsShowTheCounts) {
  const Outcome outcome = pagefold({"smaps", pid()});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_TRUE(contains(outcome.out, "[stack]\nSize:                 12 kB\n"));
  EXPECT_TRUE(contains(outcome.out, "\nRss:                   8 kB\n"));
  EXPECT_EQ(nlohmann::json::parse(pagefold({"smaps", "--json", pid()}).out).at("schema_version"), 1);
}

TEST_F(Views, AProcessThatIsNoGuestIsAClearError) {
  for (const char* verb : {"maps", "smaps"}) {
    const Outcome outcome = pagefold({verb, "1999999999"});
    EXPECT_EQ(outcome.exit_code, 1);
    EXPECT_EQ(outcome.out, "");
    EXPECT_EQ(outcome.err,
              "pagefold: no guest with pid 1999999999 is running under pagefold; `pagefold ps` lists them\n");
  }
}

}  // namespace
}  // namespace pagefold::test
