// See proc_text.h.
#include <fmt/format.h>

#include "view/proc_text.h"

namespace pagefold::view {
namespace {

std::string number(Bytes limit) { return limit == ~Bytes{0} ? "unlimited" : std::to_string(limit); }

void set_line(std::string& text, std::string_view name, LimitView limit) {
  const auto at = text.find(fmt::format("{:<25} ", name));
  if (at == std::string::npos || (at != 0 && text[at - 1] != '\n')) return;
  text.replace(at, text.find('\n', at) - at, fmt::format("{:<25} {:<20} {:<20} {:<10}", name, number(limit.soft), number(limit.hard), "bytes"));
}

}  // namespace

std::string limits_text(std::string_view host_text, const ProcessView& process) {
  std::string text(host_text);
  set_line(text, "Max data size", process.data);
  set_line(text, "Max address space", process.address_space);
  return text;
}

}  // namespace pagefold::view
