// `pagefold run --fail SPEC`: the specs of a command line.
#pragma once

#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "inject/spec.h"

namespace pagefold::cli {

// --fail help was given.
bool asks_for_help(const std::vector<std::string>& texts);
// All specs, or what is wrong with the first that is refused, in several lines.
tl::expected<std::vector<inject::Spec>, std::string> read_specs(const std::vector<std::string>& texts);

}  // namespace pagefold::cli
