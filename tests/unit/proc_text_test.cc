// The text formats of /proc, golden: what each line says. Their native shape: proc_native_test.cc.
#include <gtest/gtest.h>
#include <sys/sysmacros.h>

#include <string>
#include <vector>

#include "unit/smaps_flags.h"
#include "view/memory_totals.h"
#include "view/merge.h"
#include "view/proc_text.h"

namespace pagefold::view {
namespace {

using test::flags_of;
using test::lines_of;

MappingView text_of_cat() {
  MappingView mapping;
  mapping.range = {0x5652eed66000, 0x5652eed6b000};
  mapping.read = mapping.execute = mapping.file = true;
  mapping.offset = 0x2000;
  mapping.device = makedev(0xfe, 0);
  mapping.inode = 247134;
  mapping.name = "/usr/bin/cat";
  mapping.pages.resident = 20480;
  mapping.pages.proportional = 10240;
  mapping.pages.shared_clean = 20480;
  return mapping;
}

MappingView anonymous(VirtRange range, std::string name) {
  MappingView mapping;
  mapping.range = range;
  mapping.read = mapping.write = true;
  mapping.name = std::move(name);
  mapping.pages.resident = mapping.pages.proportional = mapping.pages.private_dirty = mapping.pages.anonymous = 4096;
  return mapping;
}

ProcessView cat() {
  ProcessView process;
  process.exe = "/usr/bin/cat";
  process.mappings = {text_of_cat(), anonymous({0x5652ef000000, 0x5652ef021000}, "[heap]"),
                      anonymous({0x7f0000000000, 0x7f0000002000}, "")};
  process.heap = {0x5652ef000000, 0x5652ef021000};
  return process;
}

TEST(Maps, ShowsEachMappingAsTheKernelDoes) {
  EXPECT_EQ(maps_text(cat()),
            "5652eed66000-5652eed6b000 r-xp 00002000 fe:00 247134                     /usr/bin/cat\n"
            "5652ef000000-5652ef021000 rw-p 00000000 00:00 0                          [heap]\n"
            "7f0000000000-7f0000002000 rw-p 00000000 00:00 0 \n");
}

TEST(Maps, PadsLowAddressesAndEscapesOnlyNewlines) {
  MappingView mapping = text_of_cat();
  mapping.range = {0x400000, 0x401000};
  mapping.name = "/tmp/a\nb \\c\td (deleted)";
  EXPECT_EQ(maps_line(mapping),
            "00400000-00401000 r-xp 00002000 fe:00 247134                             /tmp/a\\012b \\c\td (deleted)");
}

TEST(Maps, NeverCutsOffWhatIsWiderThanItsColumn) {
  MappingView mapping = text_of_cat();
  mapping.offset = 0x123456789000;
  mapping.device = makedev(259, 1234);
  mapping.inode = 18446744073709551615U;
  EXPECT_EQ(maps_line(mapping),
            "5652eed66000-5652eed6b000 r-xp 123456789000 103:4d2 18446744073709551615  /usr/bin/cat");
}

TEST(Merge, TheTwoPiecesOfTheStackBecomeOneLineWithAddedCounts) {
  ProcessView process;
  process.mappings = {anonymous({0x7ffd00000000, 0x7ffd00020000}, "[stack]"),
                      anonymous({0x7ffd00020000, 0x7ffd00022000}, "[stack]")};
  process.mappings[0].grows_down = true;
  process.mappings[0].runs = {{0x7ffd00000000, 32, PageState::Private}};
  process.mappings[1].host_mapped = true;
  process.mappings[1].runs = {{0x7ffd00020000, 2, PageState::Host}};
  const auto merged = merge_adjacent(process.mappings);
  ASSERT_EQ(merged.size(), 1U);
  EXPECT_EQ(merged[0].range, (VirtRange{0x7ffd00000000, 0x7ffd00022000}));
  EXPECT_EQ(merged[0].pages.resident, 8192U);
  EXPECT_EQ(merged[0].runs.size(), 2U);
  EXPECT_TRUE(merged[0].grows_down);
  EXPECT_FALSE(merged[0].host_mapped);
  EXPECT_EQ(maps_text(process), "7ffd00000000-7ffd00022000 rw-p 00000000 00:00 0                          [stack]\n");
}

TEST(Merge, PiecesOfAFileJoinOnlyWhereOffsetsContinue) {
  MappingView first = text_of_cat();
  MappingView next = first;
  next.range = {first.range.end, first.range.end + kPageSize};
  next.offset = first.offset + first.range.size();
  EXPECT_EQ(merge_adjacent({first, next}).size(), 1U);
  next.offset += kPageSize;
  EXPECT_EQ(merge_adjacent({first, next}).size(), 2U);
}

TEST(Merge, ReadOnlyDataThatWasWrittenStaysApartFromWhatNeverWas) {  // RELRO, as Linux shows it (VM_ACCOUNT)
  MappingView first = text_of_cat();
  MappingView relro = first;
  relro.range = {first.range.end, first.range.end + kPageSize};
  relro.offset = first.offset + first.range.size();
  relro.was_writable = true;
  EXPECT_EQ(merge_adjacent({first, relro}).size(), 2U);
}

TEST(Merge, WhatDiffersInNameProtectionFlagsOrPlaceStaysApart) {
  const MappingView first = anonymous({0x1000, 0x2000}, "");
  const MappingView same = anonymous({0x2000, 0x3000}, "");
  EXPECT_EQ(merge_adjacent({first, same}).size(), 1U);
  MappingView other = same;
  other.name = "[heap]";
  EXPECT_EQ(merge_adjacent({first, other}).size(), 2U);
  other = same;
  other.write = false;
  EXPECT_EQ(merge_adjacent({first, other}).size(), 2U);
  other = same;
  other.dont_fork = true;
  EXPECT_EQ(merge_adjacent({first, other}).size(), 2U);
  other = same;
  other.range = {0x3000, 0x4000};
  EXPECT_EQ(merge_adjacent({first, other}).size(), 2U);
}

TEST(Smaps, ShowsTheCountsOfOneMapping) {
  ProcessView process;
  process.mappings = {text_of_cat()};
  EXPECT_EQ(smaps_text(process, common_smaps_format()),
            "5652eed66000-5652eed6b000 r-xp 00002000 fe:00 247134                     /usr/bin/cat\n"
            "Size:                 20 kB\n"
            "KernelPageSize:        4 kB\n"
            "MMUPageSize:           4 kB\n"
            "Rss:                  20 kB\n"
            "Pss:                  10 kB\n"
            "Pss_Dirty:             0 kB\n"
            "Shared_Clean:         20 kB\n"
            "Shared_Dirty:          0 kB\n"
            "Private_Clean:         0 kB\n"
            "Private_Dirty:         0 kB\n"
            "Referenced:           20 kB\n"
            "Anonymous:             0 kB\n"
            "KSM:                   0 kB\n"
            "LazyFree:              0 kB\n"
            "AnonHugePages:         0 kB\n"
            "ShmemPmdMapped:        0 kB\n"
            "FilePmdMapped:         0 kB\n"
            "Shared_Hugetlb:        0 kB\n"
            "Private_Hugetlb:       0 kB\n"
            "Swap:                  0 kB\n"
            "SwapPss:               0 kB\n"
            "Locked:                0 kB\n"
            "THPeligible:           0\n"
            "VmFlags: rd ex mr mw me \n");
}

TEST(Smaps, NamesTheFlagsInTheKernelsOrder) {
  MappingView mapping = anonymous({0x1000, 0x2000}, "");
  EXPECT_EQ(flags_of(mapping), "VmFlags: rd wr mr mw me ac ");
  EXPECT_EQ(flags_of(mapping, true), "VmFlags: rd wr mr mw me ac sd ");
  mapping.grows_down = mapping.locked = mapping.dont_fork = mapping.wipe_on_fork = mapping.dont_dump = true;
  EXPECT_EQ(flags_of(mapping), "VmFlags: rd wr mr mw me gd lo dc ac wf dd ");
  mapping = anonymous({0x1000, 0x2000}, "");
  mapping.no_reserve = true;
  EXPECT_EQ(flags_of(mapping), "VmFlags: rd wr mr mw me nr ");
  mapping = text_of_cat();
  mapping.shared = true;
  mapping.execute = false;
  EXPECT_EQ(flags_of(mapping), "VmFlags: rd sh mr mw me ms ");
  mapping.may_write = false;
  EXPECT_EQ(flags_of(mapping), "VmFlags: rd mr me ms ");
}

TEST(Smaps, KnowsTheFlagsOfTheKernelsSpecialMappings) {
  MappingView mapping = anonymous({0x1000, 0x2000}, "[vdso]");
  EXPECT_EQ(flags_of(mapping), "VmFlags: rd ex mr mw me de ");
  mapping.name = "[vvar]";
  EXPECT_EQ(flags_of(mapping), "VmFlags: rd mr pf io de dd ");
  mapping.name = "[vsyscall]";
  mapping.read = false;
  EXPECT_EQ(flags_of(mapping), "VmFlags: ex ");
}

TEST(Smaps, LearnsTheFieldsFromTheHost) {
  const SmapsFormat learned = learn_smaps_format(
      "00400000-00401000 r--p 00000000 fe:00 1 /a: b\nSize: 4 kB\nNews: 0 kB\nProtectionKey: 0\nVmFlags: rd sd \n", "");
  ASSERT_EQ(learned.mapping.size(), 3U);
  EXPECT_EQ(learned.mapping[1].name, "News");
  EXPECT_FALSE(learned.mapping[2].kilobytes);
  EXPECT_TRUE(learned.soft_dirty);
  EXPECT_EQ(learned.rollup.size(), common_smaps_format().rollup.size());
  ProcessView process;
  process.mappings = {text_of_cat()};
  EXPECT_NE(smaps_text(process, learned).find("News:                  0 kB\nProtectionKey:         0\nVmFlags: "),
            std::string::npos);
}

TEST(SmapsRollup, SumsUpTheWholeProcessWithoutTheGatePage) {
  ProcessView process = cat();
  process.mappings.push_back(anonymous({0xffffffffff600000, 0xffffffffff601000}, "[vsyscall]"));
  const auto lines = lines_of(smaps_rollup_text(process, common_smaps_format()));
  EXPECT_EQ(lines.at(0), "5652eed66000-7f0000002000 ---p 00000000 00:00 0                          [rollup]");
  EXPECT_EQ(lines.at(1), "Rss:                  28 kB");
  EXPECT_EQ(lines.at(2), "Pss:                  18 kB");
  EXPECT_EQ(lines.at(3), "Pss_Dirty:             8 kB");
  EXPECT_EQ(lines.at(4), "Pss_Anon:              8 kB");
  EXPECT_EQ(lines.at(5), "Pss_File:             10 kB");
  EXPECT_EQ(lines.at(6), "Pss_Shmem:             0 kB");
}

TEST(Statm, CountsPages) { EXPECT_EQ(statm_text(cat()), "40 7 5 5 0 35 0\n"); }

TEST(Status, ReplacesTheMemoryFieldsAndNothingElse) {
  ProcessView process = cat();
  process.peak_virtual = 1 << 20;
  EXPECT_EQ(
      status_text("Name:\tcat\nVmPeak:\t    3708 kB\nVmRSS:\t    1752 kB\nVmExe:\t      20 kB\nVmLib:\t    1528 kB\n"
                  "HugetlbPages:\t       0 kB\nThreads:\t1\n",
                  process),
      "Name:\tcat\nVmPeak:\t    1024 kB\nVmRSS:\t      28 kB\nVmExe:\t      20 kB\nVmLib:\t       0 kB\n"
      "HugetlbPages:\t       0 kB\nThreads:\t1\n");
}

TEST(Status, OfAZombieStaysAsItIs) {
  const std::string zombie = "Name:\tgone\nState:\tZ (zombie)\nThreads:\t1\n";
  EXPECT_EQ(status_text(zombie, ProcessView{}), zombie);
}

TEST(Stat, ReplacesFaultsSizesAndTheStartOfTheHeap) {
  ProcessView process = cat();
  process.minor_faults = 111;
  process.major_faults = 222;
  process.heap = {4096, 8192};
  const std::string before = "3866 (a) b (c) R 3860 3860 2341 0 -1 4194304 ";
  EXPECT_EQ(
      stat_text(before + "102 3 4 5 0 0 0 0 20 0 1 0 140820 3133440 413 18446744073709551615 11 12 13 0 0 0 0 0 0 0 0 0"
                         " 17 0 0 0 0 0 0 21 22 94651365822464 31 32 33 34 0\n",
                process),
      before +
          "111 3 222 5 0 0 0 0 20 0 1 0 140820 163840 7 18446744073709551615 11 12 13 0 0 0 0 0 0 0 0 0"
          " 17 0 0 0 0 0 0 21 22 4096 31 32 33 34 0\n");
}

TEST(Stat, KeepsWhatTheHostHidesFromTheReader) {
  const std::string hidden =
      "1 (x) S 0 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 1 0 0 1 1 1 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n";
  EXPECT_EQ(stat_text(hidden, cat()), hidden);
  EXPECT_EQ(stat_text("no stat line", cat()), "no stat line");
  EXPECT_EQ(stat_text("1 (x) S 2", cat()), "1 (x) S 2");
}

TEST(Limits, ReplacesTheTwoThatPagefoldKeeps) {
  ProcessView process;
  process.data = {64 << 20, ~Bytes{0}};
  process.address_space = {1 << 30, 2u << 30};
  EXPECT_EQ(limits_text("Limit                     Soft Limit           Hard Limit           Units     \n"
                        "Max data size             unlimited            unlimited            bytes     \n"
                        "Max stack size            8388608              unlimited            bytes     \n"
                        "Max address space         unlimited            unlimited            bytes     \n",
                        process),
            "Limit                     Soft Limit           Hard Limit           Units     \n"
            "Max data size             67108864             unlimited            bytes     \n"
            "Max stack size            8388608              unlimited            bytes     \n"
            "Max address space         1073741824           2147483648           bytes     \n");
  EXPECT_EQ(limits_text("no limits", process), "no limits");
}

TEST(Totals, PageTablesAreCountedOncePerSpanThatHoldsAPage) {
  ProcessView process;
  process.mappings = {anonymous({0x10000, 0x12000}, ""), anonymous({0x20000, 0x22000}, "x")};
  EXPECT_EQ(memory_totals(process).page_tables, 3 * kPageSize);  // both in the same span of every level
  process.mappings.push_back(anonymous({0x7f0000000000, 0x7f0040000000}, "y"));
  EXPECT_EQ(memory_totals(process).page_tables, 6 * kPageSize);  // one page resident: one table a level
  process.mappings.back().pages.resident = 0;
  EXPECT_EQ(memory_totals(process).page_tables, 3 * kPageSize);
}

}  // namespace
}  // namespace pagefold::view
