#include "tour/guest.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "event/cause.h"

namespace pagefold::tour {
namespace {

using nlohmann::json;

Number number_at(const json& from, const std::string& path) {
  const json::json_pointer pointer(path);
  if (!from.is_object() || !from.contains(pointer)) return {};
  const json& value = from.at(pointer);
  if (!value.is_number_integer()) return {};
  return value.get<std::int64_t>();
}

std::string name_of(const json& entry, const char* key) {
  if (!entry.is_object() || !entry.contains(key) || !entry.at(key).is_string()) return {};
  return entry.at(key).get<std::string>();
}

}  // namespace

Number difference(Number a, Number b) {
  if (!a || !b) return {};
  return *a - *b;
}

std::optional<std::string> GuestRun::text(std::string_view key) const {
  const std::string wanted = fmt::format("{}: ", key);
  for (std::size_t at = 0; at < output.size();) {
    const std::size_t end = std::min(output.find('\n', at), output.size());
    if (output.compare(at, wanted.size(), wanted) == 0)
      return output.substr(at + wanted.size(), end - at - wanted.size());
    at = end + 1;
  }
  return {};
}

Number GuestRun::number(std::string_view key) const {
  const std::optional<std::string> value = text(key);
  if (!value) return {};
  std::int64_t number = 0;
  const char* end = value->data() + value->size();
  const auto [stop, error] = std::from_chars(value->data(), end, number);
  if (error != std::errc{} || stop != end) return {};
  return number;
}

Number GuestRun::faults(std::string_view cause) const {
  return number_at(report, fmt::format("/faults/{}/count", cause));
}

Number GuestRun::fault_bytes(std::string_view cause) const {
  return number_at(report, fmt::format("/faults/{}/bytes", cause));
}

Number GuestRun::all_faults() const {
  std::int64_t sum = 0;
  for (const std::string_view cause : kFaultCauseKey) {
    const Number count = faults(cause);
    if (!count) return {};
    sum += *count;
  }
  return sum;
}

Number GuestRun::peak_resident() const { return number_at(report, "/memory/peak_resident_bytes"); }

Number GuestRun::reported(const std::string& pointer) const { return number_at(report, pointer); }

Number GuestRun::lost_events() const { return number_at(report, "/lost_events"); }

Number GuestRun::object(std::string_view name_end, const char* field) const {
  if (!report.is_object() || !report.contains("objects")) return {};
  for (const json& entry : report.at("objects"))
    if (name_of(entry, "name").ends_with(name_end)) return number_at(entry, fmt::format("/{}", field));
  return {};
}

bool GuestRun::ran(std::string_view name) const {
  if (!report.is_object() || !report.contains("programs")) return false;
  for (const json& entry : report.at("programs")) {
    const std::string path = name_of(entry, "path");
    if (path.substr(path.rfind('/') + 1) == name) return true;
  }
  return false;
}

}  // namespace pagefold::tour
