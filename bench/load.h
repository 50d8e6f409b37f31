// The cost of loading alone: from execve to the program's entry point, and what memory is dirty there.
//
// The program is copied and its entry point overwritten with a few instructions that tell the time and wait for the end
// of standard input. So exactly the kernel's exec and the loader's work are measured, constructors of libraries
// included, and nothing of the program. The copy names the loader to be measured as its PT_INTERP. Constructors that
// look for their program by path do not find it; the start does not depend on that.
#pragma once

#include <string>

#include "base/error.h"

namespace pagefold::bench {

// A copy of a dynamic program that ends at its entry point. Errors: what is wrong with the program, or errno.
// `interpreter`: at most as long as the original's, which is /lib64/ld-linux-x86-64.so.2.
Result<void> write_stopping_copy(const std::string& program, const std::string& interpreter, const std::string& copy);

struct LoadCost {
  double ns = 0;           // from execve to the entry point
  double dirty_bytes = 0;  // private dirty memory there; 0 unless asked for
};

struct LoadRequest {
  std::string program;  // a stopping copy
  bool bind_now = false;
  bool want_memory = false;
  int cpu = -1;  // to run on, or -1
};

// Errors: ETIMEDOUT, or EPROTO when the entry point was not reached.
Result<LoadCost> load_once(const LoadRequest& request);

// 200 libraries of 50 functions, each also using 50 of its neighbours, and a program that needs them all: files below
// `directory`; its path. Needs as, ld and gcc.
Result<std::string> write_many_libraries(const std::string& directory);

}  // namespace pagefold::bench
