#include "ld/start/process.h"

namespace pagefold::ld {

__attribute__((visibility("hidden"))) Process process;

const char* program_name() {
  return process.argv != nullptr && process.argv[0] != nullptr ? process.argv[0] : "<program name unknown>";
}

}  // namespace pagefold::ld
