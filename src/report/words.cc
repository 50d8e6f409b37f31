// See words.h.
#include "report/words.h"

#include <string_view>

#include "base/printable.h"

namespace pagefold::report {
namespace {

constexpr std::size_t kCommandWidth = 48;

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

std::string keep_start(std::string text, std::size_t width) {
  if (text.size() <= width) return text;
  std::size_t length = width - 3;
  while (length > 0 && is_continuation(text[length])) --length;
  return text.substr(0, length) + "...";
}

}  // namespace

std::string keep_end(std::string text, std::size_t width) {
  if (text.size() <= width) return text;
  std::size_t start = text.size() - (width - 3);
  while (start < text.size() && is_continuation(text[start])) ++start;
  return "..." + text.substr(start);
}

std::string command_line(const std::vector<std::string>& words) {
  constexpr std::string_view kPlain = "%+,-./0123456789:=@ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz";
  std::string line;
  for (const std::string& word : words) {
    if (!line.empty()) line += ' ';
    const bool plain = !word.empty() && word.find_first_not_of(kPlain) == std::string::npos;
    line += plain ? word : '\'' + word + '\'';
  }
  return keep_start(printable(line), kCommandWidth);
}

}  // namespace pagefold::report
