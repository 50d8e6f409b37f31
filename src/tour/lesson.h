// A chapter being told: what is said, what is run, what is measured and how each claim is judged. A claim holds when
// at least one check was made and all of them passed; a chapter's claim that was never judged does not hold.
//
//   lesson.claim(7);                                        // prints the claim; checks from here on belong to it
//   const GuestRun run = lesson.run({{"./reserve", "1024"}});
//   lesson.equal("pages in the page table", 0, run.number("in the page table"));
//
// Every check prints what it measured. The verdict line comes when the next claim begins, or at finish().
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "tour/guest.h"
#include "tour/output.h"

namespace pagefold::tour {

struct Claim {
  int number = 0;  // of the lecture, docs/lecture.md
  std::string text;
};

class Lesson;

struct Chapter {
  std::string name;   // as typed: "first-touch"
  std::string title;  // one line
  std::vector<Claim> claims;  // none: the chapter is judged as a whole
  void (*tell)(Lesson&) = nullptr;
};

struct Failure {
  std::string what, expected, seen;
};

struct Tally {
  int judged = 0;
  int failed = 0;
};

// What a lesson needs of the world; a test gives its own.
struct Bench {
  Runner run;
  std::function<Result<void>(const std::string& name, std::string_view content)> write;  // files where guests run
  std::function<Result<std::string>(const std::string& name)> read;
};

class Lesson {
 public:
  Lesson(const Chapter& chapter, const Bench& bench, Output& output);

  void say(std::string_view text);
  void subtler(std::string_view text);  // ends the open claim
  void claim(int number);
  void show(std::string_view line);  // evidence that is not judged
  // The lines of a run's output that contain the pattern.
  void show_lines(const GuestRun& run, std::string_view pattern, std::size_t most = 8);

  // Checks by themselves: the program exited as expected, and Pagefold reported on it and lost no event.
  GuestRun run(const Guest& guest, int expected_exit = 0);
  // A run that this machine may be unable to make, because the program is missing or cannot be executed: then says so,
  // and the remedy, and checks nothing.
  std::optional<GuestRun> attempt(const Guest& guest, std::string_view remedy, int expected_exit = 0);
  void write(const std::string& name, std::string_view content);  // a failure is a failed check
  std::string read(const std::string& name);

  void equal(std::string_view what, std::int64_t expected, Number seen);
  void between(std::string_view what, std::int64_t least, std::int64_t most, Number seen);
  void equal(std::string_view what, std::string_view expected, const std::optional<std::string>& seen);
  void holds(std::string_view what, bool seen);                    // expected true
  void answer(std::string_view what, bool expected, Number seen);  // a program's 1 or 0, shown as yes or no

  // Ends the last claim, prints the verdict on claims that were left out, and counts.
  Tally finish();

 private:
  GuestRun judged_run(const Guest& guest, GuestRun run, int expected_exit);
  void check(std::string_view what, bool passed, const std::string& expected, const std::string& seen);
  void silent_check(std::string_view what, bool passed, const std::string& expected, const std::string& seen);
  void judge();

  const Chapter& chapter_;
  const Bench& bench_;
  Output& output_;
  int open_claim_ = 0;  // 0: none
  int checks_ = 0;
  std::vector<Failure> failures_;
  std::vector<int> judged_;
  Tally tally_;
};

}  // namespace pagefold::tour
