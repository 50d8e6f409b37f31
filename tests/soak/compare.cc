#include "compare.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <optional>
#include <sstream>

#include "../guest/runner.h"

namespace pagefold::soak {
namespace {

using guest_test::Mode;
using guest_test::RunResult;

std::string helper() { return guest_test::guest_helper_directory() + "/runs_file_operations"; }

bool has_outsider(const std::string& text) { return text.find("\noutside ") != std::string::npos; }
bool announces_outsider(const std::string& text) { return text.find("\nsettle\n") != std::string::npos; }

// A process outside the run that takes part in it: waits for lines to be told (tests/guest/helpers/others.h).
class Outsider {
 public:
  explicit Outsider(const std::string& directory) {
    for (const char* fifo : {"/to-outside", "/from-outside"}) ::mkfifo((directory + fifo).c_str(), 0600);
    const std::string binary = helper();
    pid_ = ::fork();
    if (pid_ != 0) return;
    if (::chdir(directory.c_str()) == 0)
      ::execl(binary.c_str(), "runs_file_operations", "program", "outside", nullptr);
    ::_exit(127);
  }
  ~Outsider() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Outsider(const Outsider&) = delete;
  Outsider& operator=(const Outsider&) = delete;

 private:
  pid_t pid_ = -1;
};

RunResult run_program(const std::string& text, Place place, const State* state) {
  const Directory directory(place);
  std::ofstream(directory.path() + "/program") << text;
  std::optional<Outsider> outsider;
  if (has_outsider(text)) outsider.emplace(directory.path());
  guest_test::Setting setting;
  setting.directory = directory.path();
  setting.timeout = std::chrono::seconds(20);
  if (state != nullptr) setting.pagefold_flags = state->flags;
  return guest_test::run({helper(), "program"}, state == nullptr ? Mode::Native : Mode::Pagefold, setting);
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
    if (a == b) continue;
    const std::string end = also ? "" : fmt::format(" with status {}: {}", ours.status, ours.err);
    return fmt::format("native:   {}\npagefold: {}{}", a, b, end);
  }
  if (native.status != ours.status) return fmt::format("status: native {}, pagefold {}", native.status, ours.status);
  return native.err == ours.err ? ""
                                : fmt::format("standard error: native \"{}\", pagefold \"{}\"", native.err, ours.err);
}

}  // namespace

const std::vector<State>& states() {
  static const std::vector<State> kStates{{"default", {"run", "-q", "--"}, true},
                                          {"own-files", {"run", "-q", "--own-files", "--"}, false}};
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
    if (!state.exact_outside && has_outsider(text) && !announces_outsider(text)) continue;
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
