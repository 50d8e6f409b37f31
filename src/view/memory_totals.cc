// See memory_totals.h.
#include "view/memory_totals.h"

#include <algorithm>
#include <array>
#include <limits>

namespace pagefold::view {
namespace {

bool belongs_to_process(const MappingView& mapping) { return mapping.range.start < kUserTop; }

bool is_stack(const MappingView& m) { return m.grows_down || m.name == "[stack]"; }
bool is_text(const MappingView& m) { return m.execute && !m.write && !is_stack(m); }
bool is_data(const MappingView& m) { return m.write && !m.shared && !is_stack(m); }

// Counts the tables of one level: a table is needed for each aligned span that holds a resident page. Where the pages
// of a mapping are is not looked at: as many spans as the mapping has, but no more than it has resident pages.
class TableLevel {
 public:
  explicit TableLevel(unsigned span_shift) : shift_(span_shift) {}

  void add(VirtRange range, PageIndex resident_pages) {
    const std::uint64_t first = range.start >> shift_;
    const std::uint64_t last = (range.end - 1) >> shift_;
    const bool first_is_counted = first == last_counted_;
    const std::uint64_t spans = std::min(last - first + 1, resident_pages);
    tables_ += spans - (first_is_counted ? 1 : 0);
    last_counted_ = last;
  }

  [[nodiscard]] std::uint64_t tables() const { return tables_; }

 private:
  unsigned shift_;
  std::uint64_t last_counted_ = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t tables_ = 0;
};

Bytes page_table_bytes(const ProcessView& process) {
  constexpr unsigned kBitsPerLevel = kPageShift - 3;  // a table is one page of 8-byte entries
  std::array<TableLevel, 3> levels = {TableLevel(kPageShift + kBitsPerLevel),
                                      TableLevel(kPageShift + 2 * kBitsPerLevel),
                                      TableLevel(kPageShift + 3 * kBitsPerLevel)};
  std::uint64_t tables = 0;
  for (const MappingView& mapping : process.mappings) {
    const PageIndex resident = page_of(mapping.pages.resident);
    if (resident == 0 || mapping.range.empty() || !belongs_to_process(mapping)) continue;
    for (TableLevel& level : levels) level.add(mapping.range, resident);
  }
  for (const TableLevel& level : levels) tables += level.tables();
  return bytes_of(tables);
}

bool is_program_file(const MappingView& mapping, const ProcessView& process) {
  return mapping.file && !process.exe.empty() && mapping.name == process.exe;
}

}  // namespace

PageCounts& operator+=(PageCounts& sum, const PageCounts& more) {
  sum.resident += more.resident;
  sum.proportional += more.proportional;
  sum.shared_clean += more.shared_clean;
  sum.shared_dirty += more.shared_dirty;
  sum.private_clean += more.private_clean;
  sum.private_dirty += more.private_dirty;
  sum.anonymous += more.anonymous;
  sum.speculative += more.speculative;
  sum.swap += more.swap;
  sum.locked += more.locked;
  return sum;
}

ByBacking split_by_backing(const MappingView& mapping, Bytes amount) {
  if (mapping.shared) return mapping.file ? ByBacking{.file = amount} : ByBacking{.shmem = amount};
  if (!mapping.file) return {.anonymous = amount};
  const Bytes anonymous = std::min(amount, mapping.pages.anonymous);
  return {.anonymous = anonymous, .file = amount - anonymous};
}

MemoryTotals memory_totals(const ProcessView& process) {
  MemoryTotals totals;
  Bytes executable = 0;
  for (const MappingView& mapping : process.mappings) {
    if (!belongs_to_process(mapping)) continue;
    const Bytes size = mapping.range.size();
    totals.virtual_size += size;
    if (is_text(mapping)) executable += size;
    if (is_text(mapping) && is_program_file(mapping, process)) totals.text += size;
    if (is_stack(mapping)) totals.stack += size;
    if (is_data(mapping)) totals.data += size;
    if (mapping.locked) totals.locked += size;
    totals.swap += mapping.pages.swap;
    const ByBacking resident = split_by_backing(mapping, mapping.pages.resident);
    totals.resident_anonymous += resident.anonymous;
    totals.resident_file += resident.file;
    totals.resident_shmem += resident.shmem;
  }
  totals.library = executable - totals.text;
  totals.page_tables = page_table_bytes(process);
  return totals;
}

void fill_totals(ProcessView& process) {
  process.virtual_size = memory_totals(process).virtual_size;
  process.pages = {};
  for (const MappingView& mapping : process.mappings) process.pages += mapping.pages;
}

}  // namespace pagefold::view
