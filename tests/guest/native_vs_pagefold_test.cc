// Every guest program, natively and on Pagefold's memory: the same output, exit code and death. Once with the files' default
// states, once with fully owned files.
// The programs are the binaries in the guest directory; a new .c file in programs/ becomes a test by being there.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <filesystem>

#include "runner.h"

namespace pagefold::guest_test {
namespace {

// A guest program ends with 77 when the host lacks what it is about; its last line says what.
constexpr int kSkipped = 77;

std::vector<std::string> executables_in(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code missing;
  for (const auto& entry : std::filesystem::directory_iterator(directory, missing)) {
    if (entry.is_regular_file()) names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string as_test_name(const testing::TestParamInfo<std::string>& info) {
  std::string name = info.param.ends_with(".sh") ? info.param.substr(0, info.param.size() - 3) : info.param;
  std::replace_if(
      name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
}

void expect_same(const std::vector<std::string>& argv, const Setting& setting) {
  const RunResult native = run(argv, Mode::Native, setting);
  ASSERT_FALSE(native.timed_out) << "the native run is the oracle and must end\n" << native.out << native.err;
  if (native.status == kSkipped) GTEST_SKIP() << native.out << native.err;
  const RunResult pagefold = run(argv, Mode::Pagefold, setting);
  EXPECT_EQ(difference(native, pagefold), "");
}

const std::vector<std::string> kOwnFiles = {"run", "-q", "--own-files", "--"};

class Program : public testing::TestWithParam<std::string> {};

TEST_P(Program, NativeVsPagefold) {
  Setting setting;
  setting.timeout = std::chrono::seconds(60);
  expect_same({guest_directory() + "/" + GetParam()}, setting);
}

TEST_P(Program, NativeVsOwnFiles) {
  Setting setting;
  setting.timeout = std::chrono::seconds(60);
  setting.pagefold_flags = kOwnFiles;
  expect_same({guest_directory() + "/" + GetParam()}, setting);
}

INSTANTIATE_TEST_SUITE_P(Guest, Program, testing::ValuesIn(executables_in(guest_directory())), as_test_name);

class Script : public testing::TestWithParam<std::string> {};

TEST_P(Script, NativeVsPagefold) {
  Setting setting;
  setting.timeout = std::chrono::seconds(120);
  expect_same({"/bin/bash", std::string(PAGEFOLD_GUEST_SCRIPTS) + "/" + GetParam()}, setting);
}

TEST_P(Script, NativeVsOwnFiles) {
  Setting setting;
  setting.timeout = std::chrono::seconds(120);
  setting.pagefold_flags = kOwnFiles;
  expect_same({"/bin/bash", std::string(PAGEFOLD_GUEST_SCRIPTS) + "/" + GetParam()}, setting);
}

INSTANTIATE_TEST_SUITE_P(Guest, Script, testing::ValuesIn(executables_in(PAGEFOLD_GUEST_SCRIPTS)), as_test_name);

}  // namespace
}  // namespace pagefold::guest_test
