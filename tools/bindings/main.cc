// pagefold_bindings: do the genuine loader and ours bind every program alike? No program is executed.
//
// For each dynamic program: the set of (referrer, symbol, version, definer) and the list of libraries, from a trace;
// then the memory after relocation - every relocated word, copied bytes, TLS offsets - and the order of constructors,
// from a stopped process, bound now and lazily. Exit code 1 when a difference has no reason in the list.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <mutex>
#include <thread>

#include "elf_file.h"
#include "reasons.h"
#include "snapshot.h"
#include "trace.h"
#include "tracee.h"

namespace pagefold::bindings {
namespace {

struct Options {
  std::string loader = PAGEFOLD_LOADER;
  std::string reasons = PAGEFOLD_REASONS;
  std::vector<std::string> programs;
  unsigned jobs = std::thread::hardware_concurrency();
  unsigned shown = 10;
  std::vector<std::string> tested_environment;
  bool trace_only = false;
  bool memory_only = false;
};

struct Totals {
  uint64_t bindings = 0;
  uint64_t words = 0;
  uint64_t constructors = 0;
  uint64_t unloadable = 0;  // programs that the genuine loader cannot load
  std::vector<std::string> differences;
};

void add_difference_of_sets(const char* kind, const std::set<std::string>& genuine, const std::set<std::string>& tested,
                            Totals& totals) {
  for (const std::string& one : genuine) {
    if (!tested.contains(one)) totals.differences.push_back(fmt::format("{} {} only genuine", kind, one));
  }
  for (const std::string& one : tested) {
    if (!genuine.contains(one)) totals.differences.push_back(fmt::format("{} {} only ours", kind, one));
  }
}

void compare_traces(const std::string& program, const Options& options, Totals& totals) {
  const Trace genuine = trace_bindings(program, kGenuineLoader, {});
  const Trace tested = trace_bindings(program, options.loader, options.tested_environment);
  if (genuine.ending != "exit 0") ++totals.unloadable;
  totals.bindings += genuine.bindings.size();
  if (genuine.ending != tested.ending)
    totals.differences.push_back(fmt::format("ending - - {} / {}", genuine.ending, tested.ending));
  add_difference_of_sets("binding", genuine.bindings, tested.bindings, totals);
  add_difference_of_sets("line", genuine.words, tested.words, totals);
}

void compare_memory(const std::string& program, const Options& options, Totals& totals) {
  for (const bool bind_now : {true, false}) {
    const Snapshot genuine = take_snapshot(program, kGenuineLoader, bind_now, {});
    const Comparison result =
        compare(genuine, take_snapshot(program, options.loader, bind_now, options.tested_environment));
    totals.words += result.words;
    totals.constructors += genuine.constructors.size();
    totals.differences.insert(totals.differences.end(), result.differences.begin(), result.differences.end());
  }
}

std::vector<std::string> all_programs() {
  std::vector<std::string> programs;
  for (const char* folder : {"/usr/bin", "/usr/sbin"}) {
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      std::error_code ignored;
      if (entry.is_symlink() || !entry.is_regular_file(ignored) || ::access(entry.path().c_str(), X_OK) != 0) continue;
      if (interpreter_of(entry.path()) == kGenuineLoader) programs.push_back(entry.path());
    }
  }
  std::ranges::sort(programs);
  return programs;
}

class Run {
 public:
  explicit Run(const Options& options)
      : options_(options),
        reasons_(read_reasons(options.reasons)),
        programs_(options.programs.empty() ? all_programs() : options.programs) {}

  int run() {
    std::vector<std::thread> workers;
    for (unsigned i = 0; i < std::max(1U, options_.jobs); ++i) workers.emplace_back([this] { work(); });
    for (std::thread& one : workers) one.join();
    summarise();
    return unexplained_ == 0 && !programs_.empty() ? 0 : 1;
  }

 private:
  void work() {
    for (size_t i = 0; (i = next_++) < programs_.size();) {
      Totals totals;
      if (!options_.memory_only) compare_traces(programs_[i], options_, totals);
      if (!options_.trace_only) compare_memory(programs_[i], options_, totals);
      const std::lock_guard lock(mutex_);
      account(programs_[i], totals);
    }
  }

  void account(const std::string& program, const Totals& totals) {
    bindings_ += totals.bindings;
    words_ += totals.words;
    constructors_ += totals.constructors;
    unloadable_ += totals.unloadable;
    unsigned shown = 0;
    uint64_t here = 0;
    for (const std::string& one : totals.differences) {
      if (Reason* reason = reason_of(reasons_, one); reason != nullptr) {
        ++reason->used;
        ++explained_;
        continue;
      }
      ++here;
      if (shown++ < options_.shown) fmt::print("{}: {}\n", program, one);
    }
    if (here > options_.shown) fmt::print("{}: {} differences more\n", program, here - options_.shown);
    unexplained_ += here;
    differing_ += here > 0 ? 1 : 0;
    if (++done_ % 50 == 0)
      fmt::print(stderr, "bindings: {} of {} programs, {} differences\n", done_, programs_.size(), unexplained_);
    std::fflush(stdout);
  }

  void summarise() {
    for (const Reason& one : reasons_) {
      if (one.used > 0)
        fmt::print("explained {} times: {} of {} in {}: {}\n", one.used, one.kind, one.symbol, one.object, one.text);
    }
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count();
    fmt::print(
        "bindings: {} programs in {:.0f} s ({} not loadable), {} bindings, {} relocated words, {} constructor calls, "
        "{} differences explained, "
        "{} differences in {} programs\n",
        programs_.size(), seconds, unloadable_, bindings_, words_, constructors_, explained_, unexplained_, differing_);
  }

  Options options_;
  std::vector<Reason> reasons_;
  std::vector<std::string> programs_;
  std::atomic<size_t> next_ = 0;
  std::mutex mutex_;
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
  uint64_t bindings_ = 0, words_ = 0, constructors_ = 0, unloadable_ = 0, explained_ = 0, unexplained_ = 0,
           differing_ = 0, done_ = 0;
};

}  // namespace
}  // namespace pagefold::bindings

int main(int argc, char** argv) {
  using namespace pagefold::bindings;
  Options options;
  CLI::App app("Compares what the genuine loader and ours make of every dynamic program, without executing any.");
  app.add_option("--loader", options.loader, "the loader under test")->envname("PAGEFOLD_LOADER");
  app.add_option("--reasons", options.reasons, "differences that are known and right");
  app.add_option("--jobs", options.jobs, "programs at a time");
  app.add_option("--show", options.shown, "differences shown of a program");
  app.add_option("--tested-environment", options.tested_environment,
                 "NAME=value for the tested side only: to see that differences are seen")
      ->allow_extra_args(false);
  app.add_flag("--trace-only", options.trace_only, "bindings and libraries only");
  app.add_flag("--memory-only", options.memory_only, "memory and order only");
  app.add_option("programs", options.programs, "programs (default: all of /usr/bin and /usr/sbin)");
  CLI11_PARSE(app, argc, argv);
  if (::getuid() != 0 || ::access(options.loader.c_str(), X_OK) != 0) {
    fmt::print(stderr, "pagefold_bindings: needs root, and the loader {}: make build\n", options.loader);
    return 2;
  }
  return Run(options).run();
}
