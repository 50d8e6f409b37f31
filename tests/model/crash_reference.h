// What docs/crash.md says a power cut leaves, written down a second time and as naively as possible: no units, atoms or
// cuts, but every subset of what a program's calls do (crash_play.h), at every position, and of these the subsets that the model's
// words allow.
#pragma once

#include <map>
#include <set>
#include <string>

#include "crash/image.h"
#include "crash/model.h"
#include "crash_play.h"

namespace pagefold::crash::reference {

// The files, by name, and how often the program had spoken, in words; by the position of the cut.
using States = std::map<std::size_t, std::set<std::string>>;
States states(const Play& play, Model model);
std::set<std::string> together(const States& states);

// The same words for what the code under test makes.
std::string words(const History& history, const Image& image, Position cut);

}  // namespace pagefold::crash::reference
