// One program natively and under Pagefold, in each file state: whatever an observer could see must be the same.
#pragma once

#include <string>
#include <vector>

#include "generate.h"
#include "places.h"

namespace pagefold::soak {

struct State {
  const char* name;
  std::vector<std::string> flags;  // what stands before the command
  // With processes outside the run at once, too, not only with announced ones (docs/files.md, "Who sees what, and when").
  bool exact_outside;
};

// Default: owned and host-mapped, as the program opens its files; and fully owned.
const std::vector<State>& states();

// Empty: no difference in any state. Otherwise the state, and the first line that differs.
struct Difference {
  const State* state = nullptr;
  std::string text;
};

Difference compare(const std::vector<Scene>& scenes, Place place, const State* only = nullptr);

// The fewest lines found that still differ in that state.
Scene shrink(Scene scene, Place place, const State& state);

}  // namespace pagefold::soak
