// mmap and munmap: ranges come and go. Each changes the model under the lock, then lets the host follow as far as it must
// (sync/host_plan.h): most calls need no host operation at all.
//
// Order of checks and errnos: mm/mmap.c (do_mmap); mmap(2), munmap(2).

#include <sys/mman.h>

#include <algorithm>
#include <optional>

#include "kernel/calls.h"
#include "kernel/fault/fault.h"
#include "kernel/sync/hand_over.h"
#include "kernel/sync/host_sync.h"
#include "kernel/memory/map_request.h"
#include "kernel/memory/mm_limits.h"
#include "kernel/files/own_files.h"
#include "kernel/process/own_loader.h"

namespace pagefold::kernel {
namespace {

// Linux's default vm.mmap_min_addr.
constexpr VirtAddr kLowest = 0x10000;

// Where MAP_32BIT places what has no address (arch/x86, find_start_end).
constexpr VirtRange kLowPlacement{0x40000000, 0x80000000};

// A hint names whole pages, none of the forbidden ones (mm/mmap.c, round_hint_to_min); nullopt: taken, or none was given.
std::optional<VirtAddr> usable_hint(const Space& space, const MapRequest& m) {
  const VirtAddr hint = m.address == 0 ? 0 : std::max(page_down(m.address), m.address >= kPageSize ? kLowest : 0);
  const VirtAddr top = (m.flags & MAP_32BIT) != 0 ? kLowPlacement.end : kUserTop;
  if (hint == 0 || m.length > top || hint > top - m.length) return std::nullopt;
  const VirtRange there{hint, hint + m.length};
  if (reserved(there) || !space.map.is_free_with_gap(there)) return std::nullopt;
  return hint;
}

Result<VirtAddr> choose_address(Space& space, const MapRequest& m) {
  const VirtRange at{m.address, m.address + m.length};
  if (m.fixed()) {
    if (m.address > kUserTop - m.length) return fail(ENOMEM);
    if (!page_aligned(m.address)) return fail(EINVAL);
    if (m.address < kLowest) return fail(EPERM);
    if (reserved(at)) return fail((m.flags & MAP_FIXED_NOREPLACE) != 0 ? EEXIST : ENOMEM);
    if ((m.flags & MAP_FIXED_NOREPLACE) != 0 && !space.map.is_free(at)) return fail(EEXIST);
    return m.address;
  }
  if (const auto hint = usable_hint(space, m)) return *hint;
  const auto gap = space.map.find_gap(m.length, (m.flags & MAP_32BIT) != 0 ? kLowPlacement : space.map.placement());
  if (!gap) return fail(ENOMEM);
  return *gap;
}

bool given_up(const vm::ObjectRef& object) {
  const auto* file = dynamic_cast<const cache::FileObject*>(object.get());
  return file != nullptr && file->given_up();
}

// The host follows where it must. Code takes a turn of the agent at once; what a loader has mapped of the same file just below is
// touched next, so it comes along.
Result<void> synchronise_mapped(Space& space, const Listener& listener, VirtRange r) {
  auto ops = plan(space, r, Urgency::Lazy);
  if (ops.empty()) return {};
  const vm::Vma* here = space.map.find(r.start);
  const vm::Vma* below = space.map.find(r.start - 1);
  if (below != nullptr && here->object && below->object == here->object && !below->layered)
    for (HostOp& op : plan(space, below->range, Urgency::Eager)) ops.push_back(std::move(op));
  return carry_out(space, listener, ops);
}

Result<VirtAddr> map(const Call& call, MapRequest m) {
  if (!page_aligned(m.offset)) return fail(EINVAL);
  UniqueFd file;
  if (!m.anonymous()) file = PAGEFOLD_TRY(borrow(call, m.fd));
  if (m.anonymous() && (m.flags & MAP_HUGETLB) != 0) return fail(ENOMEM);
  if (m.length == 0) return fail(EINVAL);
  if (m.length > kUserTop) return fail(ENOMEM);
  m.length = page_up(m.length);
  if (m.offset + m.length < m.offset) return fail(EOVERFLOW);
  Backing backing = PAGEFOLD_TRY(backing_of(call, m, std::move(file)));

  Space& space = call.space();
  std::unique_lock lock(space.mutex);
  space.wait_for_fork(lock);
  if (has_too_many_mappings(space)) return fail(ENOMEM);
  const VirtAddr start = PAGEFOLD_TRY(choose_address(space, m));
  const VirtRange r{start, start + m.length};
  PAGEFOLD_CHECK(check_lock(space, m));
  PAGEFOLD_CHECK(check_limits(space, m, r));

  vm::Vma v;
  v.range = r;
  v.prot = static_cast<vm::Prot>(m.prot & kProtMask);
  v.may = backing.may;
  v.shared = m.shared();
  v.object = backing.object;
  v.hold = std::move(backing.hold);
  v.opened_as = std::move(backing.opened_as);
  v.offset = m.anonymous() ? 0 : m.offset;
  v.grows_down = (m.flags & MAP_GROWSDOWN) != 0;
  v.no_reserve = (m.flags & MAP_NORESERVE) != 0;
  v.locked = (m.flags & MAP_LOCKED) != 0 || space.lock_future;
  v.layered = !v.shared && !v.host() && (v.anonymous() || v.writable());
  v.accounted = v.host() && !v.shared && v.writable() && !v.no_reserve;
  v.around.expect(page_of(r.start));
  if (space.own_loader && (v.prot & vm::kExec) != 0 && v.object && is_system_loader(v.object->name())) {
    space.own_loader = false;  // it maps the genuine loader only to hand over
    stats().handed_over.fetch_add(1, std::memory_order_relaxed);
    stats().note("ld-pagefold.so left a program to the system's loader (with LD_DEBUG=libs it says why)");
  }

  if (v.host()) {
    // The host decides whether this can be mapped at all, so it goes first; what was there is then gone in any case.
    HostOp op;
    op.piece = wanted(v);
    op.fd = backing.fd.get();
    op.flags = static_cast<int>(m.flags & ~static_cast<std::uint64_t>(MAP_FIXED_NOREPLACE));
    op.file_offset = m.offset;
    PAGEFOLD_CHECK(carry_out(space, call.supervisor.listener(), {op}));
    PAGEFOLD_CHECK(unmap_range(space, r));
    v.layer = r.start;
    space.map.insert(std::move(v));
  } else {
    PAGEFOLD_CHECK(unmap_range(space, r));
    v.layer = space.choose_layer(r);
    space.map.insert(std::move(v));
    if (const auto done = synchronise_mapped(space, call.supervisor.listener(), r); !done) {
      (void)unmap_range(space, r);
      (void)synchronise(space, call.supervisor.listener(), r, Urgency::Lazy);
      return tl::unexpected(done.error());
    }
    // The file may have found a writer since it was looked up.
    if (given_up(backing.object)) PAGEFOLD_CHECK(give_back(space, call.supervisor.listener()));
  }
  const bool asked = (m.flags & (MAP_POPULATE | MAP_NONBLOCK)) == MAP_POPULATE;
  const bool fill = (asked || (m.flags & MAP_LOCKED) != 0 || space.lock_future) && !space.lock_on_fault;
  lock.unlock();
  if (fill) (void)populate(call.supervisor, space, r, Purpose::Lock);
  return start;
}

}  // namespace

Result<void> unmap_range(Space& space, VirtRange r) {
  for (const vm::Vma& v : space.map.remove(r)) {
    if (v.layered) {
      const std::lock_guard family(space.layer->mutex());
      PAGEFOLD_CHECK(space.layer->discard(page_of(v.layer), page_of(v.layer + v.range.size())));
    } else if (const auto mapped = space.mapped_pages.find(v.object.get()); mapped != space.mapped_pages.end()) {
      mapped->second.clear_range(page_of(v.offset), page_of(v.offset + v.range.size()));
      if (mapped->second.empty()) space.mapped_pages.erase(mapped);
    }
    space.reclaim_layer(v);
  }
  account(space);
  return {};
}

void on_mmap(const Call& call) {
  const MapRequest m{call.argument(0), call.argument(1), call.argument(2), call.argument(3), static_cast<int>(call.argument(4)),
                     call.argument(5)};
  // The bootstrap code maps the stub itself (takeover.cc).
  if (call.space().state == Space::State::Booting) return call.proceed();
  const auto mapped = map(call, m);
  if (OwnFiles* files = call.supervisor.own_files()) files->settle();
  mapped ? call.reply_address(*mapped) : call.fail(mapped.error().code);
}

void on_munmap(const Call& call) {
  const VirtAddr start = call.argument(0);
  const Bytes length = page_up(call.argument(1));
  if (!page_aligned(start) || length == 0 || call.argument(1) > kUserTop || start > kUserTop - length) return call.fail(EINVAL);
  const VirtRange r{start, start + length};
  // Pagefold's own addresses look free to the program: nothing is to go there, and what lies on both sides goes.
  const VirtRange below{r.start, std::clamp(stub::kReservedStart, r.start, r.end)};
  const VirtRange above{std::clamp(stub::kReservedEnd, r.start, r.end), r.end};
  Space& space = call.space();
  std::unique_lock lock(space.mutex);
  space.wait_for_fork(lock);
  if (unmap_would_split_too_many(space, r)) return call.fail(ENOMEM);
  Result<void> done;
  for (const VirtRange part : {below, above}) {
    if (part.empty() || !done) continue;
    done = unmap_range(space, part);
    if (done) done = synchronise(space, call.supervisor.listener(), part, Urgency::Lazy);
  }
  lock.unlock();
  if (OwnFiles* files = call.supervisor.own_files()) files->settle();
  call.finish(done);
}

}  // namespace pagefold::kernel
