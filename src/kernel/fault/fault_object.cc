// Pages that belong to an object and are shown as they are: those of files, once for all guests, and of shared memory.

#include <algorithm>

#include "base/scratch.h"
#include "kernel/fault/fault_service.h"
#include "kernel/sync/host_plan.h"
#include "kernel/files/own_files.h"

namespace pagefold::kernel {
namespace {

// Pages of a file mapped around a first touch, when they are cheap to have (as the kernel's own fault-around).
constexpr PageIndex kFileBlock = 16;
// The same when the pages are in frames already: mapping them costs little time and no memory.
constexpr PageIndex kCachedBlock = 32;

// A page that was there a moment ago has no frame any more: try again.
bool evicted_meanwhile(const Error& error) { return pressure() != nullptr && error.code == EFAULT; }

}  // namespace

FaultService::Outcome FaultService::serve_file(vm::Vma& v, cache::FileObject& file) {
  const PageIndex page = page_of(v.object_offset(fault_.address));
  const VirtRange here{fault_.address, fault_.address + kPageSize};
  if (page >= file.pages()) {
    space_.uffd.wake(here);
    return Outcome::Done;
  }
  // Only of a fully owned file can the frame have gone since: by truncation, or because the file was changed.
  auto* full = tracked(v) ? static_cast<cache::FullFile*>(&file) : nullptr;
  if (full != nullptr && fault_.guarded) return make_dirty(v, *full, page);
  if (const auto failed = meet_failure(file, page)) return *failed;
  // Sequential touches widen the window as for anonymous memory; otherwise a small block around the touch.
  VirtRange r = window(v, 0);
  const bool cached = file.resident(page);
  const PageIndex block =
      asked_.empty() ? std::min<PageIndex>(cached ? kCachedBlock : kFileBlock, supervisor_.fault_around()) : 1;
  const VirtAddr base = fault_.address - bytes_of(std::min(page % block, page_of(fault_.address)));
  if (r.size() < bytes_of(block)) r = VirtRange{base, base + bytes_of(block)}.intersect(in_step(v));
  if (!cached) r = within_room(r);
  PageIndex first = page_of(v.object_offset(r.start));
  PageIndex last = std::min(first + r.pages(), file.pages());
  first = armed_before(file, first, page);
  last = armed_behind(file, page + 1, last);
  if (alone_) first = page, last = page + 1;
  if (!cached) {
    const auto read = file.ensure(first, last, cache::FileObject::Patience::NoWait);
    if (!read) return wait_for_file(v, first, last);
    was_cold_ = true;
    stats().frames(static_cast<std::int64_t>(bytes_of(*read)));
    if (!file.resident(page)) {
      space_.uffd.wake(here);
      return Outcome::Done;
    }
    last = std::max(page + 1, file.resident_until(page, last));
    if (*read > 1) stats().speculation(static_cast<std::int64_t>(bytes_of(*read - 1)));
  } else {
    last = file.resident_until(page, last);
    while (first < page && file.resident_until(first, page) < page) first = file.resident_until(first, page) + 1;
  }
  vm::PageSet& mapped = space_.mapped_pages[&file];
  bool there = false;
  if (!mapped.test(page)) {  // otherwise the file is mapped twice, and what is mapped says nothing of this place
    if (may_speculate() && mapped.empty()) map_history(file);
    if (may_speculate()) file.note_mapped(first, last);
    // What is there already is not tried again.
    there = mapped.test(page);
    if (there) first = page, last = page + 1;
    last = mapped.next(page + 1, last);
    PageIndex from = page;
    while (from > first && !mapped.test(from - 1)) --from;
    first = from;
  }
  const VirtAddr start = fault_.address - bytes_of(page - first);
  r = {start, start + bytes_of(last - first)};
  file.note_touched(page);
  const bool stores = full != nullptr && fault_.write;
  const auto done = there && !stores ? Result<pmap::Filled>(pmap::Filled{r.size(), 0})
                                     : space_.uffd.map_present(r, stores ? pmap::Uffd::Wake::No : later(r),
                                                               full != nullptr ? pmap::Uffd::Guard::Yes : pmap::Uffd::Guard::No);
  if (!done && done.error().code == EFAULT && space_.own_files != nullptr) {  // cut off, or changed
    space_.uffd.wake(here);
    return Outcome::Done;
  }
  if (!done) return evicted_meanwhile(done.error()) ? Outcome::Later : give_up(done.error());
  r = finish(r, *done);
  installed(v, r);
  mapped.set_range(first, first + r.pages());
  if (stores) return make_dirty(v, *full, page);
  record(was_cold_ ? FaultCause::FileCold : FaultCause::FileCached, r.size());
  return Outcome::Done;
}

bool FaultService::out_of_order(const vm::Vma& v, PageIndex page) const {
  StoreOrder* const order = space_.own_files != nullptr ? space_.own_files->order() : nullptr;
  return order != nullptr && !order->may_open(std::static_pointer_cast<cache::FullFile>(v.object), page, {space_.pid, fault_.thread, code_});
}

// The mark comes first: whoever writes the page back clears it, then protects the page under this space's lock.
FaultService::Outcome FaultService::make_dirty(const vm::Vma& v, cache::FullFile& file, PageIndex page) {
  if (!v.hold) return Outcome::Done;  // the program is ending, and has stored what counts
  if (out_of_order(v, page)) return first(Before::CloseOthers, v, page);
  switch (file.mark_dirty(page)) {
    case cache::FullFile::Mark::Done: break;
    case cache::FullFile::Mark::Followed: return first(Before::Expel, v, page);
    case cache::FullFile::Mark::NoFrame:
      space_.uffd.wake({fault_.address, fault_.address + kPageSize});
      return Outcome::Done;
  }
  file.note_touched(page);
  const auto allowed = space_.uffd.allow_writes({fault_.address, fault_.address + kPageSize});
  if (!allowed) return give_up(allowed.error());
  record(was_cold_ ? FaultCause::FileCold : FaultCause::FileCached, kPageSize);
  return Outcome::Done;
}

FaultService::Outcome FaultService::serve_shared(vm::Vma& v, frame::SharedObject& shared) {
  const std::lock_guard lock(shared.mutex);
  const PageIndex page = page_of(v.object_offset(fault_.address));
  const VirtRange around = window(v, 0);
  const PageIndex first = page - page_of(fault_.address - around.start);
  const PageIndex last = std::min(first + around.pages(), shared.pages());
  if (page >= last) {  // the host raises SIGBUS
    space_.uffd.wake({fault_.address, fault_.address + kPageSize});
    return Outcome::Done;
  }
  const bool present = shared.resident.test(page);
  if (shared.frames().is_out(page)) return bring_back(v, shared, dynamic_cast<reclaim::SwappedFrames&>(shared.frames()), page);
  if (fault_.guarded) {  // an eviction held the store back
    shared.frames().stay(page, page + 1);
    const auto allowed = space_.uffd.allow_writes({fault_.address, fault_.address + kPageSize});
    return allowed ? Outcome::Done : give_up(allowed.error());
  }
  const PageIndex end = present ? std::min(shared.resident.next_gap(page, last), shared.frames().next_out(page, last))
                                : shared.resident.next(page, last);
  VirtRange r{fault_.address, fault_.address + bytes_of(end - page)};
  if (!present) r = within_room(r);
  if (present) shared.frames().stay(page, end);  // they are not write-protected here
  const auto done =
      present ? space_.uffd.map_present(r, later(r)) : space_.uffd.zero(r, later(r));
  if (!done) return give_up(done.error());
  r = finish(r, *done);
  if (!present) {
    shared.resident.set_range(page, page + r.pages());
    shared.frames().filled(page, page + 1, vm::FillReason::Needed);
    shared.frames().filled(page + 1, page + r.pages(), vm::FillReason::Ahead);
    stats().frames(static_cast<std::int64_t>(r.size()));
  }
  installed(v, r);
  space_.mapped_pages[&shared].set_range(page, page + r.pages());
  record(present ? FaultCause::FileCached : FaultCause::ZeroFill, r.size());
  return Outcome::Done;
}

}  // namespace pagefold::kernel
