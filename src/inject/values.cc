#include "inject/values.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>

namespace pagefold::inject {

tl::unexpected<Mistake> wrong(const Piece& where, std::string message) {
  return tl::unexpected(Mistake{where.at + 1, std::max<std::size_t>(1, where.text.size()), std::move(message)});
}

Parsed<std::uint64_t> number(const Piece& piece, const char* what) {
  std::uint64_t value = 0;
  const char* const end = piece.text.data() + piece.text.size();
  const auto [stop, error] = std::from_chars(piece.text.data(), end, value);
  if (error == std::errc::result_out_of_range) return wrong(piece, fmt::format("{} is too large", what));
  if (error != std::errc() || stop != end) return wrong(piece, fmt::format("{} is a number", what));
  return value;
}

Parsed<std::uint64_t> measure(const Piece& piece, std::span<const Unit> units, const char* what) {
  const std::size_t digits = std::min(piece.text.find_first_not_of("0123456789"), piece.text.size());
  if (digits == 0) return wrong(piece, what);
  const std::uint64_t count = INJECT_TRY(number(piece.until(digits), "this"));
  for (const Unit& unit : units) {
    if (unit.name != piece.text.substr(digits)) continue;
    if (count > std::numeric_limits<std::int64_t>::max() / unit.factor) return wrong(piece, "this is too large");
    return count * unit.factor;
  }
  return wrong(piece.from(digits), what);
}

Parsed<When> when_of(const Piece& piece) {
  When when;
  const std::size_t plus = piece.text.find('+'), dots = piece.text.find("..");
  const Piece first = piece.until(std::min(plus, dots));
  when.first = INJECT_TRY(number(first, "a call's number, counted from 1,"));
  if (when.first == 0) return wrong(first, "calls count from 1");
  when.last = plus == std::string_view::npos ? when.first : When::kNever;
  if (dots != std::string_view::npos) {
    const Piece last = piece.until(plus).from(dots + 2);
    when.last = INJECT_TRY(number(last, "the last call's number"));
    if (when.last < when.first) return wrong(last, "this comes before the first");
  }
  if (plus != std::string_view::npos && plus + 1 < piece.text.size()) {
    when.step = INJECT_TRY(number(piece.from(plus + 1), "the step"));
    if (when.step == 0) return wrong(piece.from(plus + 1), "the step is at least 1");
  }
  return when;
}

namespace {

Parsed<std::pair<PageIndex, PageIndex>> run_of(const Piece& piece) {
  const std::size_t dots = piece.text.find("..");
  const PageIndex first = INJECT_TRY(number(piece.until(dots), "a page, counted from 0,"));
  if (first >= Pages::kEnd) return wrong(piece, "no file has so many pages");
  if (dots == std::string_view::npos) return std::pair{first, first + 1};
  const Piece last = piece.from(dots + 2);
  if (last.text.empty()) return std::pair{first, Pages::kEnd};
  const PageIndex end = INJECT_TRY(number(last, "the last page"));
  if (end < first) return wrong(last, "this comes before the first");
  return std::pair{first, std::min(end, Pages::kEnd - 1) + 1};
}

}  // namespace

Parsed<Pages> pages_of(Piece piece) {
  std::vector<std::pair<PageIndex, PageIndex>> runs;
  for (;;) {
    const std::size_t comma = piece.text.find(',');
    runs.push_back(INJECT_TRY(run_of(piece.until(comma))));
    if (comma == std::string_view::npos) break;
    piece = piece.from(comma + 1);
  }
  std::ranges::sort(runs);
  Pages pages;
  for (const auto& run : runs) {
    if (!pages.runs.empty() && run.first <= pages.runs.back().second)
      pages.runs.back().second = std::max(pages.runs.back().second, run.second);
    else
      pages.runs.push_back(run);
  }
  return pages;
}

Parsed<double> chance_of(const Piece& piece) {
  constexpr const char* kWhat = "a chance is like 1% or 0.01, more than nothing and at most 100%";
  const bool percent = piece.text.ends_with('%');
  const std::string_view digits = percent ? piece.text.substr(0, piece.text.size() - 1) : piece.text;
  double value = 0;
  const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, std::chars_format::fixed);
  if (error != std::errc() || stop != digits.data() + digits.size()) return wrong(piece, kWhat);
  if (percent) value /= 100;
  if (!(value > 0) || value > 1) return wrong(piece, kWhat);
  return value;
}

Parsed<std::string> pattern_of(const Piece& piece) {
  if (piece.text.empty()) return wrong(piece, "a pattern is missing");
  if (std::string_view("/*?[").find(piece.text.front()) == std::string_view::npos)
    return wrong(piece, fmt::format("patterns match whole paths: `*/{}`, or begin with /", piece.text));
  if (piece.text.ends_with('\\') && !piece.text.ends_with("\\\\")) return wrong(piece, "a pattern does not end with a backslash");
  return std::string(piece.text);
}

}  // namespace pagefold::inject
