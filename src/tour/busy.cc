// Chapter "busy", claim 18: "Text file busy". A program is edited while it runs, by another guest and from outside.
#include "tour/tour.h"
#include "tour/workshop.h"

namespace pagefold::tour {
namespace {

void judge(Lesson& lesson, const GuestRun& run) {
  lesson.equal("the program, running, says", "EDITION-1", run.text("the program says"));
  for (const char* way : {"open for writing", "open for reading and writing", "open with O_TRUNC", "truncate"})
    lesson.equal(way, "ETXTBSY", run.text(way));
  lesson.equal("open for reading", "done", run.text("open for reading"));
}

// How install, cp --remove-destination and package managers do it.
void judge_replacement(Lesson& lesson, const GuestRun& run) {
  lesson.equal("a new file is renamed over it", "done", run.text("rename of a new one over it"));
  lesson.equal("the running program says", "EDITION-1", run.text("the program says afterwards"));
  lesson.equal("the program, started anew, says", "EDITION-2", run.text("the new program says"));
  lesson.equal("the name is removed, and the first one says", "EDITION-1", run.text("the program says in the end"));
}

void judge_exec(Lesson& lesson, const GuestRun& run) {
  for (const char* way : {"exec of a program open for writing", "exec of a script open for writing"})
    lesson.equal(way, "ETXTBSY", run.text(way));
  for (const char* way : {"exec of it afterwards", "exec of it afterwards, too"})
    lesson.equal(way, "done", run.text(way));
}

}  // namespace

void tell_busy(Lesson& lesson) {
  lesson.say(
      "A program runs. Another one opens its file for writing, wants to truncate it, to replace it. The pages of the "
      "running program are those of the file: whoever edits the file would edit the program in mid-run.");
  lesson.claim(18);
  const GuestRun among_guests = lesson.run({{"./busy"}});
  judge(lesson, among_guests);
  lesson.show("What is not the same file can be written. A new file under the old name:");
  judge_replacement(lesson, among_guests);
  lesson.show("The other direction: what somebody writes is not executed.");
  judge_exec(lesson, among_guests);
  lesson.show("The same where Pagefold owns every file:");
  const GuestRun owned = lesson.run({.argv = {"./busy"}, .flags = {"--own-files"}});
  judge(lesson, owned);
  judge_replacement(lesson, owned);
  judge_exec(lesson, owned);
  lesson.show("And from outside: the editor is an ordinary process.");
  const auto pagefold = own_path();
  lesson.holds("the command knows where it is", pagefold.has_value());
  if (pagefold) {
    const GuestRun outside = lesson.run({{"./busy", *pagefold, "run", "-q", "--"}, Where::Host});
    judge(lesson, outside);
    judge_replacement(lesson, outside);
  }
  lesson.subtler(
      "only the program itself is protected (and, while exec looks at it, a script). Its libraries are merely mapped: "
      "they can be overwritten at any time, and the programs that use them crash. That is why libraries are replaced "
      "by rename, too.");
}

}  // namespace pagefold::tour
