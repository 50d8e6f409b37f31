// See control.h.
#include "view/control.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>

#include "view/json.h"
#include "view/memory_totals.h"
#include "view/merge.h"

namespace pagefold::view {
namespace {

using nlohmann::json;

json ok(json payload) { return {{"ok", std::move(payload)}}; }

// A guest that ends between the list and the look at it is left out.
json list_guests(Introspector& introspector) {
  std::vector<ProcessView> guests;
  for (ProcessView& guest : introspector.processes()) {
    Result<ProcessView> whole = introspector.process(guest.pid, WithPages::No);
    if (!whole) continue;
    fill_totals(*whole);
    guests.push_back(std::move(*whole));
  }
  return list_to_json(guests);
}

// A number that no pid can have is a guest that is not there, not another one by truncation.
Result<pid_t> pid_of(const json& number) {
  if (!number.is_number_integer()) return fail(EINVAL, "\"pid\" must be a number");
  const auto wide = number.get<std::int64_t>();
  if (wide < 1 || wide > std::numeric_limits<pid_t>::max()) return fail(ESRCH);
  return static_cast<pid_t>(wide);
}

Result<json> show_guest(Introspector& introspector, const json& request) {
  const auto pid = request.find("pid");
  if (pid == request.end()) return fail(EINVAL, "\"pid\" is missing");
  const auto pages = request.find("pages");
  if (pages != request.end() && !pages->is_boolean()) return fail(EINVAL, "\"pages\" must be true or false");
  const bool wants_pages = pages != request.end() && pages->get<bool>();
  const pid_t wanted = PAGEFOLD_TRY(pid_of(*pid));
  ProcessView guest = PAGEFOLD_TRY(introspector.process(wanted, wants_pages ? WithPages::Yes : WithPages::No));
  guest.mappings = merge_adjacent(guest.mappings);
  fill_totals(guest);
  return document(guest);
}

Result<json> answer(Introspector& introspector, const json& request) {
  const auto verb = request.is_object() ? request.find("verb") : request.end();
  if (verb == request.end() || !verb->is_string()) return fail(EINVAL, "a request is an object with a \"verb\"");
  if (*verb == "ps") return list_guests(introspector);
  if (*verb == "process") return show_guest(introspector, request);
  return fail(EINVAL, "unknown verb \"" + verb->get<std::string>() + '"');
}

}  // namespace

ControlAddress control_address(pid_t supervisor) {
  ControlAddress result;
  result.address.sun_family = AF_UNIX;
  const std::string name = std::string(kControlPrefix) + std::to_string(supervisor);
  std::ranges::copy(name, result.address.sun_path + 1);  // a leading NUL makes the name abstract
  result.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  return result;
}

std::string error_answer(const Error& error) { return dump({{"error", error.message()}, {"code", error.code}}) + '\n'; }

std::string answer_request(Introspector& introspector, std::string_view request) {
  const json parsed = json::parse(request, nullptr, /*allow_exceptions=*/false);
  if (parsed.is_discarded()) return error_answer({EINVAL, "the request is not JSON"});
  Result<json> result = answer(introspector, parsed);
  return result ? dump(ok(std::move(*result))) + '\n' : error_answer(result.error());
}

}  // namespace pagefold::view
