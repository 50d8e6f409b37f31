// Idle processors poll during a burst of faults, and only then.
#include "kernel/fault/no_halt.h"

#include <gtest/gtest.h>

namespace pagefold::kernel {
namespace {

using namespace std::chrono_literals;

void burst(NoHalt& pager) {
  for (int fault = 0; fault < 100; ++fault) pager.came(50us);
}

// Whether this machine grants it, and what all requests of the machine come to: the least, in microseconds.
bool is_granted() {
  return ::sysconf(_SC_NPROCESSORS_ONLN) <= 8 && UniqueFd(::open("/dev/cpu_dma_latency", O_WRONLY | O_CLOEXEC));
}
std::int32_t latency() {
  const UniqueFd all(::open("/dev/cpu_dma_latency", O_RDONLY | O_CLOEXEC));
  std::int32_t microseconds = -1;
  return ::read(all.get(), &microseconds, sizeof microseconds) == sizeof microseconds ? microseconds : -1;
}

TEST(NoHalt, IsNoConcernOfAFewFaults) {
  NoHalt pager;
  for (int fault = 0; fault < 20; ++fault) pager.came(50us);
  for (int fault = 0; fault < 200; ++fault) pager.came(fault % 4 == 0 ? 5ms : 50us);
  EXPECT_FALSE(pager.requested());
}

TEST(NoHalt, IsAskedForInABurstAndGivenUpWhenItIsOver) {
  if (!is_granted()) GTEST_SKIP() << "this machine does not grant it";
  NoHalt pager;
  for (int turn = 0; turn < 2; ++turn) {
    burst(pager);
    EXPECT_TRUE(pager.requested());
    EXPECT_EQ(latency(), 0);
    pager.end();
    EXPECT_FALSE(pager.requested());
  }
  burst(pager);
  for (int fault = 0; fault < 20; ++fault) pager.came(1ms);
  EXPECT_FALSE(pager.requested());
}

}  // namespace
}  // namespace pagefold::kernel
