// Under which names files are known at each event of a log, for people: paths below the recorded directory.
#pragma once

#include <string>
#include <vector>

#include "crash/log.h"

namespace pagefold::crash {

struct EventNames {
  std::string file;           // what the event is about; one that has no name any more keeps its last
  std::string name, to_name;  // entries of directories that it is about
};

// By position.
std::vector<EventNames> names_of(const Log& log);

}  // namespace pagefold::crash
