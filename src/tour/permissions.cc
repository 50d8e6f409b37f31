// Chapter "permissions", claim 4: all combinations of r, w, x and all accesses, compared with the rules and the host.
#include <array>

#include "tour/tour.h"

namespace pagefold::tour {
namespace {

struct Rule {
  const char* permissions;
  const char* outcome;  // as ./forbid prints it: done, or signal/si_code
};

// 11 is SIGSEGV, 2 is SEGV_ACCERR: mapped, but not allowed.
constexpr std::array<Rule, 5> kRules = {{
    {"---", "r=11/2 w=11/2 x=11/2"},
    {"r--", "r=done w=11/2 x=11/2"},
    {"rw-", "r=done w=done x=11/2"},
    {"r-x", "r=done w=11/2 x=done"},
    {"rwx", "r=done w=done x=done"},
}};
constexpr std::array<const char*, 3> kHardwareDecides = {"-w-", "--x", "-wx"};

}  // namespace

void tell_permissions(Lesson& lesson) {
  lesson.say(
      "A page is given each combination of r, w and x, and each access is tried: load a byte, store a byte, call "
      "it as a function. What is forbidden raises SIGSEGV (11) with si_code 2, \"not allowed\".");
  lesson.claim(4);
  const GuestRun run = lesson.run({{"./forbid"}});
  for (const Rule& rule : kRules) lesson.equal(rule.permissions, rule.outcome, run.text(rule.permissions));
  const GuestRun host = lesson.run({{"./forbid"}, Where::Host});
  for (const char* permissions : kHardwareDecides)
    lesson.equal(std::string(permissions) + ", as natively", host.text(permissions).value_or("(nothing natively)"),
                 run.text(permissions));
  lesson.equal("signals that named another address", 0, run.number("signals with another address"));
  lesson.equal("system calls refused with EFAULT", 2, run.number("system calls that got EFAULT"));

  lesson.show("A handler may lift the prohibition, page by page, and return:");
  const GuestRun repair = lesson.run({{"./repair"}});
  lesson.equal("pages that could only be read", 100, repair.number("pages"));
  lesson.equal("traps", 100, repair.number("traps"));
  lesson.equal("pages stored to after all", 100, repair.number("pages stored to after all"));
  lesson.subtler(
      "x86 page tables cannot allow a store and forbid the load: \"-w-\" can be read. Nor can they allow only "
      "execution: \"--x\" can be read, unless the processor has protection keys.");
}

}  // namespace pagefold::tour
