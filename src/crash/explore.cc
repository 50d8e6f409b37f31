#include "crash/explore.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <unordered_set>

#include "crash/hash.h"

namespace pagefold::crash {
namespace {

constexpr std::size_t kExamples = 16;
constexpr std::chrono::milliseconds kProgressInterval{500};

struct Task {
  std::size_t number = 0;
  std::shared_ptr<const Cut> cut;
  Chosen chosen;
  Image image;
};

// Threads that check; the queue in front of them is short.
class Crew {
 public:
  // Trials come first: each starts a process.
  static Result<std::unique_ptr<Crew>> start(const History& history, const Checker& checker,
                                             const ExploreOptions& options) {
    std::vector<Trial> trials;
    for (unsigned i = 0; i < std::max(1U, options.jobs); ++i)
      trials.push_back(
          PAGEFOLD_TRY(Trial::create(history, checker, options.target, fmt::format("{}/{}", options.scratch, i))));
    return std::make_unique<Crew>(std::move(trials), options);
  }
  Crew(std::vector<Trial> trials, const ExploreOptions& options) : options_(options), trials_(std::move(trials)) {
    for (Trial& trial : trials_) threads_.emplace_back([this, &trial] { work(trial); });
  }
  ~Crew() { finish(); }
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;

  // False: it makes no sense to go on.
  bool add(Task task) {
    std::unique_lock lock(mutex_);
    room_.wait(lock, [this] { return queue_.size() < 2 * threads_.size() || halted(); });
    if (halted()) return false;
    queue_.push_back(std::move(task));
    wake_.notify_one();
    return true;
  }
  void finish() {
    {
      const std::lock_guard lock(mutex_);
      finished_ = true;
    }
    wake_.notify_all();
    for (std::thread& thread : threads_)
      if (thread.joinable()) thread.join();
  }
  Progress progress() {
    const std::lock_guard lock(mutex_);
    return {checked_, violations_};
  }
  // After finish().
  Result<void> fill(Exploration& result) {
    if (error_) return tl::unexpected(*error_);
    result.checked = checked_;
    result.violations = violations_;
    result.examples = std::move(examples_);
    return {};
  }

 private:
  [[nodiscard]] bool halted() const { return error_.has_value() || (options_.stop_at_first && violations_ > 0); }

  void work(Trial& trial) {
    std::unique_lock lock(mutex_);
    while (!halted()) {
      wake_.wait(lock, [this] { return finished_ || !queue_.empty() || halted(); });
      if (queue_.empty() || halted()) break;
      Task task = std::move(queue_.front());
      queue_.pop_front();
      room_.notify_one();
      lock.unlock();
      auto verdict = trial.run(task.image, task.cut->position());
      lock.lock();
      count(task, std::move(verdict));
    }
    room_.notify_all();
    wake_.notify_all();
  }

  void count(Task& task, Result<Verdict> verdict) {
    if (verdict && verdict->kind == Verdict::Kind::NotRun)
      verdict = fail(ENOEXEC, fmt::format("the check command cannot be run (exit code {}): {}", verdict->exit_code,
                                          verdict->said));
    if (!verdict) {
      if (!error_) error_ = verdict.error();
      return;
    }
    ++checked_;
    if (!verdict->violates()) return;
    ++violations_;
    const auto place = std::ranges::upper_bound(examples_, task.number, {}, &Violation::number);
    examples_.insert(place, {task.number, task.cut, std::move(task.chosen), std::move(*verdict)});
    if (examples_.size() > kExamples) examples_.pop_back();
  }

  const ExploreOptions& options_;
  std::vector<Trial> trials_;
  std::mutex mutex_;  // all below
  std::condition_variable wake_, room_;
  std::deque<Task> queue_;
  bool finished_ = false;
  std::size_t checked_ = 0, violations_ = 0;
  std::vector<Violation> examples_;
  std::optional<Error> error_;
  std::vector<std::thread> threads_;
};

}  // namespace

Result<Exploration> explore(const History& history, const Rules& rules, const Checker& checker,
                            const ExploreOptions& options, const std::function<void(const Progress&)>& progress) {
  Exploration result;
  std::unordered_set<std::uint64_t> seen;
  auto told = std::chrono::steady_clock::now();
  Position output_at = kNever;
  std::uint64_t output_hash = 0;
  const auto crew = PAGEFOLD_TRY(Crew::start(history, checker, options));
  std::size_t number = 0;
  result.plan =
      visit_states(history, rules, options.plan, [&](const std::shared_ptr<const Cut>& cut, const Chosen& chosen) {
        if (options.interrupted != nullptr && *options.interrupted) return Visit::Stop;
        Image image = image_of(history, cut->values(chosen));
        if (output_at != cut->position()) {
          const std::string output = output_before(history.log(), cut->position());
          output_hash = hash_of(std::as_bytes(std::span(output)));
          output_at = cut->position();
        }
        RunningHash state;
        state.add(image.hash);
        state.add(output_hash);
        if (!seen.insert(state.value()).second) {
          ++result.repeated;
          return Visit::Known;
        }
        if (image.empty() && !options.check_empty) {
          ++result.empty;
          return Visit::Known;
        }
        if (const auto now = std::chrono::steady_clock::now(); now - told >= kProgressInterval) {
          told = now;
          progress(crew->progress());
        }
        return crew->add({number++, cut, chosen, std::move(image)}) ? Visit::New : Visit::Stop;
      });
  crew->finish();
  PAGEFOLD_CHECK(crew->fill(result));
  return result;
}

}  // namespace pagefold::crash
