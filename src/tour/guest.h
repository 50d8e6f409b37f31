// A guest program of the tour, and what a run of it left: output, exit code, Pagefold's JSON report. All questions to a
// run answer "nothing" when the run does not say it, so that a missing number can never pass for a good one.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pagefold::tour {

enum class Where : bool {
  Pagefold,  // under `pagefold run`
  Host,      // natively, for comparison
};

struct Guest {
  std::vector<std::string> argv;  // "./NAME" is one of the tour's programs or libraries; others are looked up in PATH
  Where where = Where::Pagefold;
  std::string input{};                     // standard input
  std::vector<std::string> environment{};  // NAME=VALUE, for the program alone
  std::vector<std::string> flags{};        // more flags of `pagefold run`
};

// A number that may be missing.
using Number = std::optional<std::int64_t>;

// Missing when either is.
Number difference(Number a, Number b);

class GuestRun {
 public:
  int exit_code = -1;  // the program's own, or 128 + signal; 125 when Pagefold could not run it
  std::string output;
  std::string errors;
  nlohmann::json report;  // discarded or null: there is none

  // The program's line `key: value`.
  [[nodiscard]] std::optional<std::string> text(std::string_view key) const;
  [[nodiscard]] Number number(std::string_view key) const;

  // Faults of one cause (a key of event/cause.h).
  [[nodiscard]] Number faults(std::string_view cause) const;
  [[nodiscard]] Number fault_bytes(std::string_view cause) const;
  [[nodiscard]] Number all_faults() const;
  [[nodiscard]] Number peak_resident() const;
  // A number of the report, by its JSON pointer.
  [[nodiscard]] Number reported(const std::string& pointer) const;
  [[nodiscard]] Number lost_events() const;
  // A field (mapped_bytes, resident_bytes, private_bytes) of the object whose name ends in this.
  [[nodiscard]] Number object(std::string_view name_end, const char* field) const;
  // Whether a program with this file name was run.
  [[nodiscard]] bool ran(std::string_view name) const;
};

using Runner = std::function<GuestRun(const Guest&)>;

}  // namespace pagefold::tour
