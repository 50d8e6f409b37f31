// `pagefold doctor`: what the host offers, what is missing and the command that fixes it.
#pragma once

#include <string>

#include "host/features.h"

namespace pagefold::cli {

// What is found, as text and as one JSON object; both end in a newline.
std::string render_features(const host::Features& features, bool colour);
std::string features_to_json(const host::Features& features);

}  // namespace pagefold::cli
