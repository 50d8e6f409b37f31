// `pagefold doctor`: what this machine offers, what is missing, and the command that fixes it.
#pragma once

namespace pagefold::cli {

// Prints to standard output, as text or as one JSON object. Returns the exit code.
int doctor_command(bool json);

}  // namespace pagefold::cli
