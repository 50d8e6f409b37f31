// ld-pagefold.so with glibc 2.41: programs of a Debian 13 (tools/trixie-root.sh, part of `make real`), each under its
// own genuine loader and under ours, from outside (--library-path) and inside a chroot; output and exit code must
// agree.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "abi/run.h"

namespace {

namespace fs = std::filesystem;
using abi_test::Outcome;
using abi_test::run;

const std::string kRoot = PAGEFOLD_SOURCE_DIR "/build/real/trixie", kLoader = PAGEFOLD_LD;
const std::string kLibraries = kRoot + "/usr/lib/x86_64-linux-gnu", kGenuine = kLibraries + "/ld-linux-x86-64.so.2";

struct Case {
  const char* name;
  const char* program;
  const char* arguments;
  friend void PrintTo(const Case& one, std::ostream* out) { *out << one.name; }
};

const Case kCases[] = {
    {"true", "/usr/bin/true", ""},
    {"ls", "/usr/bin/ls", "-ld / /usr"},
    {"bash", "/usr/bin/bash", "-c 'x=$(echo a b | tr a-b c-d); printf \"%s %d\\n\" \"$x\" $((6 * 7)); exit 3'"},
    {"grep", "/usr/bin/grep", "-c '^r' /etc/passwd"},
    {"sort", "/usr/bin/sort", "--parallel=4 -S 1M /etc/services /etc/passwd"},
    {"perl", "/usr/bin/perl",
     "-e 'use POSIX; print join(q( ), map { sprintf q(%.3f), sin($_) } 1 .. 5), qq(\\n); print strftime(q(%Y), gmtime "
     "0), qq(\\n)'"},
    {"python", "/usr/bin/python3",
     "-c 'import sys, threading, math\nr = []\nt = [threading.Thread(target=lambda i=i: r.append(i)) for i in "
     "range(8)]\n"
     "[x.start() for x in t]; [x.join() for x in t]\nprint(sorted(r), math.exp(1), sys.version_info[0])'"},
    {"failure", "/usr/bin/ls", "/no/such/file"},
    {"unknown_option", "/usr/bin/sort", "--nonsense"},
};

class SecondGlibc : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    if (!fs::exists(kLoader)) GTEST_SKIP() << kLoader << " is not built";
    if (!fs::exists(kGenuine)) GTEST_SKIP() << "no Debian 13 below build/real: make real";
  }
};

TEST_P(SecondGlibc, FromOutside) {
  const Case& one = GetParam();
  const auto command = [&](const std::string& loader) {
    return "env -i LC_ALL=C PATH=/usr/bin PYTHONHOME=" + kRoot + "/usr " + loader + " --argv0 " + one.name +
           " --library-path " + kLibraries + " " + kRoot + one.program + " " + one.arguments;
  };
  const Outcome genuine = run(command(kGenuine)), ours = run(command(kLoader));
  EXPECT_EQ(ours.code, genuine.code) << ours.output;
  EXPECT_TRUE(abi_test::same(ours.output, genuine.output));
}

TEST_P(SecondGlibc, InsideAChroot) {
  if (geteuid() != 0) GTEST_SKIP() << "chroot needs root";
  const Case& one = GetParam();
  const std::string inside = "/tmp/ld-pagefold-" + std::to_string(getpid()) + ".so";
  fs::copy_file(kLoader, kRoot + inside, fs::copy_options::overwrite_existing);
  const auto command = [&](const std::string& loader) {
    return "chroot " + kRoot + " /usr/bin/env -i LC_ALL=C PATH=/usr/bin " + loader + " " + one.program + " " +
           one.arguments;
  };
  const Outcome genuine = run(command("/lib64/ld-linux-x86-64.so.2")), ours = run(command(inside));
  const Outcome traced = run("chroot " + kRoot + " /usr/bin/env -i PAGEFOLD_LD_DEBUG=1 " + inside + " /usr/bin/true");
  fs::remove(kRoot + inside);
  EXPECT_EQ(ours.code, genuine.code) << ours.output;
  EXPECT_TRUE(abi_test::same(ours.output, genuine.output));
  EXPECT_EQ(traced.output.find("left to"), std::string::npos) << traced.output;
}

INSTANTIATE_TEST_SUITE_P(Programs, SecondGlibc, testing::ValuesIn(kCases),
                         [](const auto& each) { return std::string(each.param.name); });

}  // namespace
