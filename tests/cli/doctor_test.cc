// `pagefold doctor` as its user runs it: the command is static, its findings must be those of the machine's dynamic programs.
#include <gtest/gtest.h>

#include "cli/command.h"
#include "host/probes.h"

namespace pagefold::test {
namespace {

TEST(Doctor, TheStaticCommandFindsTheLibcOfThisSystem) {
  const std::string libc = host::system_libc();
  if (libc.empty()) GTEST_SKIP() << "this system has its libc elsewhere";
  const Outcome doctor = pagefold({"doctor"});
  EXPECT_NE(doctor.out.find(libc), std::string::npos) << doctor.out;
  EXPECT_EQ(doctor.out.find("no libc.so.6"), std::string::npos) << doctor.out;
}

}  // namespace
}  // namespace pagefold::test
