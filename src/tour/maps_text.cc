#include "tour/maps_text.h"

#include <fmt/format.h>

#include <regex>

namespace pagefold::tour {
namespace {

const std::regex& form() {
  static const std::regex expression(
      "([0-9a-f]+)-([0-9a-f]+) ([r-][w-][x-][ps]) ([0-9a-f]+) [0-9a-f]+:[0-9a-f]+ [0-9]+ *(.*)");
  return expression;
}

}  // namespace

std::string brief(const MapsLine& line) {
  const std::string name = line.of_file() ? ".../" + line.name.substr(line.name.rfind('/') + 1) : line.name;
  return fmt::format("{:x}-{:x} {} {:08x} {}", line.range.start, line.range.end, line.permissions, line.offset, name);
}

std::vector<MapsLine> parse_maps(std::string_view text) {
  std::vector<MapsLine> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string line(text.substr(at, end - at));
    std::smatch column;
    if (std::regex_match(line, column, form())) {
      const auto hex = [&](std::size_t i) { return std::stoull(column[i].str(), nullptr, 16); };
      lines.push_back({{hex(1), hex(2)}, column[3].str(), hex(4), column[5].str()});
    }
    at = end + 1;
  }
  return lines;
}

}  // namespace pagefold::tour
