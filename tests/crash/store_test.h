// A directory of a test's own, which is the current one, with the small programs at hand.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "../cli/command.h"

namespace pagefold {

namespace fs = std::filesystem;

class StoreTest : public testing::Test {
 protected:
  StoreTest() {
    std::string name = (fs::path(PAGEFOLD_CRASH_PROGRAMS) / "run-XXXXXX").string();
    directory_ = ::mkdtemp(name.data());
    fs::create_directory(directory_ / "store");
    before_ = fs::current_path();
    fs::current_path(directory_ / "store");
  }
  ~StoreTest() override {
    fs::current_path(before_);
    fs::remove_all(directory_);
  }

  test::Outcome crash(const std::string& mode, const std::vector<std::string>& options, const std::string& check = "{}",
                      const std::string& records = "3") {
    fs::remove("s.db");
    std::vector<std::string> words = {
        "crash", "--files", "s.db", "--check", program("check_store") + " " + check, "--output", output().string()};
    words.insert(words.end(), options.begin(), options.end());
    for (const std::string& word : {std::string("--"), program("mapped_store"), mode, std::string("s.db"), records})
      words.push_back(word);
    return test::pagefold(words);
  }
  test::Outcome replay() { return test::pagefold({"replay", (output() / "case.json").string()}); }
  static std::string program(const std::string& name) { return (fs::path(PAGEFOLD_CRASH_PROGRAMS) / name).string(); }
  fs::path output() { return directory_ / "out"; }

 private:
  fs::path directory_, before_;
};

}  // namespace pagefold
