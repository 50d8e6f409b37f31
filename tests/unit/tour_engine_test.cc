// The tour's engine without Pagefold: guests are made up, so that judging, counting and the contract of the output (the
// words that judge stand on verdict lines alone, 80 columns) can be tried in every case.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "tour/disassembly.h"
#include "tour/maps_text.h"
#include "tour/tour.h"
#include "tour/workshop.h"

namespace pagefold::tour {
namespace {

GuestRun good_run(std::string output = {}) {
  GuestRun run;
  run.exit_code = 0;
  run.output = std::move(output);
  run.report = {{"lost_events", 0},
                {"faults", {{"zero_fill", {{"count", 12}, {"bytes", 49152}}}}},
                {"memory", {{"peak_resident_bytes", 8192}}},
                {"programs", {{{"path", "/usr/bin/cat"}, {"executions", 1}}}},
                {"objects", {{{"name", "/lib/libc.so.6"}, {"mapped_bytes", 4096}, {"resident_bytes", 0}}}}};
  return run;
}

Bench bench_of(Runner run) {
  return {std::move(run), [](const std::string&, std::string_view) { return Result<void>(); },
          [](const std::string&) { return Result<std::string>(""); }};
}

struct Told {
  std::string text;
  Tally tally;

  [[nodiscard]] std::vector<std::string> lines() const {
    std::vector<std::string> all;
    std::stringstream stream(text);
    for (std::string line; std::getline(stream, line);) all.push_back(line);
    return all;
  }
  [[nodiscard]] std::vector<std::string> lines_with(std::string_view word) const {
    std::vector<std::string> some;
    for (const std::string& line : lines())
      if (line.find(word) != std::string::npos) some.push_back(line);
    return some;
  }
};

// Tells a chapter of claims 1 and 2 with the given story.
Told tell_story(void (*story)(Lesson&), const GuestRun& run = good_run(), Colour colour = Colour::No) {
  const Chapter chapter{"story", "a story", {{1, "the first"}, {2, "the second"}}, story};
  const Bench bench = bench_of([&](const Guest&) { return run; });
  Told told;
  Output output([&](std::string_view text) { told.text += text; }, colour);
  told.tally = tell({&chapter}, bench, output);
  return told;
}

TEST(Tour, ClaimsHoldWhenAllTheirChecksPass) {
  const Told told = tell_story([](Lesson& lesson) {
    lesson.claim(1);
    lesson.equal("seven", 7, Number(7));
    lesson.claim(2);
    lesson.between("eight", 7, 9, Number(8));
    lesson.holds("truth", true);
  });
  EXPECT_EQ(told.tally.judged, 2);
  EXPECT_EQ(told.tally.failed, 0);
  EXPECT_EQ(told.lines_with("OK").size(), 2u) << told.text;
  EXPECT_TRUE(told.lines_with("WRONG").empty()) << told.text;
}

TEST(Tour, AFailedClaimSaysWhatWasExpectedAndWhatWasSeen) {
  const Told told = tell_story([](Lesson& lesson) {
    lesson.claim(1);
    lesson.equal("faults", 1000, Number(1003));
    lesson.equal("frames", 1, Number(1));
    lesson.claim(2);
    lesson.equal("fine", 1, Number(1));
  });
  EXPECT_EQ(told.tally.failed, 1);
  const auto failed = told.lines_with("WRONG");
  ASSERT_EQ(failed.size(), 1u) << told.text;
  EXPECT_EQ(failed[0], "  WRONG  claim 1: faults: expected 1,000, seen 1,003");
  EXPECT_EQ(told.lines_with("OK").size(), 1u);
}

TEST(Tour, EveryKindOfCheckCanFail) {
  const std::vector<void (*)(Lesson&)> failing = {
      [](Lesson& lesson) { lesson.equal("n", 1, Number(2)); },
      [](Lesson& lesson) { lesson.between("n", 1, 3, Number(0)); },
      [](Lesson& lesson) { lesson.between("n", 1, 3, Number(4)); },
      [](Lesson& lesson) { lesson.equal("t", "a", std::optional<std::string>("b")); },
      [](Lesson& lesson) { lesson.holds("h", false); },
      [](Lesson& lesson) { lesson.answer("a", true, Number(0)); },
      [](Lesson& lesson) { lesson.answer("a", false, Number(1)); },
      [](Lesson& lesson) { lesson.answer("a", true, Number(2)); },
      [](Lesson& lesson) { lesson.run({{"cat"}}, 3); },
  };
  for (std::size_t i = 0; i < failing.size(); ++i) {
    const Chapter chapter{"one", "one", {{1, "a claim"}}, nullptr};
    const Bench bench = bench_of([](const Guest&) { return good_run(); });
    Output output([](std::string_view) {}, Colour::No);
    Lesson lesson(chapter, bench, output);
    lesson.claim(1);
    lesson.equal("one that passes", 1, Number(1));
    failing[i](lesson);
    EXPECT_EQ(lesson.finish().failed, 1) << "check " << i;
  }
}

TEST(Tour, AMissingNumberNeverPasses) {
  const Told told = tell_story([](Lesson& lesson) {
    lesson.claim(1);
    lesson.equal("missing", 0, Number());
    lesson.claim(2);
    lesson.between("missing", -100, 100, difference(Number(1), Number()));
    lesson.answer("missing", false, Number());
    lesson.equal("missing", "", std::nullopt);
  });
  EXPECT_EQ(told.tally.failed, 2);
  EXPECT_NE(told.text.find("seen nothing"), std::string::npos);
}

TEST(Tour, AClaimWithoutAnyCheckDoesNotHold) {
  const Told told = tell_story([](Lesson& lesson) {
    lesson.claim(1);
    lesson.claim(2);
    lesson.holds("checked", true);
  });
  EXPECT_EQ(told.tally.judged, 2);
  EXPECT_EQ(told.tally.failed, 1);
}

TEST(Tour, AClaimThatTheChapterForgetsDoesNotHold) {
  const Told told = tell_story([](Lesson& lesson) {
    lesson.claim(2);
    lesson.holds("checked", true);
  });
  EXPECT_EQ(told.tally.judged, 2);
  EXPECT_EQ(told.tally.failed, 1);
  EXPECT_EQ(told.lines_with("claim 1: ").size(), 1u) << told.text;
}

void run_cat_for_both(Lesson& lesson) {
  lesson.claim(1);
  lesson.run({{"cat"}});
  lesson.claim(2);
  lesson.holds("checked", true);
}

TEST(Tour, AGuestThatFailsOrLosesEventsOrHasNoReportFailsItsClaim) {
  EXPECT_EQ(tell_story(run_cat_for_both).tally.failed, 0);
  GuestRun refused = good_run();
  refused.exit_code = 125;
  refused.errors = "pagefold: no userfaultfd here\nmore\n";
  const Told told = tell_story(run_cat_for_both, refused);
  EXPECT_EQ(told.tally.failed, 1);
  EXPECT_NE(told.text.find("WRONG  claim 1: exit code of cat: expected 0, seen 125"), std::string::npos) << told.text;
  EXPECT_NE(told.text.find("exit code 125 (not 0) pagefold: no userfaultfd here\n"), std::string::npos) << told.text;
  GuestRun lossy = good_run();
  lossy.report["lost_events"] = 1;
  EXPECT_EQ(tell_story(run_cat_for_both, lossy).tally.failed, 1);
  GuestRun silent = good_run();
  silent.report = nullptr;
  EXPECT_EQ(tell_story(run_cat_for_both, silent).tally.failed, 1);
}

// What cannot be tried here is left out, with the reason and the remedy; what was tried and failed counts.
TEST(Tour, AnAttemptThatCannotBeMadeIsNoCheckButAFailedOneIs) {
  const auto story = [](Lesson& lesson) {
    lesson.claim(1);
    lesson.holds("something else", true);
    const auto run = lesson.attempt({{"./loaded32"}, Where::Host}, "apt-get install libc6-i386");
    lesson.claim(2);
    lesson.holds("was made", run.has_value());
  };
  GuestRun missing = good_run();
  missing.exit_code = 125;
  missing.errors = "loaded32: No such file or directory\n";
  const Told left_out = tell_story(story, missing);
  EXPECT_EQ(left_out.tally.failed, 1) << left_out.text;
  EXPECT_EQ(left_out.lines_with("OK     claim 1: 1 checks").size(), 1u) << left_out.text;
  EXPECT_NE(left_out.text.find("left out: loaded32: No such file or directory\n"), std::string::npos) << left_out.text;
  EXPECT_NE(left_out.text.find("remedy: apt-get install libc6-i386\n"), std::string::npos) << left_out.text;
  GuestRun crashed = good_run();
  crashed.exit_code = 139;
  EXPECT_EQ(tell_story(story, crashed).tally.failed, 1);
  EXPECT_EQ(tell_story(story, crashed).lines_with("WRONG  claim 1").size(), 1u);
}

TEST(Tour, ACommandIsWrappedAsAShellTakesIt) {
  const Told told = tell_story([](Lesson& lesson) {
    lesson.claim(1);
    lesson.run({{"objdump", std::string(60, 'x'), "code.bin"}, Where::Host, {}, {"LANG=C"}});
    lesson.claim(2);
    lesson.holds("fine", true);
  });
  EXPECT_NE(
      told.text.find("      $ env LANG=C objdump \\\n          " + std::string(60, 'x') + " \\\n          code.bin"),
      std::string::npos)
      << told.text;
  for (const std::string& line : told.lines()) EXPECT_LE(line.size(), 80u) << line;
}

TEST(Tour, OnlyVerdictsHaveTheWordsWhateverAGuestPrints) {
  const GuestRun loud = good_run("OK all is WRONG: OKOK\nkey: WRONGOK\n");
  const Told told = tell_story(
      [](Lesson& lesson) {
        lesson.say("What is OK and what is WRONG?");
        lesson.claim(1);
        const GuestRun run = lesson.run({{"./OK", "WRONG"}});
        lesson.show_lines(run, "");
        lesson.equal("key OK", "OK", run.text("key"));
        lesson.subtler("WRONG or OK");
        lesson.claim(2);
        lesson.holds("OK", true);
      },
      loud);
  EXPECT_EQ(told.lines_with("OK"), std::vector<std::string>{"  OK     claim 2: 1 checks"}) << told.text;
  EXPECT_EQ(told.lines_with("WRONG").size(), 1u) << told.text;
}

TEST(Tour, NumbersAreGroupedByThousands) {
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(1000), "1,000");
  EXPECT_EQ(grouped(-123456), "-123,456");
  EXPECT_EQ(grouped(-1234567), "-1,234,567");
}

TEST(Tour, LinesFitEightyColumnsAndColourIsAsked) {
  const auto story = [](Lesson& lesson) {
    lesson.say(std::string(30, 'x') + " " + std::string(47, 'y') + " " + std::string(60, 'z'));
    lesson.claim(1);
    lesson.equal(std::string(70, 'w'), 1'000'000'000'000, Number(7));
    lesson.show(std::string(200, 'v'));
    lesson.claim(2);
    lesson.holds("fine", true);
  };
  const Told plain = tell_story(story);
  for (const std::string& line : plain.lines()) EXPECT_LE(line.size(), 80u) << line;
  EXPECT_EQ(plain.text.find('\033'), std::string::npos);
  EXPECT_NE(tell_story(story, good_run(), Colour::Yes).text.find('\033'), std::string::npos);
}

// With guests that say nothing no claim of any chapter can hold; and each is judged exactly once, on one line.
TEST(Tour, NoChapterHoldsWithoutEvidence) {
  for (const Chapter& chapter : chapters()) {
    const Bench bench = bench_of([](const Guest&) {
      GuestRun run = good_run();
      run.report = {{"lost_events", 0}};
      return run;
    });
    Told told;
    Output output([&](std::string_view text) { told.text += text; }, Colour::No);
    told.tally = tell({&chapter}, bench, output);
    const std::size_t verdicts = std::max<std::size_t>(1, chapter.claims.size());
    EXPECT_EQ(told.tally.judged, static_cast<int>(verdicts)) << chapter.name;
    EXPECT_EQ(told.tally.failed, told.tally.judged) << told.text;
    EXPECT_EQ(told.lines_with("WRONG").size(), verdicts) << told.text;
    EXPECT_TRUE(told.lines_with("OK").empty()) << told.text;
    for (const std::string& line : told.lines()) EXPECT_LE(line.size(), 80u) << line;
  }
}

TEST(Tour, ChaptersAreFoundUnderTheNamesPeopleType) {
  for (const char* name : {"first-touch", "first touch", "First Touch", "first_touch"}) {
    ASSERT_NE(find_chapter(name), nullptr) << name;
    EXPECT_EQ(find_chapter(name)->name, "first-touch");
  }
  EXPECT_EQ(find_chapter("second-touch"), nullptr);
  const auto spoken = choose({"maps", "one", "libc", "zeros"});
  ASSERT_TRUE(spoken);
  ASSERT_EQ(spoken->size(), 3u);
  EXPECT_EQ((*spoken)[1]->name, "one-libc");
  EXPECT_EQ(choose({})->size(), chapters().size());
  EXPECT_EQ(choose({"maps", "one", "lib"}).error().context, "one");
}

TEST(Tour, TheListNamesEveryChapterOnALine) {
  const std::string list = list_of(chapters());
  EXPECT_EQ(std::ranges::count(list, '\n'), static_cast<std::ptrdiff_t>(chapters().size()));
  EXPECT_NE(list.find("mmap                files as memory, and memory without a file [10-13, 15-16]\n"), std::string::npos) << list;
  for (const Chapter& chapter : chapters())  // the titles stand below each other
    EXPECT_NE(list.find(chapter.name + std::string(20 - chapter.name.size(), ' ') + chapter.title), std::string::npos) << list;
}

TEST(GuestRun, AnswersFromOutputAndReport) {
  const GuestRun run = good_run("pages: 12\npages more: 13\nname: a b\nbad: 12x\nlast: 5");
  EXPECT_EQ(run.number("pages"), Number(12));
  EXPECT_EQ(run.number("last"), Number(5));
  EXPECT_EQ(run.text("name"), "a b");
  EXPECT_EQ(run.number("bad"), Number());
  EXPECT_EQ(run.number("absent"), Number());
  EXPECT_EQ(run.faults("zero_fill"), Number(12));
  EXPECT_EQ(run.fault_bytes("zero_fill"), Number(49152));
  EXPECT_EQ(run.faults("file_cold"), Number());
  EXPECT_EQ(run.all_faults(), Number()) << "a cause is missing";
  EXPECT_EQ(run.peak_resident(), Number(8192));
  EXPECT_EQ(run.object("/libc.so.6", "mapped_bytes"), Number(4096));
  EXPECT_EQ(run.object("/libc.so.6", "private_bytes"), Number());
  EXPECT_EQ(run.object("/libm.so.6", "mapped_bytes"), Number());
  EXPECT_TRUE(run.ran("cat"));
  EXPECT_FALSE(run.ran("at"));
}

TEST(MapsText, ReadsTheColumnsAndLeavesOutWhatIsNoLine) {
  const auto lines = parse_maps(
      "7f00-8f00 r-xp 00002000 fe:00 332835     /usr/lib/a b.so\n"
      "7ffd000-7ffe000 rw-p 00000000 00:00 0 \nnot a line\n"
      "9000-a000 rwzp 00000000 00:00 0\n");
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0].range, (VirtRange{0x7f00, 0x8f00}));
  EXPECT_EQ(lines[0].permissions, "r-xp");
  EXPECT_EQ(lines[0].offset, 0x2000u);
  EXPECT_EQ(lines[0].name, "/usr/lib/a b.so");
  EXPECT_EQ(brief(lines[0]), "7f00-8f00 r-xp 00002000 .../a b.so");
  EXPECT_EQ(lines[1].name, "");
}

TEST(Disassembly, TakesInstructionsFromObjdumpsOutput) {
  const auto instructions = instructions_in(
      "\ncode.bin:     file format binary\n\n\nDisassembly of section .data:\n\n"
      "00007ff84ba4c0f9 <.data>:\n"
      "    7ff84ba4c0f9:\tmov    0x2f0d(%rip),%eax        # 0x7ff84ba4f00c\n"
      "    7ff84ba4c108:\tret\n");
  ASSERT_EQ(instructions.size(), 2u);
  EXPECT_EQ(instructions[0], "mov 0x2f0d(%rip),%eax # 0x7ff84ba4f00c");
  EXPECT_EQ(instructions[1], "ret");
  EXPECT_EQ((Disassembly{true, instructions}.count("(%rip)")), 1u);
}

TEST(Disassembly, TakesBytesFromHexadecimalWordsOnly) {
  EXPECT_EQ(bytes_from_hex("8b 05 00 ff"), std::string("\x8b\x05\0\xff", 4));
  for (const char* other : {"", "8b 5", "8b 005", "xx", "8b zz"}) EXPECT_EQ(bytes_from_hex(other), "") << other;
}

// A `pagefold` made of shell: it writes the report where it is told and runs the program.
class WorkshopTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "workshop-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    home_ = name;
    std::filesystem::create_directory(home_ / "tour");
    script(home_ / "tour/mmap", "echo lesson: $1\n");
    script(home_ / "pagefold",
           "[ \"$1 $2 $3 $5 $6\" = 'run -q --json --fault-around=1 --' ] || exit 9\n"
           "echo '{\"lost_events\": 0}' > \"$4\"\nshift 6\nexec \"$@\"\n");
  }
  void TearDown() override { std::filesystem::remove_all(home_); }

  static void script(const std::filesystem::path& path, const std::string& text) {
    std::ofstream(path) << "#!/bin/sh\n" << text;
    ::chmod(path.c_str(), 0755);
  }

  std::filesystem::path home_;
};

TEST_F(WorkshopTest, RunsAGuestAndCollectsWhatItLeaves) {
  auto workshop = Workshop::open((home_ / "pagefold").string());
  ASSERT_TRUE(workshop) << workshop.error().message();
  const GuestRun own = workshop->run({{"./mmap", "7"}});
  EXPECT_EQ(own.exit_code, 0) << own.errors;
  EXPECT_EQ(own.number("lesson"), Number(7));
  EXPECT_EQ(own.lost_events(), Number(0));
  EXPECT_EQ(workshop->run({{"sh", "-c", "echo lesson: $WORD"}, Where::Pagefold, {}, {"WORD=8"}}).number("lesson"),
            Number(8));
  EXPECT_EQ(workshop->run({{"echo", "./libmap.so"}, Where::Host}).output, (home_ / "tour/libmap.so").string() + "\n");
  const std::string input(300'000, 'i');
  EXPECT_EQ(workshop->run({{"cat"}, Where::Pagefold, input}).output, input);
  ASSERT_TRUE(workshop->write("note.txt", "hello"));
  const GuestRun native =
      workshop->run({{"sh", "-c", "cat note.txt; echo oops >&2; printf x > left.txt; kill -9 $$"}, Where::Host});
  EXPECT_EQ(native.output, "hello");
  EXPECT_EQ(native.errors, "oops\n");
  EXPECT_EQ(native.exit_code, 128 + 9);
  EXPECT_EQ(native.lost_events(), Number()) << "the report of an earlier run must not be taken for this one's";
  EXPECT_EQ(workshop->read("left.txt").value_or(""), "x");
}

TEST_F(WorkshopTest, SaysWhyAProgramCannotRunAndRemovesItsDirectory) {
  std::string directory;
  {
    auto workshop = Workshop::open((home_ / "pagefold").string());
    ASSERT_TRUE(workshop);
    directory = workshop->run({{"pwd"}, Where::Host}).output;
    directory.pop_back();
    EXPECT_TRUE(std::filesystem::is_directory(directory));
    const GuestRun none = workshop->run({{"no-such-program-here"}, Where::Host});
    EXPECT_EQ(none.exit_code, 125);
    EXPECT_NE(none.errors.find("No such file"), std::string::npos);
  }
  EXPECT_FALSE(std::filesystem::exists(directory));
  EXPECT_FALSE(Workshop::open((home_ / "tour/elsewhere/pagefold").string()));
}

}  // namespace
}  // namespace pagefold::tour
