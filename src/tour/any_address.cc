// Chapter "any address", claims 21 to 23: one library at two addresses, position independent or not; and how 64-bit and
// 32-bit code find their data.
#include <fmt/format.h>

#include "tour/disassembly.h"
#include "tour/tour.h"

namespace pagefold::tour {
namespace {

constexpr const char* kOffset = "variable minus library";

Number of(const GuestRun& run, std::string_view process, std::string_view what) {
  return run.number(fmt::format("{}, {}", process, what));
}

void judge_frames(Lesson& lesson, const GuestRun& run, bool expected) {
  if (run.number("frame numbers visible") == Number(1))
    lesson.answer("one frame holds the code of both", expected, run.number("code in one frame"));
  else
    lesson.show("(frame numbers are shown to root only)");
}

GuestRun two_addresses(Lesson& lesson) {
  lesson.claim(21);
  lesson.show("Two processes; the second has filled part of its address space before:");
  const GuestRun run = lesson.run({{"./addresses", "libcounter.so"}});
  lesson.show_lines(run, "its variable at");
  lesson.equal("processes alive at the same time", 2, run.number("processes that ended well"));
  lesson.answer("the library has the same address in both", false, run.number("same address"));
  lesson.equal("from the library's start to its variable, in the first", of(run, "second", kOffset).value_or(-1),
               of(run, "first", kOffset));
  lesson.equal("the first process counted to", 1, of(run, "first", "counted to"));
  lesson.equal("the second to", 2, of(run, "second", "counted to"));
  lesson.equal("bytes of code that differ between them", 0, run.number("bytes of code that differ"));
  judge_frames(lesson, run, true);
  return run;
}

GuestRun fixed_addresses(Lesson& lesson) {
  lesson.show("The same source, compiled to code with fixed addresses (-fno-pic):");
  const GuestRun run = lesson.run({{"./addresses", "libfixed.so"}});
  lesson.show_lines(run, "its variable at");
  lesson.between("bytes of code that differ: the loader corrected them", 1, 8, run.number("bytes of code that differ"));
  judge_frames(lesson, run, false);
  return run;
}

void relative_to_the_instruction(Lesson& lesson, const GuestRun& run) {
  lesson.claim(22);
  lesson.equal("distances from code to variable in the code of the two", 4,
               run.number("distances to the variable in the code"));
  for (const char* process : {"first", "second"}) {
    const Disassembly code = disassemble(lesson, run, process);
    if (code.possible)
      lesson.equal("instructions relative to the instruction pointer (%rip)", 2,
                   static_cast<std::int64_t>(code.count("(%rip)")));
  }
  lesson.show("32-bit code, in a library as a 32-bit process has it in memory:");
  const auto small =
      lesson.attempt({{"./loaded32"}, Where::Host}, "apt-get install libc6-i386; a kernel that runs 32-bit programs");
  if (!small) return;
  const Disassembly code = disassemble(lesson, *small, "library", Machine::X86);
  lesson.equal("bytes in a pointer", 4, small->number("bytes in a pointer"));
  lesson.equal("its function counted to", 2, small->number("library's function counted to"));
  if (!code.possible) return;
  lesson.equal("%eip as an operand", 0, static_cast<std::int64_t>(code.count("(%eip)")));
  lesson.between("the trick: calls, for the sake of the return address", 1, 4,
                 static_cast<std::int64_t>(code.count("call ")));
  lesson.between("which is fetched from the stack: mov (%esp), register", 1, 4,
                 static_cast<std::int64_t>(code.count("mov (%esp),")));
}

void the_compiler_must_be_told(Lesson& lesson, const GuestRun& independent, const GuestRun& fixed) {
  lesson.claim(23);
  lesson.show("The code without -fPIC, in the two processes:");
  for (const char* process : {"first", "second"}) {
    const Disassembly code = disassemble(lesson, fixed, process);
    if (code.possible)
      lesson.equal("instructions with an absolute address", 1, static_cast<std::int64_t>(code.count("movabs $0x")));
  }
  lesson.equal("absolute addresses of the variable in their code", 2,
               fixed.number("absolute addresses of the variable in the code"));
  lesson.equal("in the code compiled with -fPIC", 0,
               independent.number("absolute addresses of the variable in the code"));

  lesson.show("With usual, shorter addresses not even a library comes of it:");
  lesson.write("counter.c", "static int counter;\nint *where(void) { return &counter; }\n");
  constexpr int kRefused = 1;
  const auto refused = lesson.attempt({{"gcc", "-shared", "-fno-pic", "-mcmodel=medium", "counter.c"}, Where::Host},
                                      "apt-get install gcc", kRefused);
  if (!refused) return;
  const std::size_t advice = refused->errors.find("recompile with -fPIC");
  lesson.holds("the linker's advice: recompile with -fPIC", advice != std::string::npos);
  lesson.attempt({{"gcc", "-shared", "-fPIC", "counter.c", "-o", "libplain.so"}, Where::Host}, "apt-get install gcc");
}

}  // namespace

void tell_any_address(Lesson& lesson) {
  lesson.say(
      "Nobody can reserve an address for each library of the world. So a library goes wherever there is room, and "
      "its code must not care: it first finds out where it is, from that where its data are, and then uses them.");
  const GuestRun independent = two_addresses(lesson);
  const GuestRun fixed = fixed_addresses(lesson);
  relative_to_the_instruction(lesson, independent);
  the_compiler_must_be_told(lesson, independent, fixed);
  lesson.subtler(
      "code with fixed addresses can be loaded after all, if the loader is let to store into it (text "
      "relocations): every process then pays for a copy of each page of code that has an address.");
}

}  // namespace pagefold::tour
