// Chapter "given-back", claim 17: text is dropped where frames are scarce, and read again when it is needed.
#include "base/page.h"
#include "tour/tour.h"

namespace pagefold::tour {
namespace {

constexpr std::int64_t kText = 256;                       // pages of the program's own text
constexpr std::int64_t kNeeded = (24 << 20) / kPageSize;  // pages that its child fills
constexpr std::int64_t kFrames = (8 << 20) / kPageSize;   // frames there are

void dropped_and_read_back(Lesson& lesson) {
  lesson.claim(17);
  const GuestRun plenty = lesson.run({{"./given"}});
  const GuestRun scarce = lesson.run({.argv = {"./given"}, .flags = {"--mem=8M"}});
  const Number dropped = scarce.reported("/pressure/evicted_pages/files");
  const Number again = scarce.reported("/pressure/refaulted_pages/files");
  const Number swapped = scarce.reported("/pressure/evicted_pages/anonymous");
  lesson.equal("functions on pages of their own", kText, scarce.number("functions, each on a page of its own"));
  lesson.between("pages of files dropped, the text among them", kText, 4 * kText, dropped);
  lesson.between("pages of files read again", kText, 4 * kText, again);
  lesson.between("faults that read a page of a file, more than with plenty", kText, 4 * kText,
                 difference(scarce.faults("file_cold"), plenty.faults("file_cold")));
  lesson.answer("the functions give the same result afterwards", true,
                scarce.number("sum after") == scarce.number("sum before") ? Number(1) : Number(0));

  lesson.show("The child's memory is nowhere else: it had to be written to the swap.");
  lesson.between("anonymous pages written to the swap", kNeeded - kFrames, 2 * kNeeded, swapped);
  const Number stayed = scarce.reported("/pressure/refused_pages/touched");
  lesson.between("written, but stored into meanwhile, and kept", 0, kFrames, stayed);
  lesson.equal("bytes written that are none of these pages", 0,
               difference(scarce.reported("/pressure/swapped_out_bytes"),
                          swapped && stayed ? Number((*swapped + *stayed) * static_cast<std::int64_t>(kPageSize)) : Number()));
  const Number most = scarce.reported("/pressure/peak_bytes");
  lesson.between("page frames in use at most", 1, kFrames,
                 most ? Number(*most / static_cast<std::int64_t>(kPageSize)) : Number());
}

}  // namespace

void tell_given_back(Lesson& lesson) {
  lesson.say(
      "A program has 256 functions, each on a page of its own, and calls them all. Its child stops it and fills 24 "
      "MiB, where "
      "there are frames for 8 MiB. Text is the same in the file: its frames can be given to others without a word. "
      "When the "
      "program goes on, its next call faults, and the page is read from the file.");
  dropped_and_read_back(lesson);
  lesson.subtler(
      "The same holds for any page of a file that nobody has stored into. Which pages go first is a policy's choice: "
      "`pagefold run --policy` has several (docs/pressure.md).");
}

}  // namespace pagefold::tour
