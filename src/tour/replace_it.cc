// Chapter "replace it", claim 29: a new version of a library is installed while a program runs that uses the old one.
#include "tour/tour.h"

namespace pagefold::tour {

void tell_replace_it(Lesson& lesson) {
  lesson.say(
      "Two programs, a speaker and a singer, use libgreeting.so.1. A speaker is started; then a new version of the "
      "library is installed as packages do it, by renaming a new file over the old name; then more are started.");
  lesson.claim(29);
  const GuestRun run = lesson.run({{"./replace"}});
  lesson.show("early speaker: " + run.text("early speaker says").value_or("?"));
  lesson.equal("version of the library that it uses", 1, run.number("early speaker"));
  lesson.show("version 2 is installed; late speaker: " + run.text("late speaker says").value_or("?"));
  lesson.equal("version that it uses", 2, run.number("late speaker"));
  lesson.show("late singer: " + run.text("late singer says").value_or("?"));
  lesson.equal("version that it uses", 2, run.number("late singer"));
  lesson.answer("the programs' files are as they were", true, run.number("programs are as they were"));
  lesson.equal("version that the early speaker uses, after the installation", 1,
               run.number("early speaker, afterwards"));
  lesson.equal("and at the end, beside the late ones", 1, run.number("early speaker, at the end"));
  lesson.equal("its mappings of a file without a name: before", 0, run.number("mappings of it without a name, before"));
  lesson.between("afterwards (\"(deleted)\" in its maps)", 3, 8,
                 run.number("mappings of it without a name, afterwards"));
  lesson.equal("processes that ended well", 3, run.number("processes that ended well"));
  lesson.holds("both programs ran", run.ran("speaker") && run.ran("singer"));
  lesson.subtler(
      "this holds for a library that keeps its promises: names, versions of symbols, layouts. What breaks them "
      "gets a new name (libgreeting.so.2). And a library must be renamed over, never written over: the running "
      "programs have it mapped.");
}

}  // namespace pagefold::tour
