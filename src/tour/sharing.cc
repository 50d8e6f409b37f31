// Chapter "sharing", claim 28 once more: ten processes, a library of 64 pages of code and 16 pages that the loader
// relocates. Which of them are shared, counted in frames.
#include <fmt/format.h>

#include "base/page.h"
#include "tour/tour.h"

namespace pagefold::tour {
namespace {

constexpr std::int64_t kPage = kPageSize;
constexpr std::int64_t kProcesses = 10, kCodePages = 64, kRelocatedPages = 16;
constexpr std::int64_t kOtherPrivatePages = 8;  // the library's GOT, its variables, and what rounding makes of them
// A page of which each process gets a copy is in the page cache, too, or is copied straight from the file: it depends
// on the moment. Were the code not shared, it would be 576 pages more.
constexpr std::int64_t kMaybeCached = kRelocatedPages + kOtherPrivatePages;
constexpr const char* kLibrary = "/libshared.so";

void shared_code(Lesson& lesson, const GuestRun& one, const GuestRun& ten) {
  const Number kilobytes = one.number("kB of code resident");
  lesson.equal("kB of its code resident in the ten (Rss)", kProcesses * kilobytes.value_or(-1),
               ten.number("kB of code resident"));
  lesson.between("kB of it, each frame counted once (Pss)", kilobytes.value_or(0) - kProcesses, kilobytes.value_or(-1),
                 ten.number("kB of code, each frame counted once"));
  lesson.between("bytes of the library in the page cache, more than for one", -kMaybeCached * kPage,
                 kMaybeCached * kPage,
                 difference(ten.object(kLibrary, "resident_bytes"), one.object(kLibrary, "resident_bytes")));
}

void private_pages(Lesson& lesson, const GuestRun& one, const GuestRun& ten) {
  lesson.between("kB of the library private to the ten", kProcesses * kRelocatedPages * kPage / 1024,
                 kProcesses * (kRelocatedPages + kOtherPrivatePages) * kPage / 1024,
                 ten.number("kB of the library private to the processes"));
  lesson.between("bytes of it copied for one of them", kRelocatedPages * kPage,
                 (kRelocatedPages + kOtherPrivatePages) * kPage, ten.object(kLibrary, "private_bytes"));
  lesson.between("copy-on-write faults more than with one", (kProcesses - 1) * kRelocatedPages, 10'000,
                 difference(ten.faults("copy_on_write"), one.faults("copy_on_write")));
}

void frames(Lesson& lesson, const GuestRun& ten) {
  if (ten.number("frame numbers visible") != Number(1)) {
    lesson.show("(frame numbers are shown to root only: judged by smaps and the faults)");
    return;
  }
  lesson.equal("different frames that hold 10 x 64 pages of code", kCodePages, ten.number("frames of the code"));
  lesson.equal("that hold 10 x 16 relocated pages", kProcesses * kRelocatedPages,
               ten.number("frames of the relocated pages"));
}

}  // namespace

void tell_sharing(Lesson& lesson) {
  lesson.say(
      "A library of 64 pages of code, and of 16 pages full of pointers, whose values depend on where the library was "
      "loaded: the loader must store each of them. Ten processes read all of it and stay alive.");
  lesson.claim(28);
  const GuestRun one = lesson.run({{"./ten", "1"}});
  const GuestRun ten = lesson.run({{"./ten", "10"}});
  lesson.equal("processes alive at the same time", kProcesses, ten.number("processes that ended well"));
  lesson.equal("that read the same code", kProcesses, ten.number("processes that read the same code"));
  lesson.equal("pointers that were not relocated", 0, ten.number("pointers that are not relocated"));
  frames(lesson, ten);
  shared_code(lesson, one, ten);
  private_pages(lesson, one, ten);
  lesson.show("memory of the whole machine (others use it, too: not judged):");
  lesson.show_lines(ten, "machine, ");
  lesson.show(fmt::format("saved by sharing the code: {} bytes", grouped((kProcesses - 1) * kCodePages * kPage)));
  lesson.subtler(
      "position independent code is what makes this possible: what is never corrected need not be copied. "
      "Pointers in data are the price; a library with many of them costs every process their pages.");
}

}  // namespace pagefold::tour
