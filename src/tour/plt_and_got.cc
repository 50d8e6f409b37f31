// Chapter "PLT and GOT", claim 26: the slot behind puts, byte by byte, before and after the first call; bound at the
// start and made read-only.
#include <fmt/format.h>

#include "tour/disassembly.h"
#include "tour/tour.h"

namespace pagefold::tour {
namespace {

constexpr std::int64_t kSegv = 11;

void bound_when_called(Lesson& lesson) {
  const GuestRun run = lesson.run({{"./plt"}});
  lesson.equal("call instructions for puts in the program", 10, run.number("call instructions to puts's place"));
  lesson.show("all go to its place in the PLT:");
  const Disassembly place = disassemble(lesson, run, "place");
  if (place.possible) {
    lesson.equal("jumps through a slot in memory", 1, static_cast<std::int64_t>(place.count("jmp *0x")));
    lesson.equal("then the slot's number, for the loader", 1, static_cast<std::int64_t>(place.count("push $0x")));
  }
  lesson.show("slot, at " + run.text("slot at").value_or("?") + ":");
  lesson.show("  before the first call: " + run.text("slot before").value_or("?"));
  lesson.show("  after it:              " + run.text("slot after").value_or("?"));
  lesson.answer("before, it led back into the place, to the push", true, run.number("slot leads back into the place"));
  lesson.equal("so the first call went on in", "plt", run.text("slot leads to, before"));
  lesson.answer("after, it has the address of puts", true, run.number("slot has the address of puts"));
  lesson.equal("in", "libc.so.6", run.text("slot leads to, after"));
  lesson.equal("lines that puts printed", 10, [&] {
    std::int64_t lines = 0;
    for (int i = 1; i <= 10; ++i) lines += run.output.find(fmt::format("call {}\n", i)) != std::string::npos ? 1 : 0;
    return Number(lines);
  }());
  lesson.answer("has any byte of the program's code changed", false, run.number("code of the program has changed"));
}

void bound_at_the_start(Lesson& lesson) {
  lesson.show("Bound at the start, by wish of the user (LD_BIND_NOW):");
  const GuestRun wished = lesson.run({{"./plt"}, Where::Pagefold, {}, {"LD_BIND_NOW=1"}});
  lesson.equal("slot leads to, before the first call", "libc.so.6", wished.text("slot leads to, before"));
  lesson.equal("permissions of its page", "rw-p", wished.text("permissions of the slot's page"));
  lesson.equal("signal when somebody stores to it", 0, wished.number("signal when the slot is stored to"));
  lesson.show("By wish of the linker (-z now); then RELRO makes the GOT read-only:");
  const GuestRun now = lesson.run({{"./plt-now"}});
  lesson.equal("slot leads to, before the first call", "libc.so.6", now.text("slot leads to, before"));
  lesson.answer("it has the address of puts", true, now.number("slot has the address of puts"));
  lesson.equal("permissions of its page", "r--p", now.text("permissions of the slot's page"));
  lesson.equal("signal when somebody stores to it (SIGSEGV)", kSegv, now.number("signal when the slot is stored to"));
}

}  // namespace

void tell_plt_and_got(Lesson& lesson) {
  lesson.say(
      "Ten calls of puts would be ten places in the code to correct, in pages that could then no longer be shared. "
      "So all go to one place in a section of their own, the PLT, and from there through one slot in a table of "
      "data, the GOT. Only the slot is corrected; at first it leads to the loader, who corrects it when needed.");
  lesson.claim(26);
  bound_when_called(lesson);
  bound_at_the_start(lesson);
  lesson.subtler(
      "a table of addresses that can be stored to is an attacker's wish; therefore many distributions bind at the "
      "start and protect the table. Compiled with -fno-plt, code calls through the slot without the PLT.");
}

}  // namespace pagefold::tour
