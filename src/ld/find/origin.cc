#include "ld/find/origin.h"

#include "ld/base/out.h"
#include "ld/base/sys.h"
#include "ld/base/text.h"
#include "ld/module/module.h"
#include "ld/start/process.h"

namespace pagefold::ld {
namespace {

constexpr unsigned kPathMax = 4096;

const char* directory_part(const char* path) {
  const char* slash = find_last(path, '/');
  if (slash == nullptr) return nullptr;
  return slash == path ? duplicate("/") : duplicate(path, static_cast<size_t>(slash - path));
}

// The program's own file, not the link it was called by; LD_ORIGIN_PATH where /proc is not there.
const char* origin_of_program() {
  if (!process.direct) {
    char path[kPathMax];
    const int64_t size = sys::readlink("/proc/self/exe", path, sizeof(path) - 1);
    if (size > 0 && path[0] == '/') {
      path[size] = '\0';
      return directory_part(path);
    }
  }
  return process.origin_path != nullptr ? duplicate(process.origin_path) : nullptr;
}

// A relative name is relative to where the process stands while it loads.
const char* origin_of_path(const char* path) {
  if (path[0] == '/') return directory_part(path);
  char where[kPathMax];
  const int64_t size = sys::getcwd(where, sizeof(where));
  if (sys::failed(size)) return nullptr;
  const char* part = directory_part(path);
  if (part == nullptr) return duplicate(where);
  const char* whole = equal(where, "/") ? concatenate("/", part) : concatenate(where, "/", part);
  release_string(part);
  return whole;
}

}  // namespace

const char* origin_of(Module* owner) {
  Module& module = owner == nullptr ? *world.main : *owner;
  if (module.origin == nullptr) {
    module.origin = module.is_main && !process.direct ? origin_of_program() : origin_of_path(module.name());
    at<const char*>(module.map(), world.layout->link_map.l_origin) =
        module.origin != nullptr ? module.origin : reinterpret_cast<const char*>(~uint64_t{0});
  }
  return module.origin;
}

}  // namespace pagefold::ld
