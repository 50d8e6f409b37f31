// The text formats of /proc against the native files of this very process: the same lines, fields and columns.
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

#include "unit/native_process.h"
#include "unit/smaps_flags.h"
#include "view/proc_text.h"

namespace pagefold::view {
namespace {

using test::flags_of;
using test::lines_of;
using test::parse_smaps;
using test::read_file;

// A line with every run of digits (or hexadecimal digits) and padding reduced to one: what remains is its shape.
std::string shape(const std::string& line) {
  std::string shape;
  for (const char c : line) {
    const bool digit = c >= '0' && c <= '9';
    const char kind = digit ? '#' : c;
    const bool repeats = !shape.empty() && shape.back() == kind && (digit || c == ' ');
    if (!repeats) shape += kind;
  }
  return shape;
}

// A number with a unit in smaps and status, padded: the width of the line is part of its shape.
std::string label_of(const std::string& line) { return line.substr(0, line.find(':')); }

#ifdef __SANITIZE_ADDRESS__
constexpr bool kMemoryMoves = true;
#else
constexpr bool kMemoryMoves = false;
#endif

TEST(Native, MapsOfThisProcessComeOutByteForByte) {
  const std::string native = read_file("/proc/self/maps");
  std::string printed;
  for (const std::string& line : lines_of(native)) printed += maps_line(test::parse_maps_line(line)) + '\n';
  EXPECT_EQ(printed, native);
}

TEST(Native, SmapsOfThisProcessHasTheSameFieldsInTheSameColumns) {
  const std::string native = read_file("/proc/self/smaps");
  std::vector<std::string> printed;
  for (const MappingView& mapping : parse_smaps(native).mappings) {
    ProcessView single;
    single.mappings = {mapping};
    for (std::string& line : lines_of(smaps_text(single))) printed.push_back(std::move(line));
  }
  const std::vector<std::string> expected = lines_of(native);
  ASSERT_EQ(printed.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    ASSERT_EQ(label_of(printed[i]), label_of(expected[i])) << "line " << i;
    if (label_of(expected[i]) == "VmFlags") continue;
    EXPECT_EQ(shape(printed[i]), shape(expected[i])) << "line " << i;
    EXPECT_EQ(printed[i].size(), expected[i].size()) << printed[i];
  }
}

TEST(Native, FlagsOfPrivateMappingsAgree) {
  const std::string native = read_file("/proc/self/smaps");
  std::vector<std::string> expected;
  for (const std::string& line : lines_of(native)) {
    if (line.starts_with("VmFlags:")) expected.push_back(line);
  }
  const auto mappings = parse_smaps(native).mappings;
  ASSERT_EQ(mappings.size(), expected.size());
  int compared = 0;
  for (std::size_t i = 0; i < mappings.size(); ++i) {
    // Advice about huge pages, and shared or once writable mappings, cannot be told from the text of smaps.
    const bool plain = expected[i].find(" nh") == std::string::npos && expected[i].find(" hg") == std::string::npos &&
                       expected[i].find(" nr") == std::string::npos && !mappings[i].shared;
    const bool once_writable = !mappings[i].write && expected[i].find(" ac") != std::string::npos;
    if (!plain || once_writable) continue;
    EXPECT_EQ(flags_of(mappings[i], host_smaps_format().soft_dirty), expected[i]) << maps_line(mappings[i]);
    ++compared;
  }
  EXPECT_GT(compared, 5);
}

TEST(Native, RollupOfThisProcessHasTheSameFieldsInTheSameColumns) {
  const auto expected = lines_of(read_file("/proc/self/smaps_rollup"));
  const auto printed = lines_of(smaps_rollup_text(parse_smaps(read_file("/proc/self/smaps"))));
  ASSERT_EQ(printed.size(), expected.size());
  for (std::size_t i = 1; i < expected.size(); ++i) {
    EXPECT_EQ(label_of(printed[i]), label_of(expected[i]));
    EXPECT_EQ(printed[i].size(), expected[i].size()) << printed[i];
  }
  EXPECT_EQ(shape(printed[0]).back(), ']');
  EXPECT_EQ(printed[0].find("[rollup]"), expected[0].find("[rollup]"));
}

TEST(Native, SizesOfStatmFollowTheKernelsRules) {
  if (kMemoryMoves) GTEST_SKIP() << "AddressSanitizer maps memory of its own between two readings";
  const test::NativeTexts texts = test::native_texts();
  std::istringstream native(texts.statm);
  std::istringstream printed(statm_text(parse_smaps(texts.smaps)));
  for (int column = 0; column < 7; ++column) {
    Bytes expected = 0;
    Bytes value = 0;
    native >> expected;
    printed >> value;
    const bool mapped_size = column == 0 || column == 3 || column == 5;  // size, text, data: exact
    if (mapped_size) {
      EXPECT_EQ(value, expected) << "column " << column;
    }
  }
  EXPECT_TRUE(native && printed);
}

TEST(Native, StatusOfThisProcessKeepsEveryLineAndItsWidth) {
  if (kMemoryMoves) GTEST_SKIP() << "AddressSanitizer maps memory of its own between two readings";
  const test::NativeTexts texts = test::native_texts();
  const auto expected = lines_of(texts.status);
  const auto printed = lines_of(status_text(texts.status, parse_smaps(texts.smaps)));
  ASSERT_EQ(printed.size(), expected.size());
  const std::vector<std::string> exact = {"VmSize", "VmLck", "VmStk", "VmExe", "VmLib", "VmData"};
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(label_of(printed[i]), label_of(expected[i]));
    EXPECT_EQ(printed[i].size(), expected[i].size()) << printed[i];
    const bool is_exact = std::ranges::find(exact, label_of(expected[i])) != exact.end();
    const bool is_memory = expected[i].starts_with("Vm") || expected[i].starts_with("Rss");
    if (is_exact || !is_memory) {
      EXPECT_EQ(printed[i], expected[i]);
    }
  }
}

TEST(Native, StatOfThisProcessKeepsItsOtherFields) {
  if (kMemoryMoves) GTEST_SKIP() << "AddressSanitizer maps memory of its own between two readings";
  const test::NativeTexts texts = test::native_texts();
  ProcessView process = parse_smaps(texts.smaps);
  process.minor_faults = 987654321;
  std::istringstream expected(texts.stat);
  std::istringstream printed(stat_text(texts.stat, process));
  std::string was;
  std::string is;
  int field = 0;
  while (expected >> was) {
    ++field;
    ASSERT_TRUE(printed >> is);
    const bool compared = field != 12 && field != 24;  // faults and resident pages: the model's
    if (compared) {
      EXPECT_EQ(is, field == 10 ? "987654321" : was) << "field " << field;
    }
  }
  EXPECT_EQ(field, 52);
  EXPECT_FALSE(printed >> is);
}

}  // namespace
}  // namespace pagefold::view
