#include "tour/lesson.h"

#include <fmt/format.h>

#include <algorithm>

namespace pagefold::tour {
namespace {

std::string shown(Number number) { return number ? grouped(*number) : "nothing"; }

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

constexpr std::size_t kRoomForReason = 61;  // on a verdict line of 80 columns
constexpr int kNotStarted = 125, kNotExecutable = 126, kNotFound = 127;

// The first failure and how many more there are; short of room, less of its name: in the evidence above, every failed
// check is marked "(not ...)".
std::string reason_of(const std::vector<Failure>& failures) {
  const Failure& first = failures.front();
  const std::string numbers = fmt::format("expected {}, seen {}", first.expected, first.seen);
  const std::string more = failures.size() > 1 ? fmt::format(" (and {} more)", failures.size() - 1) : "";
  const std::string whole = fmt::format("{}: {}{}", first.what, numbers, more);
  if (whole.size() <= kRoomForReason) return whole;
  constexpr std::size_t kLeastName = 10;
  if (numbers.size() + 2 + kLeastName > kRoomForReason) return numbers;
  const std::size_t room = kRoomForReason - numbers.size() - 2;
  return fmt::format("{}: {}", first.what.size() <= room ? first.what : first.what.substr(0, room - 3) + "...",
                     numbers);
}

// As one would type it.
std::string command_line(const Guest& guest) {
  std::string line = "$";
  if (guest.where == Where::Pagefold) {
    line += " pagefold run --fault-around=1";
    for (const std::string& flag : guest.flags) line += " " + flag;
    line += " --";
  }
  if (!guest.environment.empty()) line += " env";
  for (const std::string& word : guest.environment) line += " " + word;
  for (const std::string& word : guest.argv) line += " " + word;
  return guest.where == Where::Pagefold ? line : line + "  # natively";
}

}  // namespace

Lesson::Lesson(const Chapter& chapter, const Bench& bench, Output& output)
    : chapter_(chapter), bench_(bench), output_(output) {}

void Lesson::say(std::string_view text) { output_.prose(text); }

void Lesson::subtler(std::string_view text) {
  judge();
  output_.subtler(text);
}

void Lesson::show(std::string_view line) { output_.evidence(line); }

void Lesson::show_lines(const GuestRun& run, std::string_view pattern, std::size_t most) {
  for (std::size_t at = 0; at < run.output.size() && most > 0;) {
    const std::size_t end = std::min(run.output.find('\n', at), run.output.size());
    const std::string_view line = std::string_view(run.output).substr(at, end - at);
    if (line.find(pattern) != std::string_view::npos) {
      show(line);
      --most;
    }
    at = end + 1;
  }
}

void Lesson::claim(int number) {
  judge();
  const auto found = std::ranges::find(chapter_.claims, number, &Claim::number);
  output_.claim(number, found != chapter_.claims.end() ? found->text : "(not of this chapter)");
  open_claim_ = number;
  if (found == chapter_.claims.end()) silent_check("claim", false, "a claim of this chapter", std::to_string(number));
}

GuestRun Lesson::run(const Guest& guest, int expected_exit) {
  output_.command(command_line(guest));
  return judged_run(guest, bench_.run(guest), expected_exit);
}

std::optional<GuestRun> Lesson::attempt(const Guest& guest, std::string_view remedy, int expected_exit) {
  output_.command(command_line(guest));
  GuestRun run = bench_.run(guest);
  const bool impossible = guest.where == Where::Host ? run.exit_code == kNotStarted
                                                     : run.exit_code == kNotExecutable || run.exit_code == kNotFound;
  if (!impossible || run.exit_code == expected_exit) return judged_run(guest, std::move(run), expected_exit);
  show(fmt::format("left out: {}", first_line(run.errors)));
  show(fmt::format("remedy: {}", remedy));
  return {};
}

GuestRun Lesson::judged_run(const Guest& guest, GuestRun run, int expected_exit) {
  const std::string name = guest.argv.empty() ? "" : guest.argv[0];
  if (run.exit_code != expected_exit)
    show(fmt::format("exit code {} (not {}) {}", run.exit_code, expected_exit, first_line(run.errors)));
  silent_check("exit code of " + name, run.exit_code == expected_exit, std::to_string(expected_exit),
               std::to_string(run.exit_code));
  if (guest.where == Where::Pagefold)
    silent_check("lost events of " + name, run.lost_events() == Number(0), "0", shown(run.lost_events()));
  return run;
}

void Lesson::write(const std::string& name, std::string_view content) {
  const Result<void> done = bench_.write(name, content);
  if (!done) silent_check("file " + name, false, "written", done.error().message());
}

std::string Lesson::read(const std::string& name) {
  const Result<std::string> content = bench_.read(name);
  if (!content) silent_check("file " + name, false, "read", content.error().message());
  return content.value_or("");
}

void Lesson::equal(std::string_view what, std::int64_t expected, Number seen) {
  check(what, seen == Number(expected), grouped(expected), shown(seen));
}

void Lesson::between(std::string_view what, std::int64_t least, std::int64_t most, Number seen) {
  const bool passed = seen && *seen >= least && *seen <= most;
  check(what, passed, fmt::format("{} to {}", grouped(least), grouped(most)), shown(seen));
}

void Lesson::equal(std::string_view what, std::string_view expected, const std::optional<std::string>& seen) {
  check(what, seen == expected, std::string(expected), seen.value_or("nothing"));
}

void Lesson::holds(std::string_view what, bool seen) { check(what, seen, "yes", seen ? "yes" : "no"); }

void Lesson::answer(std::string_view what, bool expected, Number seen) {
  const bool known = seen == Number(0) || seen == Number(1);
  const std::string word = known ? (*seen == 1 ? "yes" : "no") : shown(seen);
  check(what, seen == Number(expected ? 1 : 0), expected ? "yes" : "no", word);
}

void Lesson::check(std::string_view what, bool passed, const std::string& expected, const std::string& seen) {
  output_.evidence(passed ? fmt::format("{}: {}", what, seen) : fmt::format("{}: {} (not {})", what, seen, expected));
  silent_check(what, passed, expected, seen);
}

void Lesson::silent_check(std::string_view what, bool passed, const std::string& expected, const std::string& seen) {
  ++checks_;
  if (!passed) failures_.push_back({std::string(what), expected, seen});
}

void Lesson::judge() {
  if (open_claim_ == 0 && (!chapter_.claims.empty() || !judged_.empty())) return;
  if (checks_ == 0) failures_.push_back({"checks", "at least one", "none"});
  const std::string reason = failures_.empty() ? fmt::format("{} checks", checks_) : reason_of(failures_);
  output_.verdict(failures_.empty(), open_claim_, reason);
  ++tally_.judged;
  tally_.failed += failures_.empty() ? 0 : 1;
  judged_.push_back(open_claim_);
  open_claim_ = checks_ = 0;
  failures_.clear();
}

Tally Lesson::finish() {
  judge();
  for (const Claim& claim : chapter_.claims) {
    if (std::ranges::find(judged_, claim.number) != judged_.end()) continue;
    output_.claim(claim.number, claim.text);
    open_claim_ = claim.number;
    judge();
  }
  return tally_;
}

}  // namespace pagefold::tour
