// The story of a run: its exact text, and its JSON.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include "report/summary.h"
#include "report/units.h"

namespace pagefold::report {
namespace {

RunSummary cat_run() {
  RunSummary summary;
  summary.command = {"cat", "README.md"};
  summary.programs = {{"/usr/bin/cat", 1}};
  summary.processes = 1;
  summary.wall_ns = 12'345'678;
  summary.supervisor_cpu_ns = 2'345'678;
  summary.faults[0] = {24, 103'000, 98'304};
  summary.faults[1] = {60, 2'003'000, 2'098'304};
  summary.objects = {{"/usr/lib/x86_64-linux-gnu/libc.so.6", 2'000'000, 1'300'000, 24'576},
                     {"[heap]", 135'168, 8'192, 8'192}};
  summary.peak_resident = 2'300'000;
  summary.peak_speculative = 409'600;
  summary.peak_supervisor = 9'000'000;
  summary.system_calls = 61;
  summary.host_operations = 1;
  return summary;
}

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

TEST(Story, OfCatReadsLikeThis) {
  EXPECT_EQ(render_story(cat_run(), Colour::No),
            "pagefold: the memory story of `cat README.md`\n"
            "  ran    /usr/bin/cat\n"
            "  took   12 ms in 1 process, exit code 0\n"
            "         2.3 ms of processor time was Pagefold's own (19 % of the time taken)\n"
            "\n"
            "  page faults        count      time     bytes\n"
            "  zero-fill             24    103 us    96 KiB  first touch of fresh memory: cleared\n"
            "  file, cold            60      2 ms     2 MiB  first touch of a file's page: read in\n"
            "  file, cached           0      0 ns       0 B  the page was in memory: only mapped\n"
            "  copy-on-write          0      0 ns       0 B  a private copy was made\n"
            "  protection             0      0 ns       0 B  access not allowed\n"
            "  all                   84    2.1 ms   2.1 MiB\n"
            "\n"
            "  memory                                         mapped   resident    private\n"
            "  /usr/lib/x86_64-linux-gnu/libc.so.6           1.9 MiB    1.2 MiB     24 KiB\n"
            "  [heap]                                        132 KiB      8 KiB      8 KiB\n"
            "\n"
            "  peak   2.2 MiB of page frames; at most 400 KiB of them were put in ahead of need\n"
            "         8.6 MiB for Pagefold itself\n"
            "  calls  61 system calls came to Pagefold, 1 change of the host's mappings\n");
}

TEST(Story, AFileThatWasUnmappedBeforeTheEndIsToldAllTheSame) {
  RunSummary summary = cat_run();
  summary.objects.insert(summary.objects.begin(), {"/srv/shop.db", 0, 14 << 20, 0});
  EXPECT_TRUE(contains(render_story(summary, Colour::No), "  /srv/shop.db                                 unmapped     14 MiB        0 B\n"));
}

RunSummary failing_run() {
  RunSummary summary = cat_run();
  summary.failures = {{"read:page=1:eio", 3, 1}, {"write:enospc", 0, 0}};
  HitLine hit;
  hit.number = 2;
  hit.what = "pread64";
  hit.path = "/data/a\nb";
  hit.offset = 4096;
  hit.length = 100;
  hit.process = 7;
  hit.program = "/usr/bin/cat";
  hit.outcome = "EIO";
  hit.place = "lib.so+0x12, called from put+0x3 (lib.so)";
  HitLine background;
  background.what = "mmap";
  background.length = 1 << 20;
  background.outcome = "ENOMEM";
  summary.hits = {hit, background};
  summary.more_hits = 2;
  return summary;
}

TEST(Story, OfFailuresReadsLikeThis) {
  const std::string story = render_story(failing_run(), Colour::No);
  EXPECT_EQ(story.substr(story.find("\n  failures") + 1),
            "  failures asked for                                     matched       hit\n"
            "  read:page=1:eio                                              3         1\n"
            "  write:enospc                                                 0         0  nothing matched it\n"
            "  hit    pread64 of /data/a\\012b, page 1: EIO\n"
            "         process 7, cat, in lib.so+0x12,\n"
            "         called from put+0x3 (lib.so)\n"
            "  hit    mmap of 1 MiB: ENOMEM\n"
            "         in the background\n"
            "         and 2 more hits\n");
}

TEST(Story, JsonHasEachHit) {
  const auto json = nlohmann::json::parse(to_json(failing_run()))["failures"];
  EXPECT_EQ(json["specs"][0], nlohmann::json({{"spec", "read:page=1:eio"}, {"matches", 3}, {"hits", 1}}));
  EXPECT_EQ(json["hits"][0]["match"], 2);
  EXPECT_EQ(json["hits"][0]["page"], 1);
  EXPECT_EQ(json["hits"][0]["place"], "lib.so+0x12, called from put+0x3 (lib.so)");
  EXPECT_FALSE(json["hits"][1].contains("path"));
  EXPECT_EQ(json["more_hits"], 2);
  EXPECT_FALSE(nlohmann::json::parse(to_json(cat_run())).contains("failures"));
}

TEST(Story, SaysWhichLoaderLoadedThePrograms) {
  RunSummary summary = cat_run();
  summary.loaders = {0, 1, 0};
  EXPECT_TRUE(contains(render_story(summary, Colour::No), "\n  loader the system's for 1 start\n"));
  summary.loaders = {12, 0, 0};
  EXPECT_TRUE(contains(render_story(summary, Colour::No), "\n  loader ld-pagefold.so for 12 starts\n"));
  summary.loaders = {12, 3, 1};
  EXPECT_TRUE(contains(render_story(summary, Colour::No),
                       "\n  loader ld-pagefold.so for 12 starts (1 handed over), the system's for 3\n"));
}

TEST(Story, FitsInEightyColumnsWithoutLongNames) {
  RunSummary summary = cat_run();
  summary.objects[0].name = "/" + std::string(300, 'x') + "/end.so";
  summary.command = {std::string(300, 'y')};
  std::istringstream lines(render_story(summary, Colour::No));
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 88U) << line;
  EXPECT_TRUE(contains(render_story(summary, Colour::No), "xxx/end.so"));
}

TEST(Story, WithoutColourHasNoEscapeWhateverTheNames) {
  RunSummary summary = cat_run();
  summary.command = {"echo", "\033[31mred\n", "two words"};
  summary.programs[0].path = "/bin/\033[2J";
  summary.objects[0].name = "\r[fake]";
  summary.notes = {"bad \a"};
  const std::string story = render_story(summary, Colour::No);
  EXPECT_EQ(story.find_first_of("\033\r\a"), std::string::npos);
  EXPECT_TRUE(contains(story, "`echo '\\033[31mred\\012' 'two words'`"));
  EXPECT_TRUE(contains(render_story(summary, Colour::Yes), "\033[1m"));
}

TEST(Story, CutsLongTextBetweenCharacters) {
  RunSummary summary = cat_run();
  summary.command.clear();
  summary.objects[0].name.clear();
  for (int i = 0; i < 60; ++i) summary.objects[0].name += "ä";
  summary.command = {summary.objects[0].name};
  const std::string story = render_story(summary, Colour::No);
  EXPECT_NO_THROW(static_cast<void>(nlohmann::json(story).dump()));  // throws on text that is not UTF-8
}

TEST(Story, TellsTheSignalTheRestOfTheProgramsAndTheNotes) {
  RunSummary summary = cat_run();
  summary.exit_code = 139;
  summary.processes = 1234;
  summary.programs.clear();
  for (int i = 0; i < 15; ++i) summary.programs.push_back({"/bin/p" + std::to_string(i), 1000});
  summary.files_host_mapped = 1;
  summary.lost_events = 2;
  summary.notes = {"io_uring was refused"};
  const std::string story = render_story(summary, Colour::No);
  EXPECT_TRUE(contains(story, "in 1,234 processes, exit code 139 (signal 11)\n"));
  EXPECT_TRUE(contains(story, "/bin/p0  (1,000 times)\n"));
  EXPECT_FALSE(contains(story, "/bin/p12"));
  EXPECT_TRUE(contains(story, "and 3 more programs\n"));
  EXPECT_TRUE(contains(story, "1 file was mapped by the host, being open for writing\n"));
  EXPECT_TRUE(contains(story, "  note   2 events were lost: the numbers above are too small\n"));
  EXPECT_TRUE(story.ends_with("  note   io_uring was refused\n"));
}

TEST(Story, ShowsEightObjectsAndSumsUpTheRest) {
  RunSummary summary = cat_run();
  summary.objects.clear();
  for (int i = 0; i < 10; ++i) summary.objects.push_back({"/lib/" + std::to_string(i), 4096, 4096, 0});
  const std::string story = render_story(summary, Colour::No);
  EXPECT_TRUE(contains(story, "/lib/7 "));
  EXPECT_FALSE(contains(story, "/lib/8"));
  EXPECT_TRUE(contains(story, "  2 more                                          8 KiB      8 KiB        0 B\n"));
}

TEST(Story, OfNothingAtAllStillStands) {
  const std::string story = render_story(RunSummary{}, Colour::No);
  EXPECT_TRUE(story.starts_with("pagefold: the memory story of ``\n"));
  EXPECT_FALSE(contains(story, "nan"));
}

TEST(SummaryJson, HoldsEveryNumberUnderItsKey) {
  RunSummary summary = cat_run();
  summary.exit_code = 3;
  summary.files_host_mapped = 5;
  summary.lost_events = 7;
  summary.notes = {"n"};
  summary.loaders = {8, 9, 6};
  for (unsigned cause = 0; cause < kFaultCauses; ++cause) summary.faults[cause] = {cause + 1, cause + 10, cause + 100};
  const std::string text = to_json(summary);
  EXPECT_TRUE(text.ends_with("}\n"));
  const nlohmann::json json = nlohmann::json::parse(text);
  const nlohmann::json expected = nlohmann::json::parse(R"({
    "schema_version": 1, "command": ["cat", "README.md"], "exit_code": 3,
    "programs": [{"path": "/usr/bin/cat", "executions": 1}],
    "loaders": {"pagefold": 8, "system": 9, "handed_over": 6}, "processes": 1, "wall_ns": 12345678, "supervisor_cpu_ns": 2345678,
    "faults": {"zero_fill": {"count": 1, "time_ns": 10, "bytes": 100},
               "file_cold": {"count": 2, "time_ns": 11, "bytes": 101},
               "file_cached": {"count": 3, "time_ns": 12, "bytes": 102},
               "copy_on_write": {"count": 4, "time_ns": 13, "bytes": 103},
               "swap_in": {"count": 5, "time_ns": 14, "bytes": 104},
               "protection": {"count": 6, "time_ns": 15, "bytes": 105}},
    "memory": {"peak_resident_bytes": 2300000, "peak_speculative_bytes": 409600, "peak_supervisor_bytes": 9000000},
    "objects": [{"name": "/usr/lib/x86_64-linux-gnu/libc.so.6", "mapped_bytes": 2000000, "resident_bytes": 1300000,
                 "private_bytes": 24576},
                {"name": "[heap]", "mapped_bytes": 135168, "resident_bytes": 8192, "private_bytes": 8192}],
    "system_calls": 61, "host_operations": 1, "files_host_mapped": 5, "lost_events": 7, "notes": ["n"]})");
  EXPECT_EQ(json, expected);
}

PressureLine limited() {
  PressureLine line;
  line.limit = 67'108'864, line.peak = 67'000'000, line.overdrawn = 4096;
  line.policy = "lru", line.swap = "zram";
  line.evicted = {12, 3456, 0}, line.refaulted = {1, 2345, 0};
  line.swapped_out = 8'000'000, line.swapped_in = 7'000'000, line.swap_peak = 1'000'000;
  line.swap_full = 1, line.busy = 2, line.pinned = 3, line.failed = 4, line.touched = 5;
  return line;
}

TEST(SummaryJson, TellsOfALimitWhereThereWasOne) {
  RunSummary summary = cat_run();
  EXPECT_FALSE(nlohmann::json::parse(to_json(summary)).contains("pressure"));
  summary.pressure = limited();
  EXPECT_EQ(nlohmann::json::parse(to_json(summary)).at("pressure"), nlohmann::json::parse(R"({
    "limit_bytes": 67108864, "peak_bytes": 67000000, "overdrawn_bytes": 4096, "policy": "lru", "swap": "zram",
    "evicted_pages": {"files": 12, "anonymous": 3456, "shared": 0}, "refaulted_pages": {"files": 1, "anonymous": 2345, "shared": 0},
    "swapped_out_bytes": 8000000, "swapped_in_bytes": 7000000, "swap_peak_bytes": 1000000,
    "refused_pages": {"swap_full": 1, "busy": 2, "pinned": 3, "failed": 4, "touched": 5}})"));
}

TEST(Story, TellsOfALimitWhereThereWasOne) {
  RunSummary summary = cat_run();
  summary.faults[4] = {2345, 9'000'000, 9'605'120};
  EXPECT_FALSE(contains(render_story(summary, Colour::No), "swap-in"));
  summary.pressure = limited();
  const std::string story = render_story(summary, Colour::No);
  EXPECT_TRUE(contains(story, "  swap-in            2,345      9 ms   9.2 MiB  brought back from the swap\n")) << story;
  EXPECT_TRUE(contains(story,
                       "  memory limited to 64 MiB, at most 63.9 MiB used (policy lru, swap zram)\n"
                       "  evicted 12 pages of files, 3,456 anonymous ones; needed again: 1 and 2,345\n"
                       "  swap    7.6 MiB out, 6.7 MiB in; it held at most 977 KiB\n"
                       "  note   4 KiB of frames came unreserved\n"))
      << story;
}

TEST(SummaryJson, ListsAreListsEvenWhenEmpty) {
  const nlohmann::json json = nlohmann::json::parse(to_json(RunSummary{}));
  for (const char* key : {"command", "programs", "objects", "notes"}) EXPECT_TRUE(json.at(key).is_array()) << key;
}

TEST(SummaryJson, ArgumentsNeedNotBeUtf8) {
  RunSummary summary;
  summary.command = {"\xff"};
  EXPECT_EQ(nlohmann::json::parse(to_json(summary)).at("command").at(0), "\xef\xbf\xbd");
}

TEST(Units, SizesTimesCountsAndShares) {
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(1023), "1023 B");
  EXPECT_EQ(human_bytes(4096), "4 KiB");
  EXPECT_EQ(human_bytes(1536), "1.5 KiB");
  EXPECT_EQ(human_bytes(1024 * 1024 - 1), "1 MiB");
  EXPECT_EQ(human_bytes(Bytes{1} << 40), "1 TiB");
  EXPECT_EQ(human_bytes(~Bytes{0}), "16384 PiB");
  EXPECT_EQ(human_time(999), "999 ns");
  EXPECT_EQ(human_time(1'250), "1.3 us");
  EXPECT_EQ(human_time(999'999), "1 ms");
  EXPECT_EQ(human_time(12'345'678), "12 ms");
  EXPECT_EQ(human_time(3'456'000'000), "3.5 s");
  EXPECT_EQ(human_time(12'345'000'000), "12.3 s");
  EXPECT_EQ(human_time(7'200'000'000'000), "7200 s");
  EXPECT_EQ(human_count(0), "0");
  EXPECT_EQ(human_count(999), "999");
  EXPECT_EQ(human_count(1'000), "1,000");
  EXPECT_EQ(human_count(1'234'567), "1,234,567");
  EXPECT_EQ(human_share(0, 10), "0 %");
  EXPECT_EQ(human_share(1, 1000), "< 1 %");
  EXPECT_EQ(human_share(19, 100), "19 %");
  EXPECT_EQ(human_share(15, 10), "150 %");
}

}  // namespace
}  // namespace pagefold::report
