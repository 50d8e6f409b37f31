// What the tests of `pagefold run --fail` share: a directory, a run in it with failures asked for, and its story as JSON.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "runner.h"

namespace pagefold::guest_test {

using Strings = std::vector<std::string>;

class Failing : public testing::Test {
 protected:
  [[nodiscard]] std::string path(const std::string& name) const { return fresh_.path() + "/" + name; }
  [[nodiscard]] std::string content(const std::string& name) const {
    std::ostringstream text;
    text << std::ifstream(path(name)).rdbuf();
    return text.str();
  }

  // The story is left in `story` as JSON.
  RunResult run_with(const Strings& failures, const Strings& command, const Strings& more = {}) {
    Setting setting;
    setting.directory = fresh_.path();
    setting.pagefold_flags = {"run", "-q", "--json", path("story.json")};
    for (const std::string& failure : failures) setting.pagefold_flags.insert(setting.pagefold_flags.end(), {"--fail", failure});
    setting.pagefold_flags.insert(setting.pagefold_flags.end(), more.begin(), more.end());
    setting.pagefold_flags.emplace_back("--");
    const RunResult result = run(command, Mode::Pagefold, setting);
    std::ifstream in(path("story.json"));
    story = nlohmann::json::parse(in, nullptr, false);
    return result;
  }
  RunResult run_program(const Strings& failures, const std::string& program, const Strings& more = {}) {
    std::ofstream(path("program")) << program;
    return run_with(failures, {guest_helper_directory() + "/runs_file_operations", "program"}, more);
  }
  RunResult shell(const Strings& failures, const std::string& script, const Strings& more = {}) {
    return run_with(failures, {"/bin/sh", "-c", script}, more);
  }

  [[nodiscard]] int hits(std::size_t spec = 0) const { return story["failures"]["specs"][spec]["hits"].get<int>(); }
  [[nodiscard]] nlohmann::json hit(std::size_t n) const { return story["failures"]["hits"].at(n); }

  nlohmann::json story;

 private:
  FreshDirectory fresh_;
};

}  // namespace pagefold::guest_test
