// The log of a run: what was added comes back, and a tail that was torn off, at any byte, is left out and no more.
#include "crash/log.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>

#include "crash_scene.h"
#include "scratch_file.h"

namespace pagefold::crash {
namespace {

LogBuilder sample() {
  static const std::vector<std::byte> bytes(3, std::byte{'x'});
  LogBuilder log;
  log.add({});
  Event create{.kind = EventKind::Create, .file = 7, .directory = kRoot};
  create.name = "data.db";
  create.mode = 0600;
  create.code = 3;
  log.add(create);
  Event write{.kind = EventKind::Write, .file = 7, .offset = 5, .length = 3, .size = 8};
  write.pieces = {{5, bytes, 0}, {100, {}, 28}};
  write.process = 42;
  write.covers = 1;
  log.add(write);
  return log;
}

TEST(CrashLog, WhatWasAddedComesBack) {
  const Log log = sample().log();
  ASSERT_EQ(log.events().size(), 3U);
  EXPECT_EQ(log.begin(), 1U);
  EXPECT_EQ(log.bytes_cut(), 0U);
  EXPECT_EQ(log.events()[1].name, "data.db");
  EXPECT_EQ(log.events()[1].mode, 0600U);
  EXPECT_EQ(log.events()[1].code, 3U);
  const Event& write = log.events()[2];
  EXPECT_EQ(write.kind, EventKind::Write);
  EXPECT_EQ(write.size, 8U);
  EXPECT_EQ(write.process, 42);
  EXPECT_EQ(write.covers, 1U);
  ASSERT_EQ(write.pieces.size(), 2U);
  EXPECT_EQ(write.pieces[0].bytes.size(), 3U);
  EXPECT_EQ(write.pieces[0].bytes[2], std::byte{'x'});
  EXPECT_EQ(write.pieces[1].zeros, 28U);
}

TEST(CrashLog, PlacesAreToldOnceAtTheEnd) {
  LogBuilder log = sample();
  Event place{.kind = EventKind::Place};
  place.code = 3;
  place.text = "put+0x1c (store)";
  log.add(place);
  ASSERT_EQ(log.log().events().size(), 3U);
  EXPECT_EQ(log.log().events()[1].place, "put+0x1c (store)");
  EXPECT_EQ(log.log().events()[2].place, "");
}

TEST(CrashLog, ATornTailIsLeftOutWhereverItIsTorn) {
  const std::vector<std::byte> whole = sample().bytes();
  LogBuilder two;
  two.add(sample().log().events()[0]);
  two.add(sample().log().events()[1]);
  for (std::size_t length = two.bytes().size(); length < whole.size(); ++length) {
    const auto log = Log::parse({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length)});
    ASSERT_TRUE(log);
    EXPECT_EQ(log->events().size(), 2U);
    EXPECT_EQ(log->bytes_cut(), length - two.bytes().size());
  }
}

TEST(CrashLog, ADamagedRecordEndsTheLog) {
  const std::vector<std::byte> whole = sample().bytes();
  LogBuilder one;
  one.add({});
  for (std::size_t at = one.bytes().size(); at < whole.size(); ++at) {
    std::vector<std::byte> damaged = whole;
    damaged[at] ^= std::byte{0x20};
    const auto log = Log::parse(damaged);
    ASSERT_TRUE(log) << at;
    EXPECT_LT(log->events().size(), 3U) << at;
    EXPECT_GT(log->bytes_cut(), 0U) << at;
  }
}

TEST(CrashLog, OtherFilesAreNoLogs) {
  EXPECT_EQ(Log::parse(std::vector<std::byte>{}).error().code, EBADMSG);
  std::vector<std::byte> version = sample().bytes();
  version[16] ^= std::byte{1};
  EXPECT_EQ(Log::parse(version).error().code, EBADMSG);
  EXPECT_EQ(Log::read("/nowhere").error().code, ENOENT);
}

TEST(CrashLog, ANameThatLeadsElsewhereIsRefused) {
  LogBuilder log;
  Event create{.kind = EventKind::Create, .file = 2, .directory = kRoot};
  create.name = "../x";
  log.add(create);
  EXPECT_EQ(Log::parse(log.bytes()).error().code, EBADMSG);
}

TEST(CrashLog, AFileGrowsRecordByRecord) {
  const ScratchFile file("");
  ASSERT_TRUE(file.usable());
  auto writer = *LogWriter::create(file.path());
  ASSERT_EQ(*writer.append({}), 0U);
  Event told{.kind = EventKind::Output};
  told.text = "stored 1\n";
  ASSERT_EQ(*writer.append(told), 1U);
  std::ofstream(file.path(), std::ios::app) << "a record that was cut short";
  const auto log = Log::read(file.path());
  ASSERT_TRUE(log);
  ASSERT_EQ(log->events().size(), 2U);
  EXPECT_EQ(log->events()[1].text, "stored 1\n");
  EXPECT_EQ(log->bytes_cut(), std::strlen("a record that was cut short"));
}

}  // namespace
}  // namespace pagefold::crash
