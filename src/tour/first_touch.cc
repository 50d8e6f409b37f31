// Chapter "first touch", claims 4 to 7. Runs of one program with and without touches are compared, so that start-up,
// which is the same in both, cancels out and the remainder can be judged exactly.
#include "base/page.h"
#include "tour/tour.h"

namespace pagefold::tour {
namespace {

constexpr std::int64_t kPage = kPageSize;
constexpr std::int64_t kSomePages = 16;  // tolerance for peaks, which may fall at different moments of a start-up

void pages(Lesson& lesson) {
  lesson.claim(4);
  const GuestRun run = lesson.run({{"./pages"}});
  lesson.show_lines(run, "000-", 4);
  lesson.equal("page size", kPage, run.number("page size"));
  lesson.equal("pages with a permission of their own", 4, run.number("pages with the permission asked for"));
  lesson.equal("ranges that begin and end at multiples of it", 4,
               run.number("ranges that begin and end at a multiple"));
  lesson.answer("mprotect from inside a page is EINVAL", true, run.number("mprotect inside a page is EINVAL"));
}

Number file_faults(const GuestRun& run) {
  const Number cold = run.faults("file_cold"), cached = run.faults("file_cached");
  if (!cold || !cached) return {};
  return *cold + *cached;
}

void untouched_program(Lesson& lesson) {
  lesson.claim(5);
  const GuestRun idle = lesson.run({{"./untouched", "0000"}});
  lesson.show_lines(idle, "recorded");
  lesson.equal("pages of constants in the program", 256, idle.number("pages of data"));
  lesson.equal("in the page table when main begins", 0, idle.number("in the page table at the start"));
  lesson.between("bytes of the program mapped", 256 * kPage, 320 * kPage, idle.object("/untouched", "mapped_bytes"));
  lesson.between("bytes of it in frames", 1, 64 * kPage, idle.object("/untouched", "resident_bytes"));
  const GuestRun busy = lesson.run({{"./untouched", "0200"}});
  lesson.equal("in the page table once 200 were read", 200, busy.number("in the page table after the touches"));
  lesson.equal("file faults more", 200, difference(file_faults(busy), file_faults(idle)));
}

void one_touch_one_fault_one_frame(Lesson& lesson) {
  lesson.claim(6);
  const GuestRun idle = lesson.run({{"./touch", "0000"}});
  const GuestRun busy = lesson.run({{"./touch", "1000"}});
  lesson.equal("in the page table before the touches", 0, busy.number("in the page table before"));
  lesson.equal("in the page table after 1,000 touches", 1000, busy.number("in the page table after"));
  lesson.equal("zero-fill faults more", 1000, difference(busy.faults("zero_fill"), idle.faults("zero_fill")));
  lesson.equal("bytes filled more", 1000 * kPage,
               difference(busy.fault_bytes("zero_fill"), idle.fault_bytes("zero_fill")));
  lesson.between("bytes more at the peak", (1000 - kSomePages) * kPage, (1000 + kSomePages) * kPage,
                 difference(busy.peak_resident(), idle.peak_resident()));
  lesson.between("faults that the host counted (getrusage)", 1000, 1'000'000, busy.number("faults the host counted"));
  lesson.equal("stores found in memory afterwards", 1000, busy.number("bytes that were kept"));
  if (busy.number("frame numbers visible") == Number(1))
    lesson.equal("different frames, by the host's pagemap", 1000, busy.number("different frames"));
}

// Part of claim 6: the frame that is found may be one that another page has already.
void two_pages_one_frame(Lesson& lesson) {
  lesson.show("Must each page have a frame of its own? A file's page, mapped twice:");
  lesson.write("page.txt", "the same frame\n");
  const GuestRun once = lesson.run({{"./alias", "page.txt", "1"}});
  const GuestRun twice = lesson.run({{"./alias", "page.txt", "2"}});
  lesson.show_lines(twice, "file: addresses");
  lesson.show_lines(twice, "file: frames");
  lesson.answer("two addresses", true, twice.number("file: two addresses"));
  lesson.equal("cold faults more (the file is read once)", 0,
               difference(twice.faults("file_cold"), once.faults("file_cold")));
  lesson.equal("cached faults more", 1, difference(twice.faults("file_cached"), once.faults("file_cached")));
  lesson.equal("bytes mapped", 2 * kPage, twice.object("/page.txt", "mapped_bytes"));
  lesson.equal("bytes in frames", kPage, twice.object("/page.txt", "resident_bytes"));
  lesson.equal("stores to shared memory seen through the other address", 2,
               twice.number("memory: stores seen through the other address"));
  if (twice.number("frame numbers visible") == Number(1)) {
    lesson.answer("one frame for the file's page, by the host's pagemap", true, twice.number("file: one frame"));
    lesson.answer("one frame for the shared memory, by the host's pagemap", true, twice.number("memory: one frame"));
  }
}

void a_gigabyte_for_nothing(Lesson& lesson) {
  lesson.claim(7);
  const GuestRun small = lesson.run({{"./reserve", "0001"}});
  const GuestRun large = lesson.run({{"./reserve", "1024"}});
  lesson.equal("pages mapped", 1024 * 256, large.number("pages mapped"));
  lesson.equal("resident, by mincore", 0, large.number("resident by mincore"));
  lesson.equal("in the host's page table", 0, large.number("in the page table"));
  lesson.equal("zero-fill faults more than with 1 MiB", 0,
               difference(large.faults("zero_fill"), small.faults("zero_fill")));
  lesson.between("bytes more at the peak than with 1 MiB", -kSomePages * kPage, kSomePages * kPage,
                 difference(large.peak_resident(), small.peak_resident()));
}

}  // namespace

void tell_first_touch(Lesson& lesson) {
  lesson.say(
      "Mapping memory is a promise: the system writes down that a range has these permissions and comes from that "
      "file, and leaves the page table empty. The first touch of a page faults, and only then is a frame found. "
      "The programs here run with --fault-around=1, so that one fault serves one page.");
  pages(lesson);
  untouched_program(lesson);
  one_touch_one_fault_one_frame(lesson);
  two_pages_one_frame(lesson);
  a_gigabyte_for_nothing(lesson);
  lesson.subtler(
      "Linux itself maps up to 16 neighbours of a touched page of a cached file at one fault (fault-around), "
      "and a fresh page that is only read gets one zero frame shared by all, until the first store.");
}

}  // namespace pagefold::tour
