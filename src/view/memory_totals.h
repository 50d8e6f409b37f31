// Sums over the mappings of a process, by the kernel's own rules (mm/vma.h: is_exec_mapping, is_stack_mapping,
// is_data_mapping; fs/proc/task_mmu.c: task_mem): what status, statm and stat say about memory.
#pragma once

#include "view/process_view.h"

namespace pagefold::view {

PageCounts& operator+=(PageCounts& sum, const PageCounts& more);

struct MemoryTotals {
  Bytes virtual_size = 0;                                               // VmSize
  Bytes resident_anonymous = 0, resident_file = 0, resident_shmem = 0;  // their sum is VmRSS
  Bytes data = 0, stack = 0, text = 0, library = 0;  // VmData, VmStk, VmExe, VmLib: sizes mapped, not resident
  Bytes locked = 0;                                  // VmLck: mapped size of the locked mappings
  Bytes swap = 0;
  Bytes page_tables = 0;  // estimated from where resident pages can be

  [[nodiscard]] Bytes resident() const { return resident_anonymous + resident_file + resident_shmem; }
};

// The gate page [vsyscall], above the program's addresses, belongs to no process and is not counted.
MemoryTotals memory_totals(const ProcessView& process);

// The parts of a mapping's resident pages (or of any share of them, such as Pss) by what backs them.
struct ByBacking {
  Bytes anonymous = 0, file = 0, shmem = 0;
};
ByBacking split_by_backing(const MappingView& mapping, Bytes amount);

// Fills virtual_size and pages of the process from its mappings.
void fill_totals(ProcessView& process);

}  // namespace pagefold::view
