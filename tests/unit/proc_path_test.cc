// Which names in /proc are answered from the model.
#include <gtest/gtest.h>

#include "view/proc_path.h"

namespace pagefold::view {
namespace {

TEST(ProcPath, RecognisesTheSixFilesOfTheOpenersProcess) {
  EXPECT_EQ(parse_proc_path("/proc/self/maps"), (ProcFile{ProcSubject::Self, 0, {}, ProcFileKind::Maps}));
  EXPECT_EQ(parse_proc_path("/proc/self/smaps"), (ProcFile{ProcSubject::Self, 0, {}, ProcFileKind::Smaps}));
  EXPECT_EQ(parse_proc_path("/proc/self/smaps_rollup"),
            (ProcFile{ProcSubject::Self, 0, {}, ProcFileKind::SmapsRollup}));
  EXPECT_EQ(parse_proc_path("/proc/self/status"), (ProcFile{ProcSubject::Self, 0, {}, ProcFileKind::Status}));
  EXPECT_EQ(parse_proc_path("/proc/self/statm"), (ProcFile{ProcSubject::Self, 0, {}, ProcFileKind::Statm}));
  EXPECT_EQ(parse_proc_path("/proc/thread-self/stat"), (ProcFile{ProcSubject::ThreadSelf, 0, {}, ProcFileKind::Stat}));
}

TEST(ProcPath, ReadsPidsAndTasks) {
  EXPECT_EQ(parse_proc_path("/proc/4711/stat"), (ProcFile{ProcSubject::Pid, 4711, {}, ProcFileKind::Stat}));
  EXPECT_EQ(parse_proc_path("/proc/4711/task/4712/stat"), (ProcFile{ProcSubject::Pid, 4711, 4712, ProcFileKind::Stat}));
  EXPECT_EQ(parse_proc_path("/proc/self/task/7/maps"), (ProcFile{ProcSubject::Self, 0, 7, ProcFileKind::Maps}));
}

TEST(ProcPath, IgnoresRedundantSlashesAndDots) {
  const auto plain = parse_proc_path("/proc/self/maps");
  EXPECT_EQ(parse_proc_path("//proc///self//maps"), plain);
  EXPECT_EQ(parse_proc_path("/./proc/./self/././maps"), plain);
}

TEST(ProcPath, LeavesAllElseToTheHost) {
  for (const char* path : {"",
                           "/",
                           "/proc",
                           "/proc/",
                           "/proc/self",
                           "/proc/self/",
                           "proc/self/maps",
                           "/proc/self/maps/",
                           "/proc/self/maps/.",
                           "/proc/self/mapsx",
                           "/proc/self/map",
                           "/proc/self/environ",
                           "/proc/maps",
                           "/proc/0/maps",
                           "/proc/01/maps",
                           "/proc/-1/maps",
                           "/proc/+1/maps",
                           "/proc/1x/maps",
                           "/proc/99999999999999999999/maps",
                           "/proc/self/task/maps",
                           "/proc/self/task/self/maps",
                           "/proc/thread-self/task/1/maps",
                           "/proc/self/../self/maps",
                           "/x/proc/self/maps",
                           "/procself/maps",
                           "/proc/self/task/1/task/1/maps",
                           "/proc/self/net/../maps"}) {
    EXPECT_FALSE(parse_proc_path(path).has_value()) << path;
  }
}

}  // namespace
}  // namespace pagefold::view
