// Errors inside the loader are values. A `Status` is null when all is well; otherwise it points to a Failure in the
// arena, which the API room turns into glibc's dl_signal_error (so that dlerror and its texts are libc's own), or, at
// start-up, into a message and exit 127.
#pragma once

#include <stdint.h>

namespace pagefold::ld {

struct Failure {
  const char* object;    // the file or name it is about; may be ""
  const char* text;      // glibc's words
  int error;             // an errno whose text is appended, or 0
  const char* occasion;  // null: "error while loading shared libraries"
};
using Status = const Failure*;

// Strings are copied. `place` (if given) says where in the file the evidence is.
Status fail(const char* object, const char* text, int error = 0, const char* occasion = nullptr);
Status fail_at(const char* object, const char* text, uint64_t place);
void forget(Status failure);

// Prints it as glibc does and ends the process with 127. `program` is argv[0].
[[noreturn]] void die_of(Status failure);

template <class T>
struct Result {
  T value{};
  Status failure = nullptr;
};

}  // namespace pagefold::ld

// Returns a failure from the enclosing function.
#define LD_TRY(expression)                                                                                \
  do {                                                                                                    \
    if (const ::pagefold::ld::Status ld_failure = (expression); ld_failure != nullptr) return ld_failure; \
  } while (false)
