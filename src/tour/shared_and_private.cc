// Chapter "shared-and-private", claims 11 and 14: two guests and a reader outside the run, and what each sees of a
// file when one of them stores through a private mapping, stores through a shared one, synchronises, writes.
#include <fmt/format.h>

#include "tour/tour.h"
#include "tour/workshop.h"

namespace pagefold::tour {
namespace {

// Runs two, with witness looking on from outside; `flags` are those of pagefold run.
GuestRun watched(Lesson& lesson, const std::string& pagefold, const char* file, const char* seconds,
                 const std::vector<std::string>& flags) {
  Guest guest{{"./witness", file, seconds, pagefold, "run", "-q"}, Where::Host};
  guest.argv.insert(guest.argv.end(), flags.begin(), flags.end());
  guest.argv.insert(guest.argv.end(), {"--", "./two", file});
  return lesson.run(guest);
}

void sees(Lesson& lesson, const GuestRun& run, const std::string& when, const std::string& who, const char* word) {
  lesson.equal(fmt::format("{}, {}", when, who), word, run.text(fmt::format("{}, {}", when, who)));
}

// What all mappings and calls inside the run show, whatever state the file is in.
void inside(Lesson& lesson, const GuestRun& run) {
  const std::string stored = "after A's private store", shared = "after A's shared store";
  sees(lesson, run, stored, "A's private mapping", "private");
  for (const char* who : {"A's shared mapping", "A's read", "B's shared mapping", "B's private mapping", "B's read"}) {
    sees(lesson, run, stored, who, "before.");
    sees(lesson, run, shared, who, "stored!");
  }
  sees(lesson, run, shared, "A's private mapping", "private");
}

void who_sees(Lesson& lesson, const std::string& pagefold) {
  lesson.claim(11);
  const GuestRun run = watched(lesson, pagefold, "two.txt", "0", {});
  inside(lesson, run);
  sees(lesson, run, "after A's private store", "outside", "before.");
  sees(lesson, run, "after A's shared store", "outside", "stored!");
  const std::string written = "after B's write";
  for (const char* who : {"A's shared mapping", "A's read", "B's shared mapping", "B's private mapping", "outside"})
    sees(lesson, run, written, who, "written");
  sees(lesson, run, written, "A's private mapping", "private");
  lesson.subtler(
      "a private mapping is not a snapshot. As long as a page of it has not been stored into, it shows the file as it "
      "is (POSIX "
      "leaves this open; Linux does it, and so does Pagefold). Only the first store makes the page one's own.");
}

void when_it_is_seen(Lesson& lesson, const std::string& pagefold) {
  lesson.claim(14);
  lesson.show("Natively, and as Pagefold treats files by default, all look at the same");
  lesson.show("frames: the reader outside saw the store before any msync, which");
  lesson.show("promises the disk. With --own-files the frames are Pagefold's, and the");
  lesson.show("host's file takes the part of the disk:");
  const GuestRun own = watched(lesson, pagefold, "own.txt", "0", {"--own-files", "--writeback=0s"});
  inside(lesson, own);
  sees(lesson, own, "after A's shared store", "outside", "before.");
  sees(lesson, own, "after A's msync", "outside", "stored!");
  lesson.show("It may get there earlier: somebody else decides when. Here, every 50 ms:");
  const GuestRun late = watched(lesson, pagefold, "late.txt", "10", {"--own-files", "--writeback=50ms"});
  sees(lesson, late, "after A's shared store", "outside, some time later", "stored!");
  lesson.subtler(
      "on Linux, too, the interval is what writes most pages (vm.dirty_expire_centisecs, 30 s); msync with MS_ASYNC "
      "does nothing at "
      "all since 2.6.19. With --own-files the call of a guest that reads the file has what is dirty written back, too: "
      "it must see it.");
}

}  // namespace

void tell_shared_and_private(Lesson& lesson) {
  lesson.say(
      "Two guests, A and B, each with a shared and a private mapping of the same file; and a process outside the run "
      "that reads the file. A stores through its private mapping, then through its shared one, then calls msync; at "
      "last B writes to the file with write(2). Who sees what, and when?");
  const auto pagefold = own_path();
  if (!pagefold) {
    lesson.claim(11);
    lesson.holds("the command knows where it is", false);
    return;
  }
  who_sees(lesson, *pagefold);
  when_it_is_seen(lesson, *pagefold);
}

}  // namespace pagefold::tour
