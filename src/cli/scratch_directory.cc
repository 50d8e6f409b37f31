// See scratch_directory.h.
#include "cli/scratch_directory.h"

#include <cstdlib>
#include <filesystem>

namespace pagefold::cli {

ScratchDirectory::ScratchDirectory(const std::string& parent) {
  const char* const temporary = ::getenv("TMPDIR");
  for (const std::string& place : {parent, std::string(parent.empty() ? "/dev/shm" : ""),
                                   std::string(temporary != nullptr ? temporary : "/tmp")}) {
    if (place.empty()) continue;
    std::string name = place + "/pagefold-crash-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) continue;
    path_ = name;
    return;
  }
}

ScratchDirectory::~ScratchDirectory() {
  std::error_code ignored;
  if (usable()) std::filesystem::remove_all(path_, ignored);
}

}  // namespace pagefold::cli
