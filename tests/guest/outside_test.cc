// A file that a guest maps is changed by a process that is no guest: this one. The guest must see, step by step, what
// it would see natively (the file states of the design; a lease tells of writers).
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include "runner.h"

namespace pagefold::guest_test {
namespace {

constexpr size_t kPage = 4096;
using Step = std::function<void(const std::string& directory)>;

void write_at(const std::string& path, off_t offset, const std::string& text) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT, 0644);
  ASSERT_GE(fd, 0) << path;
  EXPECT_EQ(pwrite(fd, text.data(), text.size(), offset), static_cast<ssize_t>(text.size()));
  close(fd);
}

std::string pages(char first, size_t count) {
  std::string text;
  for (size_t page = 0; page < count; ++page)
    text += std::string(kPage, static_cast<char>(first + static_cast<char>(page)));
  return text;
}

bool wait_for(const std::string& path) {
  for (int i = 0; i < 20'000 && !std::filesystem::exists(path); ++i) usleep(1000);
  return std::filesystem::exists(path);
}

void play(const std::string& directory, const std::vector<Step>& steps) {
  for (size_t i = 0; i < steps.size(); ++i) {
    steps[i](directory);
    std::ofstream(directory + "/step-" + std::to_string(i));
    if (!wait_for(directory + "/seen-" + std::to_string(i))) break;
  }
  std::ofstream(directory + "/end");
}

void expect_same_view(const Step& before, const std::vector<Step>& steps) {
  RunResult results[2];
  for (const Mode mode : {Mode::Native, Mode::Pagefold}) {
    const FreshDirectory fresh;
    write_at(fresh.path() + "/file", 0, pages('A', 4));
    before(fresh.path());
    Setting setting;
    setting.directory = fresh.path();
    std::thread outside(play, fresh.path(), steps);
    results[mode == Mode::Pagefold] = run({guest_helper_directory() + "/watches_a_file"}, mode, setting);
    std::ofstream(fresh.path() + "/end");
    outside.join();
  }
  EXPECT_EQ(results[0].status, 0) << results[0].out << results[0].err;
  EXPECT_EQ(difference(results[0], results[1]), "");
}

const Step kNothing = [](const std::string&) {};

Step writes(off_t offset, std::string text) {
  return [=](const std::string& directory) { write_at(directory + "/file", offset, text); };
}

TEST(OutsideWriter, InPlaceWritesShowAtOnce) {
  expect_same_view(kNothing, {kNothing, writes(0, "first"), writes(kPage, "second"), writes(kPage, "third!"),
                              writes(3 * kPage + 4000, "across"), writes(kPage, "fourth")});
}

TEST(OutsideWriter, GrowingAndTruncatingMoveTheEnd) {
  const auto truncates = [](uintmax_t length) -> Step {
    return [=](const std::string& directory) { std::filesystem::resize_file(directory + "/file", length); };
  };
  expect_same_view(kNothing, {kNothing, writes(4 * kPage, "grown"), truncates(2 * kPage + 10), truncates(0),
                              writes(0, pages('a', 5)), truncates(6 * kPage)});
}

TEST(OutsideWriter, ReplacedFileKeepsTheOldMapping) {
  const auto replaces = [](char first) -> Step {
    return [=](const std::string& directory) {
      write_at(directory + "/next", 0, pages(first, 4));
      std::filesystem::rename(directory + "/next", directory + "/file");
    };
  };
  expect_same_view(kNothing, {kNothing, replaces('K'), writes(0, "new file"), replaces('P')});
}

TEST(OutsideWriter, WriterThatHoldsTheFileOpenBeforeAndDuring) {
  int held = -1;
  const Step opens = [&held](const std::string& directory) { held = open((directory + "/file").c_str(), O_RDWR); };
  const auto writes_held = [&held](off_t offset, std::string text) -> Step {
    return [=, &held](const std::string&) {
      EXPECT_EQ(pwrite(held, text.data(), text.size(), offset), static_cast<ssize_t>(text.size()));
    };
  };
  const Step closes = [&held](const std::string&) { close(held); };
  expect_same_view(opens, {kNothing, writes_held(0, "held one"), writes_held(kPage, "held two"), closes,
                           writes(0, "later"), opens, writes_held(2 * kPage, "again"), closes});
}

TEST(OutsideWriter, OpeningForWritingIsNotDelayed) {
  const FreshDirectory fresh;
  write_at(fresh.path() + "/file", 0, pages('A', 4));
  Setting setting;
  setting.directory = fresh.path();
  std::chrono::milliseconds longest{0};
  const Step opens = [&](const std::string& directory) {
    const auto start = std::chrono::steady_clock::now();
    close(open((directory + "/file").c_str(), O_RDWR));
    longest = std::max(longest,
                       std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start));
  };
  std::thread outside(play, fresh.path(), std::vector<Step>{kNothing, opens, kNothing, opens, opens});
  const RunResult result = run({guest_helper_directory() + "/watches_a_file"}, Mode::Pagefold, setting);
  std::ofstream(fresh.path() + "/end");
  outside.join();
  EXPECT_EQ(result.status, 0) << result.out << result.err;
  EXPECT_LT(longest.count(), 1000) << "a lease must be given back at once";
}

}  // namespace
}  // namespace pagefold::guest_test
