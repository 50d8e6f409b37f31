// The questions the views may ask of a running supervisor. Implemented by kernel/, so that view/ knows no guest.
#pragma once

#include <sys/types.h>

#include <vector>

#include "base/error.h"
#include "view/process_view.h"

namespace pagefold::view {

enum class WithPages : bool { No, Yes };

class Introspector {
 public:
  virtual ~Introspector() = default;
  // Guests alive now, ascending by pid; mappings are left empty.
  virtual std::vector<ProcessView> processes() = 0;
  // One guest with its mappings. ESRCH when pid is no guest of this run.
  virtual Result<ProcessView> process(pid_t pid, WithPages with_pages) = 0;
};

}  // namespace pagefold::view
