#include "ld/base/status.h"

#include "ld/base/arena.h"
#include "ld/base/out.h"
#include "ld/base/sys.h"
#include "ld/base/text.h"
#include "ld/start/process.h"

namespace pagefold::ld {

Status fail(const char* object, const char* text, int error, const char* occasion) {
  auto* failure = make_array<Failure>(1);
  *failure = {duplicate(object), duplicate(text), error, occasion};
  return failure;
}

Status fail_at(const char* object, const char* text, uint64_t place) {
  char digits[17];
  unsigned at = sizeof(digits) - 1;
  digits[at] = '\0';
  do digits[--at] = "0123456789abcdef"[place & 15];
  while ((place >>= 4) != 0);
  char* whole = concatenate(text, " (offset 0x", digits + at, ")");
  const Status failure = fail(object, whole);
  release_string(whole);
  return failure;
}

void forget(Status failure) {
  if (failure == nullptr) return;
  release_string(failure->object);
  release_string(failure->text);
  release(const_cast<Failure*>(failure), sizeof(Failure));
}

void die_of(Status failure) {
  {
    Out out(kStandardError);
    const char* occasion = failure->occasion != nullptr ? failure->occasion : "error while loading shared libraries";
    out << program_name() << ": " << occasion << ": " << failure->object << (*failure->object != '\0' ? ": " : "")
        << failure->text;
    if (failure->error != 0) out << ": " << error_text(failure->error);
    out << '\n';
  }
  sys::exit_group(127);
}

}  // namespace pagefold::ld
