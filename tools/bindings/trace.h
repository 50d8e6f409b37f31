// What a loader binds in a program that it is asked to trace only: LD_TRACE_LOADED_OBJECTS with LD_WARN, LD_BIND_NOW
// and LD_DEBUG=bindings. A breakpoint at the entry point makes sure that the program is not executed even if the loader
// errs.
#pragma once

#include <set>
#include <string>
#include <vector>

namespace pagefold::bindings {

struct Trace {
  std::set<std::string> bindings;  // "referrer symbol version definer"
  std::set<std::string> words;     // the other lines: libraries and warnings, without addresses and process ids
  std::string ending;              // "exit 0"; "executed" when it was about to run
};

Trace trace_bindings(const std::string& program, const std::string& loader,
                     const std::vector<std::string>& more_environment);

}  // namespace pagefold::bindings
