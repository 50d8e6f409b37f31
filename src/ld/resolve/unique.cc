#include "ld/resolve/unique.h"

#include "ld/base/text.h"
#include "ld/debug/debug.h"
#include "ld/tls/thread.h"

namespace pagefold::ld {
namespace {

struct Entry {
  uint32_t hash;
  const char* name;
  Found definition;
};

int table_lock = 0;
Entry* table = nullptr;  // open addressing, at most three quarters full
uint32_t capacity = 0, used = 0;

Entry* slot(Entry* entries, uint32_t size, uint32_t hash, const char* name) {
  for (uint32_t i = hash & (size - 1);; i = (i + 1) & (size - 1)) {
    Entry& entry = entries[i];
    if (entry.name == nullptr || (entry.hash == hash && equal(entry.name, name))) return &entry;
  }
}

void grow() {
  const uint32_t size = capacity == 0 ? 32 : capacity * 2;
  auto* bigger = make_array<Entry>(size);
  for (uint32_t i = 0; i < capacity; ++i)
    if (table[i].name != nullptr) *slot(bigger, size, table[i].hash, table[i].name) = table[i];
  release(table, capacity * sizeof(Entry));
  table = bigger;
  capacity = size;
}

}  // namespace

Found unique_definition(const Wanted& wanted, Module* referrer, const Found& found) {
  LowLevelLock lock(&table_lock);
  if ((used + 1) * 4 > capacity * 3) grow();
  Entry* entry = slot(table, capacity, wanted.hash, wanted.name);
  const bool copy = (wanted.reference_class & kCopy) != 0;
  if (entry->name != nullptr) return copy ? found : entry->definition;  // a copy is filled from what the search met
  ++used;
  // With a copy relocation the program's copy is the definition.
  const Found definition = copy ? Found{wanted.reference, referrer} : found;
  const char* name = definition.module->view.string(definition.symbol->st_name);
  *entry = {wanted.hash, name == nullptr ? wanted.name : name, definition};
  Module& definer = *found.module;
  const bool for_relocation = (wanted.flags & kForRelocation) != 0;
  if (!copy && definer.type == Type::kLoaded && !definer.stays(for_relocation)) {
    if (debug::on(debug::kBindings)) debug::print("marking %s [0] as NODELETE due to unique symbol\n", definer.name());
    definer.keep(for_relocation);
  }
  return found;
}

}  // namespace pagefold::ld
