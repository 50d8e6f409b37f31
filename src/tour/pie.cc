// Chapter "PIE", claim 27: one function compiled for a library and for the main program, and what the main program's
// code may take for granted.
#include "tour/disassembly.h"
#include "tour/tour.h"

namespace pagefold::tour {
namespace {

constexpr std::int64_t kSharedObject = 3;  // ET_DYN in the ELF header: may be loaded anywhere

void by_default(Lesson& lesson) {
  const GuestRun plain = lesson.run({{"./plain"}});
  lesson.answer("compiled without any option: as with -fpie", true, plain.number("compiled as with -fpie"));
  lesson.equal("type of its file (ET_DYN: may be loaded anywhere)", kSharedObject, plain.number("ELF type"));
}

void the_same_function(Lesson& lesson, const GuestRun& run) {
  lesson.show("int next_number(void) { return ++number; } in the main program, -fpie:");
  const Disassembly pie = disassemble(lesson, run, "fpie");
  lesson.show("The same in a library, -fpic:");
  const Disassembly pic = disassemble(lesson, run, "fpic");
  if (pie.possible && pic.possible) {
    const auto more =
        static_cast<std::int64_t>(pic.instructions.size()) - static_cast<std::int64_t>(pie.instructions.size());
    lesson.between("instructions more with -fpic", 1, 4, more);
  }
  lesson.equal("loads of the variable's address from the GOT, with -fpic", 1,
               run.number("fpic, loads of the variable's address from the GOT"));
  lesson.equal("with -fpie", 0, run.number("fpie, loads of the variable's address from the GOT"));
}

void whose_variable(Lesson& lesson, const GuestRun& run) {
  lesson.show("Why the detour? Main program and library each define `number`:");
  lesson.answer("the library has one of its own", true, run.number("library has a variable of its own"));
  lesson.equal("both functions counted; the main program's variable is", 2,
               run.number("main program's variable, after both counted"));
  lesson.equal("the library's", 0, run.number("library's variable, after both counted"));
  lesson.answer("the library's code uses the main program's", true,
                run.number("library's code finds the main program's"));
}

void copy_relocation(Lesson& lesson, const GuestRun& run) {
  lesson.show("And a variable that only a library defines, `announced`, 42 there?");
  lesson.answer("it lies in the main program: the loader copied it", true,
                run.number("variable that the library defines lies in the main program"));
  lesson.answer("the library's code uses it there, too", true, run.number("library's code finds it there"));
  lesson.equal("the main program counted it up to", 43,
               run.number("it began with the library's value and was counted up to"));
  lesson.equal("at its place in the library nobody uses, still", 42,
               run.number("at its place in the library there is still"));
}

}  // namespace

void tell_pie(Lesson& lesson) {
  lesson.say(
      "The main program, too, may be loaded anywhere, but it is always the first to be searched: a name that it "
      "defines is its own, and nobody can put another in its place. So its code may go straight to its variables, "
      "while a library must ask the GOT, even for those that it defines itself.");
  lesson.claim(27);
  by_default(lesson);
  const GuestRun run = lesson.run({{"./pie"}});
  the_same_function(lesson, run);
  whose_variable(lesson, run);
  copy_relocation(lesson, run);
  lesson.subtler(
      "that a library's variable can be reached directly, too, has a price: its size becomes a part of the main "
      "program (copy relocation), and a library that makes it larger breaks the programs.");
}

}  // namespace pagefold::tour
