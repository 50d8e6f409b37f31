// `--fail` together with `--mem`: a page that was evicted is read again at its next touch, and that reading can fail; a dirty page
// must be written back before it can go, and that can fail, too. Nothing that was stored may get lost thereby.
#include <gmock/gmock.h>

#include "failing.h"

namespace pagefold::guest_test {
namespace {

using testing::AllOf;
using testing::AnyOf;
using testing::HasSubstr;

class FailingUnderPressure : public Failing {
 protected:
  // Page 7 of f1 is touched three times; in between it has to go.
  std::string touches(const Strings& failures) {
    return run_program(failures,
                       "reset\nopen 0 1 0\nmap 0 0 20 1 1 0\nload 0 28672 10\npress 16\nload 0 28672 10\npress 16\nload 0 28672 10\n", kLimit)
        .out;
  }
  // Stores into four times the limit (helpers/stores_more_than_there_is_room_for.c).
  RunResult store_much(const Strings& failures) {
    return run_with(failures, {guest_helper_directory() + "/stores_more_than_there_is_room_for", "data", "16"}, kLimit);
  }
  const Strings kLimit = {"--mem", "4M"};
  static constexpr const char* kRead = "0db12c4d\n";
};

TEST_F(FailingUnderPressure, APageThatFailsFailsAgainAfterItsFrameHasGone) {
  EXPECT_THAT(touches({"read:path=*/f1:page=7:eio"}), AllOf(HasSubstr("4 load 0 28672 10: BUS/2@0+28672"), HasSubstr("6 load 0 28672 10: BUS/2@0+28672"),
                                                            HasSubstr("8 load 0 28672 10: BUS/2@0+28672")));
  EXPECT_EQ(hits(), 3);
}

// The disk goes bad between two readings of a page: what could be read at first cannot be read again.
TEST_F(FailingUnderPressure, APageThatWasReadCanFailWhenItComesBack) {
  const std::string out = touches({"read:path=*/f1:page=7:when=2:eio"});
  EXPECT_THAT(out, HasSubstr(std::string("4 load 0 28672 10: ") + kRead));
  EXPECT_THAT(out, HasSubstr("6 load 0 28672 10: BUS/2@0+28672"));
  EXPECT_THAT(out, HasSubstr(std::string("8 load 0 28672 10: ") + kRead));
}

TEST_F(FailingUnderPressure, EachReadingOfAPageIsDelayed) {
  EXPECT_THAT(touches({"read:path=*/f1:page=7:delay=100ms"}), HasSubstr(std::string("8 load 0 28672 10: ") + kRead));
  EXPECT_EQ(hits(), 3);
  EXPECT_GE(story["wall_ns"].get<std::uint64_t>(), 300'000'000U);
}

TEST_F(FailingUnderPressure, AFailedWriteBackOfAnEvictionIsToldOnceAndLosesNothing) {
  EXPECT_EQ(store_much({"write:path=*/data:via=map:page=100:when=1:enospc"}).out,
            "wrong in the mapping: 0\nmsync: ENOSPC\nmsync: 0\nfsync: 0\nwrong in the mapping: 0\nwrong in the file: 0\n");
  EXPECT_EQ(hit(0)["what"], "write-back");
  EXPECT_EQ(hit(0)["pid"], 0) << "nobody asked for it";
}

// It stays in its frame, while others come and go; a read(2) fails rather than give what is older.
TEST_F(FailingUnderPressure, APageThatCannotBeWrittenStaysDirtyAndOthersGo) {
  EXPECT_EQ(store_much({"write:path=*/data:via=map:page=100:eio"}).out,
            "wrong in the mapping: 0\nmsync: EIO\nmsync: EIO\nfsync: EIO\nwrong in the mapping: 0\nwrong in the file: 1\n");
  EXPECT_THAT(story["notes"].dump(), HasSubstr("lost at the end of the run"));
  EXPECT_EQ(story["pressure"]["overdrawn_bytes"], 0);
}

// A page whose write failed at the last sync, too, is not in the file yet; that sync says so.
TEST_F(FailingUnderPressure, ADiskThatFailsNowAndThenLosesNothing) {
  EXPECT_THAT(store_much({"write:path=*/data:via=map:chance=10%:eio"}).out,
              AnyOf(HasSubstr("wrong in the mapping: 0\nwrong in the file: 0\n"), HasSubstr("fsync: EIO\nwrong in the mapping: 0\n")));
  EXPECT_GT(hits(), 100);
}

TEST_F(FailingUnderPressure, ASlowDiskIsOnlySlow) {
  EXPECT_THAT(store_much({"write:path=*/data:via=map:page=1..50:delay=5ms"}).out, HasSubstr("msync: 0\nmsync: 0\nfsync: 0\nwrong in the mapping: 0\n"));
  EXPECT_GE(hits(), 50);
}

// `kill` is for who asks for a write-back. An eviction is asked for by nobody.
TEST_F(FailingUnderPressure, AnEvictionKillsNobody) {
  const RunResult result = store_much({"kill:when=write:1+:path=*/data:via=map:page=0..100"});
  EXPECT_EQ(result.status, 0);
  EXPECT_THAT(result.out, HasSubstr("wrong in the file: 0"));
  EXPECT_EQ(story["failures"]["specs"][0]["matches"], 0);
}

TEST_F(FailingUnderPressure, ADiskThatTakesNothingEndsInOutOfMemory) {
  EXPECT_EQ(store_much({"write:path=*/data:via=map:eio"}).status, 137);
  EXPECT_THAT(story["notes"].dump(), AllOf(HasSubstr("out of memory: killed"), HasSubstr("lost at the end of the run")));
}

}  // namespace
}  // namespace pagefold::guest_test
