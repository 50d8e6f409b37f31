// From a log of what a program did to its files to a verdict: look at the files as the program left them, explore, shrink the earliest
// violation, keep it as a case.
#pragma once

#include <string>

#include "cli/crash.h"
#include "crash/log.h"
#include "crash/model.h"

namespace pagefold::cli {

inline constexpr const char* kElsewhere = " (--output names another directory)";

// What is to be explored. The target of a log that was not recorded just now is given by --files, too.
struct Source {
  std::string log_path;
  std::string target;
};

// Tells what it finds. Returns the exit code of `pagefold crash`.
int explore_log(const CrashArguments& arguments, crash::Model model, const Source& source, crash::Log log);

}  // namespace pagefold::cli
