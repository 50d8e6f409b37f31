// The real loader: every IFUNC choice is the genuine loader's, and each reason to hand over is noticed - with the same
// result as the genuine loader's own start. Skipped where build/release/ld-pagefold.so is not built.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "abi/run.h"

namespace {

namespace fs = std::filesystem;
using abi_test::Outcome;
using abi_test::run;

const std::string kLoader = PAGEFOLD_LD, kGenuine = "/lib64/ld-linux-x86-64.so.2", kIfuncs = ABI_IFUNC_REPORT;
const std::string kReport = ABI_START "/genuine/start_report", kLibc = "/lib/x86_64-linux-gnu/libc.so.6";

class Loader : public testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(kLoader)) GTEST_SKIP() << kLoader << " is not built";
    constexpr int kLeftToGenuine = 2;
    if (run(ABI_RTLD_PROBE).code == kLeftToGenuine)
      GTEST_SKIP() << "this libc or processor is the genuine loader's: pagefold doctor";
    folder = fs::temp_directory_path() / ("loader-" + std::to_string(getpid()));
    fs::create_directory(folder);
    fs::permissions(folder, fs::perms(0755));
  }
  void TearDown() override { fs::remove_all(folder); }

  // A program of its own with our loader as its interpreter.
  std::string compiled(const std::string& name, const std::string& source, const std::string& options = "") {
    const std::string program = folder / name;
    if (!source.starts_with("/")) std::ofstream(folder / (name + ".c")) << source;
    const std::string file = source.starts_with("/") ? source : (folder / (name + ".c")).string();
    const Outcome outcome = run("cc -O1 -o " + program + " " + file + " " + options);
    EXPECT_EQ(outcome.code, 0) << outcome.output;
    return program;
  }
  std::string with_our_interpreter(const std::string& options = "") {
    return compiled("start_report", PAGEFOLD_SOURCE_DIR "/tests/abi/programs/start_report.c",
                    "-Wl,--dynamic-linker=" + kLoader + " " + options);
  }
  // A libc.so.6 that works, of a build that nobody knows.
  std::string unknown_libc() {
    const fs::path place = folder / "unknown";
    fs::create_directory(place);
    std::string bytes(fs::file_size(kLibc), '\0');
    std::ifstream(kLibc, std::ios::binary).read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    const size_t note = bytes.find(std::string("\x14\0\0\0\x03\0\0\0GNU\0", 12));
    EXPECT_NE(note, std::string::npos);
    bytes[note + 12] = static_cast<char>(bytes[note + 12] ^ 1);
    std::ofstream(place / "libc.so.6", std::ios::binary)
        .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    fs::permissions(place / "libc.so.6", fs::perms(0755));
    return place;
  }
  static void expect_handed_over(const Outcome& outcome, const std::string& why) {
    EXPECT_EQ(outcome.code, 42) << outcome.output;
    EXPECT_NE(outcome.output.find("ld-pagefold: left to "), std::string::npos) << outcome.output;
    EXPECT_NE(outcome.output.find(why), std::string::npos) << outcome.output;
  }

  fs::path folder;
  const std::string asked = "env -i PAGEFOLD_LD_DEBUG=1 ";
};

TEST_F(Loader, LoadsAKnownLibcItself) {
  const Outcome outcome = run(asked + with_our_interpreter());
  EXPECT_EQ(outcome.code, 42) << outcome.output;
  EXPECT_EQ(outcome.output.find("left to"), std::string::npos) << outcome.output;
}

TEST_F(Loader, EveryIfuncChoiceIsTheGenuineLoaders) {
  const Outcome genuine = run(kGenuine + " " + kIfuncs), ours = run(kLoader + " " + kIfuncs);
  ASSERT_EQ(genuine.code, 0) << genuine.output;
  EXPECT_EQ(ours.code, 0);
  EXPECT_TRUE(abi_test::same(ours.output, genuine.output));
}

TEST_F(Loader, EveryIfuncChoiceIsTheGenuineLoadersOnOtherProcessors) {
  if (!abi_test::has_command("qemu-x86_64")) GTEST_SKIP() << "qemu-x86_64 is missing (package qemu-user)";
  for (const char* cpu :
       {"Haswell", "Denverton", "Skylake-Server", "EPYC", "EPYC,-bmi2,-movbe", "Opteron_G5", "Nehalem"}) {
    const std::string emulate = std::string("qemu-x86_64 -cpu ") + cpu + ",enforce=off ";
    const Outcome genuine = run("sh -c '" + emulate + kGenuine + " " + kIfuncs + " 2>/dev/null'");
    const Outcome ours = run("sh -c '" + emulate + kLoader + " " + kIfuncs + " 2>/dev/null'");
    EXPECT_EQ(genuine.code, 0) << cpu;
    EXPECT_TRUE(abi_test::same(ours.output, genuine.output)) << cpu;
  }
}

TEST_F(Loader, ProcessorTunablesAreTheGenuineLoaders) {
  const std::string tunables = "env GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX2,-AVX512F,-ERMS ";
  const Outcome genuine = run(tunables + kGenuine + " " + kIfuncs), ours = run(tunables + kLoader + " " + kIfuncs);
  EXPECT_TRUE(abi_test::same(ours.output, genuine.output));
  EXPECT_NE(genuine.output, run(kGenuine + " " + kIfuncs).output);
  expect_handed_over(run(asked + tunables + with_our_interpreter()), "glibc.cpu.hwcaps");
}

TEST_F(Loader, UnknownLibcIsTheGenuineLoaders) {
  const std::string place = unknown_libc();
  expect_handed_over(run(asked + "LD_LIBRARY_PATH=" + place + " " + with_our_interpreter()), "libc.so.6 is not known");
  expect_handed_over(run(asked + kLoader + " --library-path " + place + " " + kReport), "libc.so.6 is not known");
}

TEST_F(Loader, UnknownLibcDeepInTheSearchIsTheGenuineLoaders) {
  const std::string place = unknown_libc();
  compiled("libdeep.so", "int puts(const char*); int deep(void) { return puts(\"deep\"); }",
           "-shared -fPIC -Wl,-rpath," + place);
  const std::string program = compiled(
      "start", "int deep(void); extern void exit(int); int main(void) { return deep() < 0 ? 1 : 42; }",
      "-L" + folder.string() + " -l:libdeep.so -Wl,-rpath," + folder.string() + " -Wl,--dynamic-linker=" + kLoader);
  const Outcome genuine = run(kGenuine + " " + program), ours = run(program);
  EXPECT_EQ(ours.code, genuine.code) << ours.output;
  EXPECT_TRUE(abi_test::same(ours.output, genuine.output));
}

// Only a library's own search finds that libc, when much is mapped already: the genuine loader gets the start as the
// kernel made it.
TEST_F(Loader, UnknownLibcFoundWhileLoadingIsTheGenuineLoaders) {
  const std::string place = unknown_libc();
  compiled("libreport.so", PAGEFOLD_SOURCE_DIR "/tests/abi/programs/stack_report.c",
           "-shared -fPIC -DREPORT -Wl,--enable-new-dtags,-rpath," + place);
  const std::string program = compiled("program", PAGEFOLD_SOURCE_DIR "/tests/abi/programs/stack_report.c",
                                       "-fPIE -pie -nostartfiles -nodefaultlibs -L" + folder.string() +
                                           " -l:libreport.so -Wl,--enable-new-dtags,-rpath," + folder.string() +
                                           ",--allow-shlib-undefined,--dynamic-linker=" + kLoader);
  const std::string words = " one 'two words' ''";
  const std::string environment = asked + "A=1 LD_BIND_NOW=1 ";
  const Outcome genuine = run(environment + kGenuine + " --argv0 named " + program + words);
  ASSERT_EQ(genuine.code, 42) << genuine.output;
  const auto without_the_reason = [](Outcome outcome) {
    if (const size_t start = outcome.output.find("ld-pagefold:"); start != std::string::npos)
      outcome.output.erase(start, outcome.output.find('\n', start) + 1 - start);
    return outcome.output;
  };
  const Outcome command = run(environment + kLoader + " --argv0 named " + program + words);
  expect_handed_over(command, "another than the search found first");
  EXPECT_TRUE(abi_test::same(without_the_reason(command), genuine.output));

  const Outcome interpreter = run(environment + program + words);
  expect_handed_over(interpreter, "another than the search found first");
  compiled("program", PAGEFOLD_SOURCE_DIR "/tests/abi/programs/stack_report.c",
           "-fPIE -pie -nostartfiles -nodefaultlibs -L" + folder.string() +
               " -l:libreport.so -Wl,--enable-new-dtags,-rpath," + folder.string() +
               ",--allow-shlib-undefined,--dynamic-linker=" + kGenuine);
  EXPECT_TRUE(abi_test::same(without_the_reason(interpreter), run(environment + program + words).output));
}

TEST_F(Loader, AuditIsTheGenuineLoaders) {
  expect_handed_over(run(asked + "LD_AUDIT=/nowhere.so " + with_our_interpreter()), "LD_AUDIT");
  expect_handed_over(run(asked + with_our_interpreter("-Wl,--audit=/nowhere.so")), "DT_AUDIT");
  expect_handed_over(run(asked + with_our_interpreter("-Wl,--depaudit=/nowhere.so")), "DT_DEPAUDIT");
}

TEST_F(Loader, ProfileIsTheGenuineLoaders) {
  expect_handed_over(
      run(asked + "LD_PROFILE=libc.so.6 LD_PROFILE_OUTPUT=" + folder.string() + " " + with_our_interpreter()),
      "LD_PROFILE");
  EXPECT_TRUE(fs::exists(folder / "libc.so.6.profile"));
}

TEST_F(Loader, PrivilegedProgramIsTheGenuineLoadersAndSilent) {
  if (geteuid() != 0 || !abi_test::has_command("setpriv")) GTEST_SKIP() << "needs root and setpriv";
  const fs::path loader = folder / "loader.so";
  fs::copy_file(kLoader, loader);
  const std::string program = compiled("privileged", PAGEFOLD_SOURCE_DIR "/tests/abi/programs/start_report.c",
                                       "-Wl,--dynamic-linker=" + loader.string());
  fs::permissions(program, fs::perms(04755));
  fs::permissions(loader, fs::perms(0755));
  const Outcome outcome =
      run(asked + "LD_PRELOAD=/nowhere.so setpriv --reuid=65534 --regid=65534 --clear-groups " + program);
  if (outcome.output.find("secure 0") != std::string::npos) GTEST_SKIP() << "the temporary folder is mounted nosuid";
  EXPECT_EQ(outcome.code, 42) << outcome.output;
  EXPECT_EQ(outcome.output.find("left to"), std::string::npos) << outcome.output;
  EXPECT_EQ(outcome.output.find("env LD_PRELOAD"), std::string::npos) << outcome.output;
}

TEST_F(Loader, FileCapabilityMakesAProgramPrivilegedToo) {
  if (geteuid() != 0 || !abi_test::has_command("setcap") || !abi_test::has_command("setpriv"))
    GTEST_SKIP() << "needs root, setcap and setpriv";
  const fs::path loader = folder / "loader.so";
  fs::copy_file(kLoader, loader);
  fs::permissions(loader, fs::perms(0755));
  const std::string program = compiled("capable", PAGEFOLD_SOURCE_DIR "/tests/abi/programs/start_report.c",
                                       "-Wl,--dynamic-linker=" + loader.string());
  if (run("setcap cap_net_bind_service+ep " + program).code != 0)
    GTEST_SKIP() << "the temporary folder keeps no capabilities";
  const Outcome outcome = run(asked + "setpriv --reuid=65534 --regid=65534 --clear-groups " + program);
  EXPECT_EQ(outcome.code, 42) << outcome.output;
  EXPECT_NE(outcome.output.find(" secure 1 "), std::string::npos) << outcome.output;
  EXPECT_EQ(outcome.output.find("left to"), std::string::npos) << outcome.output;
}

TEST_F(Loader, StaticProgramRunsAsUnderTheGenuineLoader) {
  const std::string program = compiled("static", PAGEFOLD_SOURCE_DIR "/tests/abi/programs/start_report.c", "-static");
  EXPECT_EQ(run(program).code, 42);
  EXPECT_EQ(run(kLoader + " " + program).code, run(kGenuine + " " + program).code);
}

TEST_F(Loader, MuslProgramIsLeftAlone) {
  if (!abi_test::has_command("musl-gcc")) GTEST_SKIP() << "musl-gcc is missing (package musl-tools)";
  const std::string program = folder / "musl";
  ASSERT_EQ(run("musl-gcc -o " + program + " " PAGEFOLD_SOURCE_DIR "/tests/abi/programs/start_report.c").code, 0);
  EXPECT_EQ(run(program).code, 42);
  EXPECT_EQ(run(kLoader + " " + program).code, run(kGenuine + " " + program).code);
}

}  // namespace
