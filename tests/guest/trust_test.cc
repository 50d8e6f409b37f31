// What a hostile guest must not get (docs/trust.md): more rights than natively, or another guest's life.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include <fmt/format.h>

#include "runner.h"
#include "stub/protocol.h"

namespace pagefold::guest_test {
namespace {

std::string jump_command() {
  return fmt::format("{}/jumps_into_the_stub {} {} {} {} {}", guest_helper_directory(), stub::kTextBase, stub::kTextSize,
                     stub::kAreaBase, offsetof(stub::Area, commands), stub::kCallFirst + 0);
}

TEST(Trust, JumpsIntoTheStubGainNothing) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to drop it";
  const FreshDirectory fresh;
  std::filesystem::permissions(fresh.path(), std::filesystem::perms::all);
  Setting setting;
  setting.directory = fresh.path();
  const RunResult result = run({"/bin/bash", "-c", jump_command()}, Mode::Pagefold, setting);
  EXPECT_EQ(result.status, 0) << result.out << result.err;
  EXPECT_EQ(result.out.find("GAINED"), std::string::npos) << result.out;
  EXPECT_EQ(result.out.find(": NO"), std::string::npos) << result.out;
  EXPECT_NE(result.out.find("a child after all that: exit 0"), std::string::npos) << result.out;
}

TEST(Trust, AHostileGuestLeavesTheOthersAlone) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to drop it";
  const FreshDirectory fresh;
  std::filesystem::permissions(fresh.path(), std::filesystem::perms::all);
  Setting setting;
  setting.directory = fresh.path();
  const std::string other = "for n in $(seq 40); do seq 1 500 | sort -n | tail -1; done | uniq -c | tr -s ' '";
  const RunResult result =
      run({"/bin/bash", "-c", fmt::format("{} >/dev/null 2>&1 & {}; wait", jump_command(), other)}, Mode::Pagefold, setting);
  EXPECT_EQ(result.status, 0);
  EXPECT_EQ(result.out, " 40 500\n") << result.err;
}

// A copy of id(1) that runs with the rights of user 65534.
void make_set_uid(const std::string& path) {
  std::filesystem::copy_file("/usr/bin/id", path);
  ASSERT_EQ(chown(path.c_str(), 65534, 65534), 0);
  ASSERT_EQ(chmod(path.c_str(), 04755), 0);
}

TEST(Trust, SetUidProgramsHaveTheirRights) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root: for others no_new_privs holds";
  const FreshDirectory fresh;
  make_set_uid(fresh.path() + "/program");
  Setting setting;
  setting.directory = fresh.path();
  for (const char* as : {"", "/usr/bin/setpriv --reuid=1 --regid=1 --clear-groups "}) {
    const std::vector<std::string> argv = {"/bin/sh", "-c", fmt::format("{}./program -u; {}./program -ru", as, as)};
    const RunResult native = run(argv, Mode::Native, setting), ours = run(argv, Mode::Pagefold, setting);
    EXPECT_EQ(difference(native, ours), "");
    EXPECT_EQ(ours.out, as[0] == 0 ? "65534\n0\n" : "65534\n1\n") << ours.err;
  }
}

}  // namespace
}  // namespace pagefold::guest_test
