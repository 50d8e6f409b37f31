// The values in a failure's specification - numbers, sizes, times, runs of pages, chances, patterns - each read from a piece of the
// text that knows where it stands, so that what is wrong is told with its column.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "inject/parse.h"

namespace pagefold::inject {

// A piece of the text, and where it stands.
struct Piece {
  std::string_view text;
  std::size_t at = 0;

  [[nodiscard]] Piece from(std::size_t n) const { return {text.substr(std::min(n, text.size())), at + std::min(n, text.size())}; }
  [[nodiscard]] Piece until(std::size_t n) const { return {text.substr(0, n), at}; }
};

template <class T>
using Parsed = tl::expected<T, Mistake>;

tl::unexpected<Mistake> wrong(const Piece& where, std::string message);

#define INJECT_TRY(expression)                                          \
  __extension__({                                                       \
    auto parsed = (expression);                                         \
    if (!parsed) return tl::unexpected(std::move(parsed).error());      \
    std::move(parsed).value();                                          \
  })

// `what` says what belongs there.
Parsed<std::uint64_t> number(const Piece& piece, const char* what);

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};

inline constexpr Unit kSizes[] = {{"", 1}, {"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}, {"T", std::uint64_t{1} << 40}};
inline constexpr Unit kTimes[] = {{"ns", 1}, {"us", 1000}, {"ms", 1'000'000}, {"s", 1'000'000'000}, {"m", 60'000'000'000}};

// A whole number with one of these units behind it.
Parsed<std::uint64_t> measure(const Piece& piece, std::span<const Unit> units, const char* what);

// "3", "3+", "3+2", "3..5": calls, counted from 1.
Parsed<When> when_of(const Piece& piece);
// "7", "2..5", "9..", several with commas: pages, counted from 0.
Parsed<Pages> pages_of(Piece piece);
// "1%", "0.01": above 0, at most 1.
Parsed<double> chance_of(const Piece& piece);
// A glob for whole paths.
Parsed<std::string> pattern_of(const Piece& piece);

}  // namespace pagefold::inject
