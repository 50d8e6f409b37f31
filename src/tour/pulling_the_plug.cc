// Chapter "pulling-the-plug", claim 14: what msync is for. A ledger in a mapped file forgets one msync; nothing shows, until the power
// fails. `pagefold crash` looks at everything that a power cut may leave of it.
#include "tour/tour.h"
#include "tour/workshop.h"

namespace pagefold::tour {
namespace {

GuestRun explore(Lesson& lesson, const std::string& pagefold, const char* mode, int expected_exit) {
  return lesson.run({{pagefold, "crash", "--files", "ledger.db", "--check", "./audit {}", "--output", std::string("plug-") + mode, "--", "./ledger",
                      "ledger.db", mode},
                     Where::Host},
                    expected_exit);
}

bool says(const GuestRun& run, std::string_view text) { return run.output.find(text) != std::string::npos; }

}  // namespace

void tell_pulling_the_plug(Lesson& lesson) {
  lesson.say(
      "A ledger of three entries, in a file that is mapped shared. Each entry fills a page; page 0 says how many entries count. First "
      "the program stores the entry, then it counts it, and it synchronises both with msync. What may be on the disk if the "
      "power fails in between? Pagefold records the stores and the calls, and rebuilds every state that is possible.");
  lesson.claim(14);
  const auto pagefold = own_path();
  lesson.holds("the command knows where it is", pagefold.has_value());
  if (!pagefold) return;
  const GuestRun synced = explore(lesson, *pagefold, "synced", 0);
  lesson.show_lines(synced, "states checked");
  lesson.holds("after every power cut, all entries that count are whole", says(synced, "(all states)") && says(synced, "; 0 violations"));
  lesson.say("Now the msync of the entry is forgotten; that of page 0 is still there. While the machine runs, nobody can tell the difference.");
  lesson.write("ledger.db", "");
  const GuestRun forgotten = explore(lesson, *pagefold, "forgotten", 1);
  lesson.show_lines(forgotten, "states checked");
  lesson.show_lines(forgotten, "LOST");
  lesson.show_lines(forgotten, "is wrong");
  lesson.holds("there is a power cut that leaves an entry counted but not stored", says(forgotten, "entry 1 of 1 is wrong"));
  lesson.holds("one page that did not reach the disk is enough", says(forgotten, "but not (1):") && says(forgotten, "LOST     store to ledger.db, page 1"));
  lesson.subtler(
      "other programs see a store through a shared mapping at once, in memory. What msync promises is the disk, and only for its range; "
      "the kernel may write any page earlier, in any order.");
}

}  // namespace pagefold::tour
