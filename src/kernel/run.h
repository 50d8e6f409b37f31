// Running a program on Pagefold's memory: the one entry of kernel/ for the command line.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/error.h"
#include "event/file_watch.h"
#include "inject/spec.h"
#include "reclaim/reference_sampler.h"
#include "reclaim/swap.h"
#include "report/summary.h"

namespace pagefold::kernel {

// Who loads the libraries of glibc programs.
enum class Loader {
  System,           // the interpreter that the program names
  Pagefold,         // ld-pagefold.so, where it can; without its file there is no run
  PagefoldIfThere,  // the same, but without its file the system's loader, with a note
};

// A limit on the memory of the whole run.
struct MemoryOptions {
  Bytes limit = 0;  // of page frames; 0: none
  std::string policy = "s3fifo";
  reclaim::SwapSpec swap;
  reclaim::ReferenceSampler* sampler = nullptr;  // instead of a policy: pages are taken away to see their touches
};

struct RunOptions {
  std::vector<std::string> command;  // at least one; looked up in PATH when it has no slash
  unsigned fault_around = 256;       // most pages installed by one fault, 1..512; 1 = exact accounting
  Loader loader = Loader::PagefoldIfThere;
  MemoryOptions memory;
  bool own_files = false;            // files are fully owned (docs/files.md); a memory limit wants that
  std::chrono::milliseconds write_back{5000};  // own_files: how long a page stays dirty at most; 0: until it must be written
  std::vector<inject::Spec> failures;  // want own_files
  std::uint64_t seed = 0;              // of their chances
  event::FileWatch* file_watch = nullptr;  // told of what guests do to files, which must be fully owned; outlives the run
};

// Exit codes of `pagefold run` beside the program's own (as env(1), nice(1), timeout(1)).
inline constexpr int kExitFailed = 125;         // Pagefold itself failed
inline constexpr int kExitNotExecutable = 126;
inline constexpr int kExitNotFound = 127;

// Runs the command to its end, and until no guest is left. The summary's exit_code is the program's own, or 128 + signal.
// Errors: ENOENT (not found), EACCES/ENOEXEC (not executable) with the program's name alone as their context; anything else:
// Pagefold cannot run here (see `pagefold doctor`).
Result<report::RunSummary> run(const RunOptions& options);

}  // namespace pagefold::kernel
