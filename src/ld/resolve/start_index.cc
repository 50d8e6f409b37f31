#include "ld/resolve/start_index.h"

#include "ld/base/sys.h"

namespace pagefold::ld {
namespace {

constexpr uint32_t kWorthwhile = 16;  // objects on the list

const SearchList* indexed = nullptr;
Filter* filters = nullptr;

constexpr uint64_t kEverything = ~uint64_t{0};

Filter filter_of(const Module& module) {
  const elf::GnuHash& gnu = module.view.gnu;
  return gnu.bucket_count != 0 ? Filter{gnu.bloom, gnu.bloom_mask, gnu.bloom_shift} : Filter{&kEverything, 0, 0};
}

}  // namespace

void open_start_index() {
  const SearchList& list = *world.main->search_list();
  if (list.count < kWorthwhile) return;
  const int64_t at = sys::map_anonymous(list.count * sizeof(Filter));
  if (sys::failed(at)) return;  // it goes without
  filters = reinterpret_cast<Filter*>(at);
  indexed = &list;
  for (uint32_t i = 0; i < list.count; ++i) filters[i] = filter_of(*module_of(list.list[i]));
}

void close_start_index() {
  if (indexed == nullptr) return;
  sys::unmap(sys::word(filters), indexed->count * sizeof(Filter));
  indexed = nullptr;
}

const Filter* start_filters(const SearchList& list) { return &list == indexed ? filters : nullptr; }

}  // namespace pagefold::ld
