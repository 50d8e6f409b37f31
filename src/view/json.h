// ProcessView as JSON and back: what `--json` prints and what the control channel carries. Keys are stable within a
// schema_version. Addresses and sizes are numbers of bytes; page-aligned 64-bit numbers survive readers that hold
// numbers as doubles. Names are file names and arguments of guests, so any bytes: what is not UTF-8 is replaced
// (U+FFFD).
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "view/process_view.h"

namespace pagefold::view {

inline constexpr int kSchemaVersion = 1;

enum class WithMappings : bool { No, Yes };

// "absent", "clean", "private", "shared", "inherited", "speculative", "host".
std::string_view page_state_name(PageState state);

nlohmann::json to_json(const ProcessView& process, WithMappings with_mappings = WithMappings::Yes);
// EBADMSG, with the place in its context, when a key is missing or has the wrong type.
Result<ProcessView> process_from_json(const nlohmann::json& json);

// {"schema_version": 1, "processes": [...]}, each without its mappings.
nlohmann::json list_to_json(const std::vector<ProcessView>& processes);
Result<std::vector<ProcessView>> list_from_json(const nlohmann::json& json);

// {"schema_version": 1, "process": {...}}.
nlohmann::json document(const ProcessView& process);

// indent as nlohmann's dump: -1 is one line.
std::string dump(const nlohmann::json& json, int indent = -1);

}  // namespace pagefold::view
