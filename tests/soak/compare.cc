#include "compare.h"

#include <fmt/format.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "../guest/runner.h"

namespace pagefold::soak {
namespace {

using guest_test::Mode;
using guest_test::RunResult;

class Directory {
 public:
  explicit Directory(Place place)
      : path_(place == Place::Tmpfs ? "/dev/shm/pagefold-soak-XXXXXX" : "/var/tmp/pagefold-soak-XXXXXX") {
    if (::mkdtemp(path_.data()) == nullptr) path_.clear();
  }
  ~Directory() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

RunResult run_program(const std::string& text, Place place, const State* state) {
  const Directory directory(place);
  std::ofstream(directory.path() + "/program") << text;
  guest_test::Setting setting;
  setting.directory = directory.path();
  setting.timeout = std::chrono::seconds(20);
  if (state != nullptr) setting.pagefold_flags = state->flags;
  return guest_test::run({guest_test::guest_helper_directory() + "/runs_file_operations", "program"},
                         state == nullptr ? Mode::Native : Mode::Pagefold, setting);
}

std::string first_difference(const RunResult& native, const RunResult& ours) {
  if (ours.timed_out) return "the run under Pagefold did not end";
  std::istringstream expected(native.out), got(ours.out);
  std::string a, b;
  while (true) {
    const bool more = static_cast<bool>(std::getline(expected, a)), also = static_cast<bool>(std::getline(got, b));
    if (!more && !also) break;
    if (!more) a = "(end)";
    if (!also) b = "(end)";
    if (a != b) return fmt::format("native:   {}\npagefold: {}", a, b);
  }
  if (native.status != ours.status) return fmt::format("status: native {}, pagefold {}", native.status, ours.status);
  return native.err == ours.err ? ""
                                : fmt::format("standard error: native \"{}\", pagefold \"{}\"", native.err, ours.err);
}

}  // namespace

const std::vector<State>& states() {
  static const std::vector<State> kStates{{"default", {"run", "-q", "--"}},
                                          {"own-files", {"run", "-q", "--own-files", "--"}}};
  return kStates;
}

Difference compare(const std::vector<Scene>& scenes, Place place, const State* only) {
  const std::string text = text_of(scenes);
  const RunResult native = run_program(text, place, nullptr);
  if (native.timed_out || native.status != 0)
    return {only != nullptr ? only : states().data(),
            fmt::format("the native run is the oracle and must end well: {}", native.out)};
  for (const State& state : states()) {
    if (only != nullptr && only != &state) continue;
    const std::string difference = first_difference(native, run_program(text, place, &state));
    if (!difference.empty()) return {&state, difference};
  }
  return {};
}

// Halves, quarters, ... single lines are left out as long as a difference remains; `reset` stays.
Scene shrink(Scene scene, Place place, const State& state) {
  for (std::size_t size = scene.size() / 2; size > 0;) {
    bool smaller = false;
    for (std::size_t at = 1; at < scene.size();) {
      Scene less = scene;
      const auto from = less.begin() + static_cast<std::ptrdiff_t>(at);
      less.erase(from, from + static_cast<std::ptrdiff_t>(std::min(size, less.size() - at)));
      if (!compare({less}, place, &state).text.empty()) {
        scene = std::move(less);
        smaller = true;
      } else {
        at += size;
      }
    }
    if (!smaller || size > 1) size /= 2;
  }
  return scene;
}

}  // namespace pagefold::soak
