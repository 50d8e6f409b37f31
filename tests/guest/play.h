// A program of file operations (helpers/runs_file_operations.c), run step by step with somebody outside the run who looks and acts
// in between.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "runner.h"

namespace pagefold::guest_test {

inline std::string content_of(const std::string& path) {
  std::ostringstream content;
  content << std::ifstream(path).rdbuf();
  return content.str();
}

inline bool wait_until(const std::function<bool()>& is_true) {
  for (int i = 0; i < 10'000 && !is_true(); ++i) usleep(1000);
  return is_true();
}

// Runs the program in this directory; at each of its `meet` lines the step of that number is taken.
inline RunResult play(const std::string& directory, const std::string& program, const std::vector<std::string>& flags,
                      const std::vector<std::function<void()>>& steps, Mode mode = Mode::Pagefold) {
  for (size_t i = 0; i < steps.size(); ++i)
    for (const char* mark : {"/at-", "/go-"}) std::filesystem::remove(directory + mark + std::to_string(i));
  std::ofstream(directory + "/program") << program;
  Setting setting;
  setting.directory = directory;
  setting.pagefold_flags = flags;
  std::thread outside([&] {
    for (size_t i = 0; i < steps.size(); ++i) {
      EXPECT_TRUE(wait_until([&] { return std::filesystem::exists(directory + "/at-" + std::to_string(i)); })) << "step " << i;
      steps[i]();
      std::ofstream(directory + "/go-" + std::to_string(i));
    }
  });
  RunResult result = run({guest_helper_directory() + "/runs_file_operations", "program"}, mode, setting);
  outside.join();
  return result;
}

}  // namespace pagefold::guest_test
