#include "ld/start/preload.h"

#include "ld/base/out.h"
#include "ld/base/text.h"
#include "ld/find/load.h"
#include "ld/start/process.h"

namespace pagefold::ld {
namespace {

constexpr const char* kPreloadFile = "/etc/ld.so.preload";
constexpr uint64_t kLargestPreloadFile = 64 << 10;

void load_one(const char* name, const char* where, List<Module*>& loaded) {
  const Result<Module*> result = load(world.main, name, Type::kLibrary, 0);
  if (result.failure != nullptr) {
    Out out(kStandardError);
    out << "ERROR: ld.so: object '" << name << "' from " << where << " cannot be preloaded (" << result.failure->text;
    out << "): ignored.\n";
    out.flush();
    forget(result.failure);
    return;
  }
  if (result.value == nullptr || result.value->faked) return;
  if (!loaded.has(result.value)) loaded.push(result.value);
}

void load_list(const char* list, const char* separators, const char* where, List<Module*>& loaded) {
  for (const char* at = list; *at != '\0';) {
    const char* end = at;
    while (*end != '\0' && find(separators, *end) == nullptr) ++end;
    if (end > at) {
      char* name = duplicate(at, static_cast<size_t>(end - at));
      load_one(name, where, loaded);
      release_string(name);
    }
    at = *end == '\0' ? end : end + 1;
  }
}

// Words separated by blanks, colons and newlines; # begins a comment.
void load_file(List<Module*>& loaded) {
  const int64_t fd = sys::open(kPreloadFile, sys::kReadOnly | sys::kCloseOnExec);
  if (fd < 0) return;
  sys::Stat stat;
  if (!sys::failed(sys::fstat(fd, &stat)) && stat.size > 0 && stat.size <= static_cast<int64_t>(kLargestPreloadFile)) {
    const auto size = static_cast<uint64_t>(stat.size);
    char* text = static_cast<char*>(allocate(size + 1));
    const int64_t got = sys::read_at(fd, text, size, 0);
    bool comment = false;
    for (int64_t i = 0; i < got; ++i) {
      if (text[i] == '#') comment = true;
      if (text[i] == '\n') comment = false;
      if (comment) text[i] = ' ';
    }
    load_list(text, " \t\n:", kPreloadFile, loaded);
    release(text, size + 1);
  }
  sys::close(fd);
}

}  // namespace

void load_preloads(List<Module*>& loaded) {
  if (process.preload != nullptr) load_list(process.preload, " :", "LD_PRELOAD", loaded);
  if (process.preload_option != nullptr) load_list(process.preload_option, " :", "--preload", loaded);
  load_file(loaded);
}

}  // namespace pagefold::ld
