// ProcessView to JSON and back, and the tables made of it.
#include <gtest/gtest.h>
#include <sys/sysmacros.h>

#include "unit/fake_introspector.h"
#include "view/json.h"
#include "view/memory_totals.h"
#include "view/table.h"

namespace pagefold::view {
namespace {

ProcessView full_process() {
  ProcessView process = *test::FakeIntrospector().process(test::FakeIntrospector::kShell, WithPages::Yes);
  process.uid = 1000;
  process.heap = {0x1000, 0x3000};
  process.stack_size = 1;
  process.peak_virtual = 2;
  process.peak_resident = 3;
  process.pinned = 4;
  process.major_faults = 5;
  process.minor_faults = 6;
  MappingView& mapping = process.mappings[0];
  mapping.device = makedev(0xfe, 0x1234);
  mapping.inode = 18446744073709551615U;
  mapping.offset = 0x123456789000;
  mapping.no_reserve = mapping.dont_dump = mapping.file = true;
  mapping.may_write = false;
  mapping.was_writable = true;
  mapping.pages = {4096, 8192, 12288, 16384, 20480, 24576, 28672, 32768, 36864, 40960};
  fill_totals(process);
  return process;
}

TEST(ViewJson, EverythingComesBack) {
  const ProcessView process = full_process();
  const auto back = process_from_json(nlohmann::json::parse(dump(to_json(process))));
  ASSERT_TRUE(back) << back.error().message();
  EXPECT_EQ(to_json(*back), to_json(process));
  EXPECT_EQ(back->mappings[0].device, process.mappings[0].device);
  EXPECT_EQ(back->mappings[0].inode, 18446744073709551615U);
  EXPECT_EQ(back->mappings[0].runs[1].state, PageState::Absent);
  EXPECT_EQ(back->pages.resident, 3 * kPageSize);
  EXPECT_EQ(back->virtual_size, 5 * kPageSize);
  EXPECT_EQ(back->arguments, process.arguments);
}

TEST(ViewJson, EveryCountHasItsOwnKey) {
  const nlohmann::json pages = to_json(full_process())["mappings"][0]["pages"];
  const std::vector<std::pair<const char*, Bytes>> expected = {
      {"resident", 4096},       {"proportional", 8192},   {"shared_clean", 12288}, {"shared_dirty", 16384},
      {"private_clean", 20480}, {"private_dirty", 24576}, {"anonymous", 28672},    {"speculative", 32768},
      {"swap", 36864},          {"locked", 40960}};
  for (const auto& [key, value] : expected) EXPECT_EQ(pages.at(key), value) << key;
  EXPECT_EQ(pages.size(), expected.size());
}

TEST(ViewJson, AListLeavesOutTheMappings) {
  const nlohmann::json list = list_to_json({full_process()});
  EXPECT_EQ(list["schema_version"], 1);
  EXPECT_FALSE(list["processes"][0].contains("mappings"));
  const auto back = list_from_json(list);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->at(0).pages.private_dirty, full_process().pages.private_dirty);
}

TEST(ViewJson, NamesThatAreNotUtf8AreReplacedNotFatal) {
  ProcessView process = full_process();
  process.comm =
      "a\xff"
      "b";
  EXPECT_NE(dump(to_json(process))
                .find("a\xef\xbf\xbd"
                      "b"),
            std::string::npos);
}

TEST(ViewJson, WhatIsMissingOrOfTheWrongTypeIsAnErrorNotACrash) {
  const nlohmann::json whole = to_json(full_process());
  for (const auto& [key, value] : whole.items()) {
    nlohmann::json without = whole;
    without.erase(key);
    if (key != "mappings") {
      EXPECT_FALSE(process_from_json(without)) << key;
    }
    nlohmann::json wrong = whole;
    wrong[key] = nullptr;
    if (key != "mappings") {
      EXPECT_FALSE(process_from_json(wrong)) << key;
    }
  }
  nlohmann::json unknown_state = whole;
  unknown_state["mappings"][0]["page_states"][0]["state"] = "lost";
  EXPECT_EQ(process_from_json(unknown_state).error().code, EBADMSG);
  EXPECT_FALSE(process_from_json("text"));
  EXPECT_FALSE(list_from_json(nlohmann::json::array()));
}

TEST(PsTable, ShowsMemoryInKibibytesAndEscapesArguments) {
  EXPECT_EQ(ps_table({full_process()}),
            "    PID    PPID    UID  THR       RSS   PRIVATE    SHARED COMMAND\n"
            "2000000001       1   1000    3        12        52        28 sh -c echo \\033[31m\n");
}

TEST(PsTable, ShowsTheNameWhenThereAreNoArguments) {
  ProcessView process;
  process.comm = "kthread";
  EXPECT_TRUE(ps_table({process}).ends_with(" [kthread]\n"));
}

TEST(PagesTable, ShowsOneLineARun) {
  const ProcessView process = *test::FakeIntrospector().process(test::FakeIntrospector::kShell, WithPages::Yes);
  EXPECT_EQ(pages_table(process),
            "00001000-00003000 rw-p 00000000 00:00 0                                  [heap]\n"
            "  00001000            1 page  private\n"
            "  00002000            1 page  absent\n"
            "7ffd00000000-7ffd00003000 rw-p 00000000 00:00 0                          [stack]\n"
            "  7ffd00000000        2 pages private\n"
            "  7ffd00002000        1 page  host\n");
}

}  // namespace
}  // namespace pagefold::view
