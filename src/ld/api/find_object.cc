#include "ld/api/find_object.h"

#include "ld/module/module.h"

namespace pagefold::ld {
namespace {

struct Entry {
  uint64_t start, end;
  LinkMap* map;
  uint64_t eh_frame_header;
};

struct Copy {
  Entry* entries;
  uint32_t count, capacity;
};
Copy copies[2];
uint64_t version = 0;  // the low bit chooses the copy

void insert(Copy& copy, const Entry& entry) {
  uint32_t i = copy.count++;
  for (; i > 0 && copy.entries[i - 1].start > entry.start; --i) copy.entries[i] = copy.entries[i - 1];
  copy.entries[i] = entry;
}

const Entry* search(const Copy& copy, uint64_t address) {
  uint32_t low = 0, high = copy.count;
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    if (copy.entries[middle].end <= address)
      low = middle + 1;
    else
      high = middle;
  }
  return low < copy.count && copy.entries[low].start <= address ? &copy.entries[low] : nullptr;
}

// In a segment, not in a hole between two?
bool in_segment(const Module& module, uint64_t address) {
  if (module.contiguous) return true;
  for (const Elf64_Phdr& segment : module.headers)
    if (segment.p_type == PT_LOAD && address - module.bias - segment.p_vaddr < segment.p_memsz) return true;
  return false;
}

}  // namespace

void update_object_index() {
  Copy& copy = copies[(version + 1) & 1];
  if (copy.capacity < world.count) {
    // A reader may still be inside the old array: it is not given back. Capacities double, so little is lost.
    copy.capacity = world.count * 2;
    copy.entries = make_array<Entry>(copy.capacity);
  }
  copy.count = 0;
  for (Module* module = world.first; module != nullptr; module = module->next()) {
    if (module->faked || module->removed || module->map_end == 0) continue;
    const uint64_t header = module->eh_frame_header.present ? module->bias + module->eh_frame_header.start : 0;
    insert(copy, {module->map_start, module->map_end, module->map(), header});
  }
  __atomic_store_n(&version, version + 1, __ATOMIC_SEQ_CST);
}

Module* module_at(uint64_t address) {
  for (Module* module = world.first; module != nullptr; module = module->next())
    if (address >= module->map_start && address < module->map_end && !module->removed && in_segment(*module, address))
      return module;
  return nullptr;
}

}  // namespace pagefold::ld

// Source: dlfcn.h, _dl_find_object(3): 0 and the filled structure, or -1.
extern "C" __attribute__((visibility("hidden"))) int pagefold_ld_find_object(void* address, void* result) {
  using namespace pagefold::ld;
  const auto wanted = reinterpret_cast<uint64_t>(address);
  const auto& layout = world.layout->dl_find_object;
  for (;;) {
    const uint64_t before = __atomic_load_n(&version, __ATOMIC_ACQUIRE);
    const Copy copy = copies[before & 1];
    const Entry* found = search(copy, wanted);
    const Entry entry = found == nullptr ? Entry{} : *found;
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    // The copy a reader looks at is rewritten only after two updates.
    if (__atomic_load_n(&version, __ATOMIC_RELAXED) != before) continue;
    if (found == nullptr || !in_segment(*module_of(entry.map), wanted)) return -1;
    at<uint64_t>(result, layout.dlfo_flags) = 0;
    at<uint64_t>(result, layout.dlfo_map_start) = entry.start;
    at<uint64_t>(result, layout.dlfo_map_end) = entry.end;
    at<LinkMap*>(result, layout.dlfo_link_map) = entry.map;
    at<uint64_t>(result, layout.dlfo_eh_frame) = entry.eh_frame_header;
    return 0;
  }
}
