// A curve for people: a table of sizes, each with its bar.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "mrc/curve.h"
#include "report/units.h"
#include "report/words.h"

namespace pagefold::mrc {
namespace {

using report::human_bytes;
using report::human_count;

constexpr std::size_t kRows = 16;
constexpr double kWidth = 40;

std::string count(double pages) { return human_count(static_cast<std::uint64_t>(std::llround(pages))); }

std::string bar(double part) {
  const auto length = static_cast<std::size_t>(std::lround(part * kWidth));
  return std::string(part > 0 && length == 0 ? 1 : length, '#');
}

}  // namespace

std::string render(const Curve& curve) {
  std::string text = fmt::format("pagefold: the miss-ratio curve of `{}` under the policy {}\n", report::command_line(curve.command), curve.policy);
  text += fmt::format("  {} of page frames at most; {} pages came for the first time, {} touches seen\n",
                      human_bytes(curve.footprint), count(curve.first), count(curve.references));
  text += fmt::format("  sampled: {:.1f} % of the pages; below {} nothing is known\n\n", 100 * curve.rate,
                      human_bytes(curve.resolution));
  if (curve.points.empty()) return text + "  It is too small for a curve.\n";
  text += fmt::format("  {:>10}  {:>12}  {:>12}  {}\n", "memory", "brought in", "of them again", "part of the touches");
  const std::size_t step = std::max<std::size_t>(1, (curve.points.size() + kRows - 1) / kRows);
  for (std::size_t i = 0; i < curve.points.size(); i += step) {
    const Point& p = curve.points[i];
    const double misses = curve.first + p.again, part = misses / curve.references;
    text += fmt::format("  {:>10}  {:>12}  {:>13}  {:>4.0f} % {}\n", human_bytes(p.memory), count(misses), count(p.again),
                        100 * part, bar(part));
  }
  const Bytes enough = curve.enough();
  text += enough == 0 ? "\n  No size but more than it took would be enough.\n"
                      : fmt::format("\n  enough  --mem {}M: hardly a page would be needed again\n",
                                    (enough + (Bytes{1} << 20) - 1) >> 20);
  return text;
}

}  // namespace pagefold::mrc
