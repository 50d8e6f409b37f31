// dlinfo(RTLD_DI_SERINFO): the directories that would be searched for an object's dependencies, in order. libc asks
// twice: for the size, then for the contents. Source: dlinfo(3), <dlfcn.h> Dl_serinfo.
#include "ld/abi/glibc/exports/export.h"
#include "ld/base/text.h"
#include "ld/find/load.h"
#include "ld/find/search_path.h"
#include "ld/module/module.h"
#include "ld/start/process.h"

namespace {

struct SearchEntry {
  char* name;
  unsigned flags;
};
struct SearchInfo {
  size_t size;
  unsigned count;
  SearchEntry entries[1];
};

constexpr unsigned kNoFlags = 0;  // glibc tells none of LA_SER_* here

class Collector {
 public:
  Collector(SearchInfo* info, bool counting) : info_(info), counting_(counting) {
    if (counting_) {
      info_->count = 0;
      info_->size = 0;
    } else {
      text_ = reinterpret_cast<char*>(&info_->entries[info_->count]);
    }
  }

  ~Collector() {
    if (counting_) info_->size += (sizeof(SearchInfo) - sizeof(SearchEntry)) + info_->count * sizeof(SearchEntry);
  }

  void add(const pagefold::ld::SearchPath* path, unsigned flags) {
    if (path == nullptr) return;
    for (const pagefold::ld::Directory* directory : path->directories) add(directory->path, flags);
  }

 private:
  void add(const char* path, unsigned flags) {
    size_t size = strlen(path);
    if (size > 1) --size;  // the slash at the end
    if (counting_) {
      ++info_->count;
      info_->size += size + 1;
      return;
    }
    info_->entries[at_] = {text_, flags};
    memcpy(text_, path, size);
    text_[size] = '\0';
    text_ += size + 1;
    ++at_;
  }

  SearchInfo* info_;
  bool counting_;
  unsigned at_ = 0;
  char* text_ = nullptr;
};

}  // namespace

PAGEFOLD_EXPORT void _dl_rtld_di_serinfo(pagefold::ld::LinkMap* map, SearchInfo* info, bool counting) {
  using namespace pagefold::ld;
  Module& module = *module_of(map);
  Collector collector(info, counting);
  if (module.view.runpath == nullptr) {
    bool main_seen = false;
    for (Module* at = &module; at != nullptr; at = at->loader) {
      collector.add(rpath_of(*at), kNoFlags);
      main_seen |= at == world.main;
    }
    if (!main_seen) collector.add(rpath_of(*world.main), kNoFlags);
  }
  collector.add(library_path(), kNoFlags);
  collector.add(runpath_of(module), kNoFlags);
  if ((module.view.flags_1 & DF_1_NODEFLIB) == 0) collector.add(default_path(), kNoFlags);
}
