// mprotect: what may be done with the pages of a range.
//
// Order of checks and errnos: mm/mprotect.c; mprotect(2).

#include <sys/mman.h>

#include <algorithm>

#include "kernel/calls.h"
#include "kernel/sync/host_sync.h"
#include "kernel/memory/map_request.h"
#include "kernel/memory/mm_limits.h"

namespace pagefold::kernel {
namespace {

// PROT_GROWSDOWN: the range begins where the mapping does.
Result<VirtRange> protect_range(const Space& space, VirtRange r, std::uint64_t prot) {
  if ((prot & (PROT_GROWSDOWN | PROT_GROWSUP)) == 0) return r;
  const vm::Vma* v = space.map.find(r.start);
  if (v == nullptr || (prot & PROT_GROWSUP) != 0 || (!v->grows_down && v->tag != vm::Tag::Stack)) return fail(EINVAL);
  VirtAddr start = v->range.start;
  while (start > 0) {
    const vm::Vma* below = space.map.find(start - kPageSize);
    if (below == nullptr || !below->grows_down) break;
    start = below->range.start;
  }
  return VirtRange{start, r.end};
}

// Memory that becomes private and writable counts as data from now on (mm/mprotect.c, mprotect_fixup).
bool too_much_data(const Space& space, const vm::Vma& v, VirtRange part, vm::Prot prot) {
  vm::Vma after = v;
  after.prot = prot;
  return is_data(after) && !is_data(v) && exceeds_data_limit(space, part.size());
}

Result<void> protect(const Call& call, VirtRange r, std::uint64_t flags, bool& proceed) {
  Space& space = call.space();
  std::unique_lock lock(space.mutex);
  space.wait_for_fork(lock);
  r = PAGEFOLD_TRY(protect_range(space, r, flags));
  const auto prot = static_cast<vm::Prot>(flags & kProtMask);
  // As in Linux, what comes before the first hole or refusal is changed all the same.
  VirtAddr end = r.start;
  int error = 0;
  while (end < r.end && error == 0) {
    const vm::Vma* v = space.map.find(end);
    if (v == nullptr) error = ENOMEM;
    else if ((prot & ~v->may) != 0) error = EACCES;
    else if (too_much_data(space, *v, v->range.intersect(r), prot)) error = ENOMEM;
    else if (v->prot != prot && change_would_split_too_many(space, v->range.intersect(r))) error = ENOMEM;
    else end = v->range.end;
  }
  end = std::min(end, r.end);
  const VirtRange done{r.start, end};
  if (!done.empty()) {
    space.map.modify(done, [&](vm::Vma& v) {
      v.prot = prot;
      if (!v.shared && (prot & vm::kWrite) != 0) (v.host() ? v.accounted : v.layered) = true;
    });
    const auto ops = plan(space, done, Urgency::Lazy);
    // One protection over exactly this range: the caller may make the host call itself, no agent needed.
    const bool same = ops.size() == 1 && ops[0].kind == HostOp::Kind::Protect && ops[0].piece.range == done;
    if (same && error == 0 && (flags & ~kProtMask) == 0) {
      proceed = true;
      return commit(space, ops);
    }
    if (!ops.empty()) PAGEFOLD_CHECK(carry_out(space, call.supervisor.listener(), ops));
  }
  if (error != 0) return fail(error);
  return {};
}

}  // namespace

void on_mprotect(const Call& call) {
  const VirtAddr start = call.argument(0);
  const Bytes length = page_up(call.argument(1));
  const std::uint64_t prot = call.argument(2);
  constexpr std::uint64_t kGrow = PROT_GROWSDOWN | PROT_GROWSUP, kSem = 0x8;
  if ((prot & ~(kProtMask | kGrow | kSem)) != 0 || (prot & kGrow) == kGrow || !page_aligned(start)) return call.fail(EINVAL);
  if (call.argument(1) == 0) return call.reply(0);
  if (length == 0 || start + length <= start || start > kUserTop - length) return call.fail(ENOMEM);
  const VirtRange r{start, start + length};
  if (reserved(r)) return call.fail(ENOMEM);
  bool proceed = false;
  const auto done = protect(call, r, prot, proceed);
  if (done && proceed) return call.proceed();
  call.finish(done);
}

}  // namespace pagefold::kernel
