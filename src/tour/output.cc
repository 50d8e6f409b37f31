#include "tour/output.h"

#include <fmt/format.h>

namespace pagefold::tour {
namespace {

constexpr std::size_t kColumns = 80;
constexpr const char* kBold = "\033[1m";
constexpr const char* kGreen = "\033[1;32m";
constexpr const char* kRed = "\033[1;31m";
constexpr std::string_view kHolds = "OK";
constexpr std::string_view kFails = "WRONG";

// The words of a verdict in lower case, control characters as '.'.
std::string tame(std::string_view text) {
  std::string tamed(text);
  for (char& c : tamed)
    if (static_cast<unsigned char>(c) < ' ' || c == '\177') c = '.';
  for (const std::string_view word : {kHolds, kFails})
    for (std::size_t at = tamed.find(word); at != std::string::npos; at = tamed.find(word, at))
      for (std::size_t i = 0; i < word.size(); ++i, ++at) tamed[at] = static_cast<char>(tamed[at] - 'A' + 'a');
  return tamed;
}

}  // namespace

std::string grouped(std::int64_t number) {
  const std::string digits = std::to_string(number);
  std::string text;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    const bool after_digit = i > 0 && digits[i - 1] != '-';
    if (after_digit && (digits.size() - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

std::string Output::painted(std::string_view text, const char* colour) const {
  return colour_ == Colour::Yes ? fmt::format("{}{}\033[0m", colour, text) : std::string(text);
}

void Output::wrapped(std::string_view text, std::string_view first_indent, std::string_view indent,
                     std::string_view line_end) {
  const std::string tamed = tame(text);
  std::string line(first_indent);
  bool empty = true;
  for (std::size_t at = 0; at < tamed.size();) {
    const std::size_t end = std::min(tamed.find(' ', at), tamed.size());
    const std::string_view word = std::string_view(tamed).substr(at, end - at);
    if (!empty && line.size() + 1 + word.size() + line_end.size() > kColumns) {
      sink_(fmt::format("{}{}\n", line, line_end));
      line = indent;
      empty = true;
    }
    if (!empty) line += ' ';
    line += word;
    empty = false;
    at = end + 1;
  }
  sink_(line + "\n");
}

void Output::heading(std::string_view text) { sink_(fmt::format("\n{}\n\n", painted(tame(text), kBold))); }

void Output::prose(std::string_view text) {
  wrapped(text, "  ", "  ");
  sink_("\n");
}

void Output::claim(int number, std::string_view text) {
  wrapped(fmt::format("Claim {}. {}", number, text), "  ", "    ");
}

void Output::evidence(std::string_view line) {
  std::string tamed = tame(line);
  if (tamed.size() + 6 > kColumns) tamed = tamed.substr(0, kColumns - 9) + "...";
  sink_(fmt::format("      {}\n", tamed));
}

void Output::command(std::string_view line) { wrapped(line, "      ", "          ", " \\"); }

void Output::subtler(std::string_view text) {
  wrapped(fmt::format("Subtler: {}", text), "  ", "    ");
  sink_("\n");
}

void Output::verdict(bool holds, int claim, std::string_view reason) {
  const std::string word = holds ? painted(kHolds, kGreen) + "   " : painted(kFails, kRed);
  const std::string subject = claim == 0 ? "this chapter" : fmt::format("claim {}", claim);
  sink_(fmt::format("  {}  {}: {}\n\n", word, subject, tame(reason)));
}

}  // namespace pagefold::tour
