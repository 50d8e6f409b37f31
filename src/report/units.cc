// See units.h.
#include "report/units.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <string_view>

namespace pagefold::report {
namespace {

constexpr double kDecimalsBelow = 100;

std::string with_unit(double value, double one_decimal_below, std::string_view unit) {
  const double tenths = std::round(value * 10) / 10;
  const bool whole = tenths == std::floor(tenths);
  if (whole || tenths >= one_decimal_below) return fmt::format("{:.0f} {}", tenths, unit);
  return fmt::format("{:.1f} {}", tenths, unit);
}

// Rounding may carry 1023.97 into the next unit.
bool fits(double value, double limit) { return std::round(value * 10) / 10 < limit; }

struct Scaled {
  double value;
  std::size_t unit;
};

// In the smallest of `units` in which it stays below `step`.
Scaled scaled(std::uint64_t number, double step, std::size_t units) {
  Scaled s{static_cast<double>(number), 0};
  while (!fits(s.value, step) && s.unit + 1 < units) {
    s.value /= step;
    ++s.unit;
  }
  return s;
}

}  // namespace

std::string human_bytes(Bytes bytes) {
  constexpr std::array<std::string_view, 6> kUnits = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  const auto [value, unit] = scaled(bytes, 1024, kUnits.size());
  return with_unit(value, kDecimalsBelow, kUnits[unit]);
}

std::string human_time(std::uint64_t nanoseconds) {
  constexpr std::array<std::string_view, 4> kUnits = {"ns", "us", "ms", "s"};
  constexpr double kTimeDecimalsBelow = 10;
  const auto [value, unit] = scaled(nanoseconds, 1000, kUnits.size());
  return with_unit(value, unit + 1 == kUnits.size() ? kDecimalsBelow : kTimeDecimalsBelow, kUnits[unit]);
}

std::string human_count(std::uint64_t count) {
  constexpr std::size_t kGroup = 3;
  std::string digits = std::to_string(count);
  for (std::size_t at = digits.size(); at > kGroup; at -= kGroup) digits.insert(at - kGroup, 1, ',');
  return digits;
}

std::string human_share(std::uint64_t part, std::uint64_t whole) {
  const double percent = 100 * static_cast<double>(part) / static_cast<double>(whole);
  if (part > 0 && percent < 1) return "< 1 %";
  return fmt::format("{:.0f} %", percent);
}

}  // namespace pagefold::report
