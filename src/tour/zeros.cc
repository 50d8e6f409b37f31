// Chapter "zeros", claims 8 and 9: fresh memory, and what malloc and calloc make of it.
#include "base/page.h"
#include "tour/tour.h"

namespace pagefold::tour {
namespace {

constexpr std::int64_t kPage = kPageSize;

void fresh_pages(Lesson& lesson) {
  lesson.claim(8);
  const GuestRun idle = lesson.run({{"./fresh", "0000"}});
  const GuestRun busy = lesson.run({{"./fresh", "0256"}});
  lesson.equal("bytes read from fresh heap and mapping", 512 * kPage, busy.number("bytes read"));
  lesson.equal("bytes that were not zero", 0, busy.number("bytes that were not zero"));
  lesson.equal("zero-fill faults more, for 512 pages", 512,
               difference(busy.faults("zero_fill"), idle.faults("zero_fill")));
  lesson.equal("bytes cleared more", 512 * kPage,
               difference(busy.fault_bytes("zero_fill"), idle.fault_bytes("zero_fill")));
  if (busy.number("frame numbers visible") == Number(1))
    lesson.equal("different frames, by the host's pagemap", 512, busy.number("different frames"));
}

void malloc_and_calloc(Lesson& lesson) {
  lesson.claim(9);
  const GuestRun reuse = lesson.run({{"./reuse"}});
  lesson.answer("malloc after free gave the same place", true, reuse.number("malloc gave the same place"));
  lesson.between("of 5,000 bytes, still as they were", 4900, 5000, reuse.number("old bytes in it"));
  lesson.answer("calloc after free gave the same place", true, reuse.number("calloc gave the same place"));
  lesson.equal("bytes of it that are not zero", 0, reuse.number("calloc: bytes that are not zero"));

  lesson.show("And 4 MiB of fresh memory, 1,024 pages:");
  const GuestRun allocated = lesson.run({{"./calloc", "malloc"}});
  const GuestRun cleared = lesson.run({{"./calloc", "calloc"}});
  const GuestRun filled = lesson.run({{"./calloc", "memset"}});
  const GuestRun verified = lesson.run({{"./calloc", "verify"}});
  lesson.equal("zero-fill faults of calloc, more than of malloc", 0,
               difference(cleared.faults("zero_fill"), allocated.faults("zero_fill")));
  lesson.equal("pages in the page table after calloc (its header)", 1, cleared.number("in the page table"));
  lesson.equal("zero-fill faults when memset fills it, more", 1024,
               difference(filled.faults("zero_fill"), allocated.faults("zero_fill")));
  lesson.equal("bytes of calloc's memory that are not zero", 0, verified.number("bytes that are not zero"));
}

}  // namespace

void tell_zeros(Lesson& lesson) {
  lesson.say(
      "A program must not see what others left in memory: a frame is cleared before it is mapped. Inside one "
      "program there is no such rule: malloc hands out again what free gave back, as it is. calloc promises "
      "zeros; when the memory comes fresh from the system, there is nothing to do for it.");
  fresh_pages(lesson);
  malloc_and_calloc(lesson);
  lesson.subtler(
      "calloc does clear memory that was used before, and malloc may be given fresh zeros: what the program "
      "sees depends on where the memory came from.");
}

}  // namespace pagefold::tour
