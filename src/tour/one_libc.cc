// Chapter "one libc", claim 28: two different programs alive at once, one set of frames for the code of the C library.
#include "base/page.h"
#include "tour/tour.h"

namespace pagefold::tour {
namespace {

constexpr std::int64_t kPage = kPageSize;
constexpr std::int64_t kRounding = 4;  // kB lost when three shares of every frame are rounded down
constexpr const char* kLibc = "/libc.so.6";

void judge_costs(Lesson& lesson, const GuestRun& one, const GuestRun& two, std::int64_t pages) {
  const std::int64_t few = pages / 8;  // the second program's own file pages, and its private pages of libc's data
  const std::int64_t kilobytes = pages * kPage / 1024;
  lesson.equal("kB of it resident in the two together (Rss in smaps)", 2 * kilobytes,
               two.number("kB of libc's text resident in the programs"));
  lesson.between("kB of frames behind it, each counted once (Pss)", kilobytes - kRounding, kilobytes,
                 two.number("kB of frames behind it"));
  lesson.between("bytes of libc in frames, more", 0, few * kPage,
                 difference(two.object(kLibc, "resident_bytes"), one.object(kLibc, "resident_bytes")));
  lesson.between("file faults more: cached, only mapped", pages, 4 * pages,
                 difference(two.faults("file_cached"), one.faults("file_cached")));
  lesson.between("file faults more: cold, read from the file", 0, few,
                 difference(two.faults("file_cold"), one.faults("file_cold")));
}

}  // namespace

void tell_one_libc(Lesson& lesson) {
  lesson.say(
      "Two different programs both read every byte of libc's code and stay alive: one adds the bytes up, the "
      "other hashes them. Their driver collects the frame numbers of both from the host's pagemap. A run with the "
      "first program alone shows what the second one adds.");
  lesson.claim(28);
  const GuestRun one = lesson.run({{"./pair", "1"}});
  const GuestRun two = lesson.run({{"./pair", "2"}});
  lesson.holds("both programs ran", two.ran("adder") && two.ran("folder"));
  lesson.equal("programs that lived at the same time", 2, two.number("programs that ended well"));
  const std::int64_t pages = two.number("pages of libc's text").value_or(0);
  lesson.between("pages of libc's code in the first", 100, 4096, two.number("pages of libc's text"));
  lesson.equal("in the second", pages, two.number("pages in the second program"));
  if (two.number("frame numbers visible") == Number(1))
    lesson.equal("pages that have one frame for both", pages, two.number("pages with one frame for both"));
  else
    lesson.show("(frame numbers are shown to root only: judged by the faults)");
  judge_costs(lesson, one, two, pages);
  lesson.show("memory saved by the second: " + grouped(pages * kPage) + " bytes");
  lesson.subtler(
      "only what is never stored to can be shared. The pages of libc's data become each program's own when "
      "the loader or the program writes to them.");
}

}  // namespace pagefold::tour
