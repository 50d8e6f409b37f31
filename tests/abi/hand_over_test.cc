// A start that is left to the genuine loader must look as if it had been the genuine loader's from the beginning. The
// loader here does nothing else (programs/hand_over_shim.cc); the reasons that the real one finds by itself are tested
// with it.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "abi/run.h"

namespace {

namespace fs = std::filesystem;
using abi_test::Outcome;
using abi_test::run;

const std::string kShim = ABI_SHIM, kFolder = ABI_START;
const std::string kGenuine = kFolder + "/genuine/start_report", kHandedOver = kFolder + "/handed_over/start_report";

std::string replace_all(std::string text, const std::string& from, const std::string& to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
  return text;
}

TEST(HandOver, InterpretersProgramSeesWhatTheGenuineLoaderShows) {
  const Outcome genuine = run("env -i A=1 B= " + kGenuine + " one 'two words' ''");
  const Outcome ours = run("env -i A=1 B= " + kHandedOver + " one 'two words' ''");
  EXPECT_EQ(genuine.code, 42) << genuine.output;
  EXPECT_EQ(ours.code, 42) << ours.output;
  EXPECT_EQ(replace_all(ours.output, "/handed_over/", "/genuine/"), genuine.output);
}

TEST(HandOver, CommandBehavesLikeTheGenuineLoaderAsCommand) {
  const std::string genuine_loader = "/lib64/ld-linux-x86-64.so.2";
  for (const std::string& arguments : {" " + kGenuine + " x y", std::string(" --argv0 other " + kGenuine),
                                       std::string(" --library-path /nowhere /bin/true")}) {
    const Outcome genuine = run("env -i " + genuine_loader + arguments), ours = run("env -i " + kShim + arguments);
    EXPECT_EQ(ours.code, genuine.code) << ours.output;
    const auto without_loader = [](const std::string& text) {
      std::string kept;
      for (size_t at = 0; at < text.size();) {
        const size_t end = text.find('\n', at) + 1;
        const std::string line = text.substr(at, end - at);
        if (!line.starts_with("exe ") && !line.starts_with("comm ")) kept += line;
        at = end ? end : text.size();
      }
      return kept;
    };
    EXPECT_EQ(without_loader(ours.output), without_loader(genuine.output)) << arguments;
  }
  EXPECT_NE(run(kShim + " --list /bin/true").output.find("libc.so.6 => "), std::string::npos);
}

TEST(HandOver, SaysWhyOnlyWhenAsked) {
  EXPECT_EQ(run(kHandedOver).output.find("left to"), std::string::npos);
  const Outcome asked = run("env PAGEFOLD_LD_DEBUG=1 " + kHandedOver);
  EXPECT_NE(asked.output.find("ld-pagefold: left to /lib64/ld-linux-x86-64.so.2: the test wants it\n"),
            std::string::npos)
      << asked.output;
  EXPECT_NE(run("env LD_DEBUG=libs " + kHandedOver).output.find("left to"), std::string::npos);
}

TEST(HandOver, AuditVariableIsAReason) {
  const Outcome audited = run("env PAGEFOLD_LD_DEBUG=1 LD_AUDIT=/nowhere/audit.so " + kHandedOver);
  EXPECT_NE(audited.output.find("LD_AUDIT asks for an audit library"), std::string::npos) << audited.output;
  EXPECT_EQ(audited.code, 42) << audited.output;
  const Outcome empty = run("env PAGEFOLD_LD_DEBUG=1 LD_AUDIT= " + kHandedOver);
  EXPECT_EQ(empty.output.find("LD_AUDIT asks"), std::string::npos) << empty.output;
}

TEST(HandOver, PrivilegedProgramStaysPrivilegedAndSilent) {
  if (geteuid() != 0 || !abi_test::has_command("setpriv")) GTEST_SKIP() << "needs root and setpriv";
  const fs::path folder = fs::temp_directory_path() / ("hand-over-" + std::to_string(getpid()));
  fs::create_directory(folder);
  fs::permissions(folder, fs::perms(0755));
  const std::string program = folder / "start_report", shim = folder / "loader.so";
  fs::copy_file(kShim, shim);
  ASSERT_EQ(run("cc -o " + program +
                " " PAGEFOLD_SOURCE_DIR "/tests/abi/programs/start_report.c -Wl,--dynamic-linker=" + shim)
                .code,
            0);
  fs::permissions(program, fs::perms(04755));
  fs::permissions(shim, fs::perms(0755));
  const Outcome outcome = run(
      "env PAGEFOLD_LD_DEBUG=1 LD_PRELOAD=/nowhere.so setpriv --reuid=65534 --regid=65534 --clear-groups " + program);
  fs::remove_all(folder);
  if (outcome.output.find("secure 0") != std::string::npos) GTEST_SKIP() << "the temporary folder is mounted nosuid";
  EXPECT_EQ(outcome.code, 42) << outcome.output;
  EXPECT_NE(outcome.output.find(" secure 1 "), std::string::npos) << outcome.output;
  EXPECT_EQ(outcome.output.find("left to"), std::string::npos) << outcome.output;
  EXPECT_EQ(outcome.output.find("env LD_PRELOAD"), std::string::npos) << outcome.output;
}

}  // namespace
