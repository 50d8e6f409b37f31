// brk: the heap's end moves up and down.
//
// Order of checks and errnos: mm/mmap.c (brk); brk(2).

#include <sys/mman.h>
#include <sys/resource.h>

#include "kernel/calls.h"
#include "kernel/fault/fault.h"
#include "kernel/sync/host_sync.h"
#include "kernel/memory/map_request.h"
#include "kernel/memory/mm_limits.h"

namespace pagefold::kernel {
namespace {

VirtAddr set_brk(const Call& call, VirtAddr wanted_brk) {
  Space& space = call.space();
  std::unique_lock lock(space.mutex);
  space.wait_for_fork(lock);
  if (wanted_brk < space.brk_start || wanted_brk >= kUserTop) return space.brk;
  const VirtAddr old_end = page_up(space.brk), new_end = page_up(wanted_brk);
  if (new_end < old_end) {
    const VirtRange r{new_end, old_end};
    if (!unmap_range(space, r) || !synchronise(space, call.supervisor.listener(), r, Urgency::Lazy)) return space.brk;
  } else if (new_end > old_end) {
    const VirtRange r{old_end, new_end};
    const MapRequest m{r.start, r.size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0};
    // A page between the heap and what follows stays free (mm/mmap.c, brk).
    if (!space.map.is_free_with_gap({r.start, r.end + kPageSize}) || reserved(r) || !check_limits(space, m, r) ||
        !check_lock(space, m) || exceeds_limit(space, RLIMIT_DATA, new_end - space.brk_start))
      return space.brk;
    vm::Vma v;
    v.range = r;
    v.prot = vm::kRead | vm::kWrite;
    v.layered = true;
    v.locked = space.lock_future;
    v.tag = vm::Tag::Heap;
    v.around.expect(page_of(r.start));
    v.layer = space.choose_layer(r);
    space.map.insert(std::move(v));
    if (!synchronise(space, call.supervisor.listener(), r, Urgency::Lazy)) return space.brk;
  }
  space.brk = wanted_brk;
  if (space.lock_future && !space.lock_on_fault && new_end > old_end) {
    lock.unlock();
    (void)populate(call.supervisor, space, {old_end, new_end}, Purpose::Lock);
  }
  return wanted_brk;
}

}  // namespace

void on_brk(const Call& call) { call.reply_address(set_brk(call, call.argument(0))); }

}  // namespace pagefold::kernel
