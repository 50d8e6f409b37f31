// What Pagefold needs of the host kernel, and whether it is there: one Finding a feature, found by trying it, not by version
// numbers. `pagefold doctor` prints all of them; `pagefold run` asks require_runnable() first.
//
// The probes leave nothing behind: what they create (descriptors, a child process, a cgroup, a file) is gone when they return.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"

namespace pagefold::host {

enum class Need : unsigned char {
  Required,  // `pagefold run` cannot run without it
  Optional,  // runs without it: slower, or for fewer programs
};

enum class Status : unsigned char { Present, Missing };

struct Finding {
  std::string key;      // stable name, for JSON: "userfaultfd"
  std::string title;    // for people
  Need need = Need::Required;
  Status status = Status::Missing;
  std::string detail;   // what was found ("6.18.44"), or why it is missing
  Error error;          // of a missing one
  std::string purpose;  // what Pagefold uses it for
  std::string remedy;   // the command that fixes it; empty when present
};

// Something the administrator does once, so that an ordinary user can run Pagefold.
struct UserStep {
  std::string purpose;
  std::string command;
};

struct Features {
  std::vector<Finding> findings;
  std::vector<UserStep> user_steps;

  // No required feature is missing.
  [[nodiscard]] bool runnable() const;
};

// Tries every feature. Takes a few milliseconds and forks two short-lived children.
Features probe_features();

// For the start of a run: the required features that can be tried without a child process, a fraction of a millisecond.
// The error names the first that is missing and points to `pagefold doctor`, in one line.
Result<void> require_runnable();

}  // namespace pagefold::host
