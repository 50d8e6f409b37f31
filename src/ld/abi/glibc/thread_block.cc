// Offsets from the layout, order from glibc: fs, then the list of stacks, tid, robust list, rseq.
#include "ld/abi/glibc/thread_block.h"

#include <asm/unistd.h>

namespace pagefold::ld::glibc {
namespace {

constexpr uint64_t kSetFs = 0x1002;  // arch_prctl
constexpr uint64_t kRseqSignature = 0x53053053;
constexpr uint32_t kRseqSmallest = 32,
                   kRseqUsedAtFirst = 20;  // bytes: what the system call wants; what the first kernels use
constexpr int32_t kCpuUninitialised = -1, kCpuRegistrationFailed = -2;
constexpr int64_t kFutexOffset = -32;  // from pthread_mutex_t.__list to its lock

template <class T>
void put(char* block, uint64_t offset, T value) {
  __builtin_memcpy(block + offset, &value, sizeof value);
}

bool wants_rseq(const Tunables& tunables) { return tunables.number("glibc.pthread.rseq", 1) != 0; }
bool rseq_is_outside(const Build& build) { return !present(build.layout.pthread.rseq_area); }

uint32_t rseq_used(const Build& build, const AuxEntry* auxv) {
  if (!rseq_is_outside(build)) return build.rseq_used;
  const auto used = static_cast<uint32_t>(aux_value(auxv, kAuxRseqFeatureSize));
  return used < kRseqUsedAtFirst ? kRseqUsedAtFirst : used;
}

// list_add: in front of what follows the head.
void add_to_list(char* head, char* node) {
  char* next;
  __builtin_memcpy(&next, head, sizeof next);
  put(node, 0, next);
  put(node, 8, head);
  put(next, 8, node);
  put(head, 0, node);
}

}  // namespace

ExtraTls extra_tls(const Build& build, const AuxEntry* auxv, const Tunables& tunables) {
  if (!rseq_is_outside(build)) return {0, 0};
  if (!wants_rseq(tunables)) return {kRseqSmallest, kRseqSmallest};
  const uint64_t stated = aux_value(auxv, kAuxRseqAlign);
  const uint64_t align = stated < kRseqSmallest ? kRseqSmallest : stated;
  const uint64_t used = rseq_used(build, auxv);
  const uint64_t size = used < kRseqSmallest ? kRseqSmallest : used;
  return {(size + align - 1) / align * align, align};
}

void fill_thread_block(const Build& build, void* global, const MainThread& thread) {
  const auto& tcb = build.layout.tcb;
  const auto& at = build.layout.pthread;
  char* block = thread.block;
  put(block, tcb.tcb, block);
  put(block, tcb.self, block);
  put(block, tcb.stack_guard, thread.random[0] & ~uint64_t{0xff});  // a zero byte ends runaway strings
  put(block, tcb.pointer_guard, thread.random[1]);
  add_to_list(static_cast<char*>(global) + build.layout.rtld_global.dl_stack_user, block + at.list);
  put(block, at.specific, block + at.specific_1stblock);
  put(block, at.user_stack, true);
  put(block, at.report_events, thread.report_events);
  put(block, at.robust_prev, block + at.robust_head_list);
  put(block, at.robust_head_list, block + at.robust_head_list);
  put(block, at.robust_head_futex_offset, kFutexOffset);
  put(block, at.stackblock_size, thread.stack_end);
}

bool register_thread(const Build& build, const AuxEntry* auxv, const Tunables& tunables, const MainThread& thread,
                     SystemCall call, Rseq& rseq) {
  const auto& at = build.layout.pthread;
  const auto address = [&](uint64_t offset) { return reinterpret_cast<uint64_t>(thread.block + offset); };
  if (call(__NR_arch_prctl, kSetFs, address(0), 0, 0) != 0) return false;
  put(thread.block, at.tid, static_cast<int32_t>(call(__NR_set_tid_address, address(at.tid), 0, 0, 0)));
  call(__NR_set_robust_list, address(at.robust_head_list), at.robust_head_size, 0, 0);

  constexpr uint64_t kCpuId = 4;
  const uint32_t used = rseq_used(build, auxv), size = used < kRseqSmallest ? kRseqSmallest : used;
  rseq.offset = rseq_is_outside(build) ? thread.extra_tls_offset : static_cast<int64_t>(at.rseq_area);
  rseq.size = 0;
  char* area = thread.block + rseq.offset;
  if (wants_rseq(tunables)) {
    put(area, kCpuId, kCpuUninitialised);
    if (call(__NR_rseq, reinterpret_cast<uint64_t>(area), size, 0, kRseqSignature) == 0) rseq.size = used;
  }
  if (rseq.size == 0) put(area, kCpuId, kCpuRegistrationFailed);
  return true;
}

}  // namespace pagefold::ld::glibc
