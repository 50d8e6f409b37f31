// The reasons that are known before anything is opened. In an AT_SECURE start the environment is not believed: there is
// one reason.
#include "ld/abi/glibc/auxv.h"
#include "ld/hand_over/hand_over.h"
#include "ld/hand_over/initial_stack.h"

namespace pagefold::ld::hand_over {
namespace {

// Variables of ld.so whose effect is its own; set and not empty.
struct Variable {
  char name[20];
  char reason[60];
};
constexpr Variable kVariables[] = {
    {"LD_AUDIT", "LD_AUDIT asks for an audit library"},
    {"LD_PROFILE", "LD_PROFILE asks for a profile"},
    {"LD_SHOW_AUXV", "LD_SHOW_AUXV asks for the auxiliary vector"},
};

}  // namespace

const char* reason_at_start(const uint64_t* stack) {
  const InitialStack initial(const_cast<uint64_t*>(stack));
  if (glibc::aux_value(initial.auxv, glibc::kAuxSecure)) return "the program runs with privileges (AT_SECURE)";
  for (const Variable& variable : kVariables) {
    const char* value = initial.environment_value(variable.name);
    if (value && *value) return variable.reason;
  }
  return nullptr;
}

}  // namespace pagefold::ld::hand_over
