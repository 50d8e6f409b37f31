// `pagefold doctor`: what the host offers, what is missing and the command that fixes it.
#pragma once

#include <string>

#include "host/features.h"

namespace pagefold::cli {

// Probes the host and prints the findings on stdout, as text or as one JSON object. Returns the exit code: 0 when
// `pagefold run` can run here, 1 otherwise.
int doctor_command(bool json);

// The two renderings; both end in a newline.
std::string render_features(const host::Features& features, bool colour);
std::string features_to_json(const host::Features& features);

}  // namespace pagefold::cli
