#include "kernel/fault.h"

#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <chrono>

#include "cache/file_object.h"
#include "frame/shared_object.h"
#include "kernel/host_sync.h"
#include "kernel/mm_limits.h"

namespace pagefold::kernel {
namespace {

// Inherited pages copied at one touch: neighbours tend to be needed together.
constexpr PageIndex kPullBlock = 4;
// Pages of a file mapped around a first touch, when they are cheap to have (as the kernel's own fault-around).
constexpr PageIndex kFileBlock = 16;
// The same when the pages are in frames already: mapping them costs little time and no memory.
constexpr PageIndex kCachedBlock = 32;
// Pages filled in one step when a program asks for a range.
constexpr PageIndex kPopulateStep = 256;
// A stack keeps this distance from the mapping below it.
constexpr Bytes kStackGuard = 256 * kPageSize;

std::uint64_t now_ns() {
  return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
}

// Everything the steps of one fault need. Space::mutex is held through `lock`, except while a file is read.
class Service {
 public:
  // asked: what the program wants filled, and no more; empty when it just touched the page.
  Service(Supervisor& supervisor, Space& space, const Fault& fault, Patience patience, VirtRange asked = {})
      : supervisor_(supervisor), space_(space), fault_(fault), patience_(patience), asked_(asked), started_(now_ns()) {}

  Served serve();
  // All pages from the fault's to here are filled.
  [[nodiscard]] VirtAddr filled_until() const { return filled_until_; }

 private:
  enum class Outcome { Done, Later, Again };

  Outcome attempt();
  Outcome serve_layer(vm::Vma& v);
  Outcome fill_from_file(vm::Vma& v, cache::FileObject& file);
  Outcome break_sharing(PageIndex page);
  Outcome pull(vm::Vma& v, PageIndex page);
  Outcome clear(vm::Vma& v);
  Outcome serve_file(vm::Vma& v, cache::FileObject& file);
  Outcome serve_shared(vm::Vma& v, frame::SharedObject& shared);
  Outcome violation(VirtRange r, bool mapped);
  Outcome beyond_end(vm::Vma& v);
  Outcome give_up(const Error& error);
  vm::Vma* grow_stack();

  // [first, last) in pages of the address space to install: from the fault on, as far as the mapping and the window reach.
  VirtRange window(vm::Vma& v);
  void installed(vm::Vma& v, VirtRange r) {
    if (r.contains(fault_.address)) filled_until_ = r.end;
    if (stream_ != nullptr) stream_->expected = page_of(v.grows_down ? r.start - kPageSize : r.end);
  }
  void note_filled(const vm::Vma& v, VirtRange r) const {
    for (VirtAddr at = r.start; at < r.end; at += kPageSize)
      space_.layer->note_filled(v.layer_page(at), asked_.empty() && at != fault_.address);
  }
  void record(FaultCause cause, Bytes bytes) {
    stats().fault(cause, now_ns() - started_, bytes);
    ++(cause == FaultCause::FileCold ? space_.major_faults : space_.minor_faults);
  }
  // The pages that are there now; the faulting thread goes on even if it was not this operation that installed its page.
  VirtRange finish(VirtRange r, const pmap::Filled& done) {
    if (done.installed < r.size()) space_.uffd.wake({fault_.address, fault_.address + kPageSize});
    return {r.start, r.start + done.reached};
  }
  // The layer's pages of r have their contents now; the first touch was of one of them, the others are speculative.
  Outcome filled(vm::Vma& v, VirtRange r, const Result<pmap::Filled>& done, FaultCause cause);

  Supervisor& supervisor_;
  Space& space_;
  Fault fault_;
  Patience patience_;
  VirtRange asked_;
  std::uint64_t started_;
  VirtAddr filled_until_ = 0;
  vm::TouchStreams::Stream* stream_ = nullptr;  // of this attempt
  std::shared_ptr<cache::FileObject> cold_;  // must be read before the next attempt
  PageIndex cold_first_ = 0, cold_last_ = 0;
  bool was_cold_ = false;
};

Served Service::serve() {
  for (;;) {
    std::unique_lock lock(space_.mutex, std::defer_lock);
    if (patience_ == Patience::NoWait) {
      if (!lock.try_lock()) return Served::Later;
    } else {
      lock.lock();
    }
    const Outcome outcome = attempt();
    account(space_);
    if (outcome == Outcome::Done) return Served::Yes;
    if (outcome == Outcome::Later && patience_ == Patience::NoWait) return Served::Later;
    lock.unlock();
    if (cold_) {
      const auto file = std::exchange(cold_, nullptr);
      was_cold_ = true;
      const auto read = file->ensure(cold_first_, cold_last_, cache::FileObject::Patience::Wait);
      if (read) {
        stats().frames(static_cast<std::int64_t>(bytes_of(*read)));
      } else {
        const std::lock_guard again(space_.mutex);
        give_up(read.error());
        return Served::Yes;
      }
    }
  }
}

Service::Outcome Service::attempt() {
  stream_ = nullptr;
  if (space_.state != Space::State::Running) return Outcome::Done;
  const VirtRange page{fault_.address, fault_.address + kPageSize};
  vm::Vma* v = space_.map.find(fault_.address);
  if (v == nullptr) v = grow_stack();
  if (v == nullptr) return violation(page, false);
  if (v->prot == vm::kNone || (fault_.write && !v->writable())) return violation(page, true);
  const pmap::HostPiece* have = space_.host.find(fault_.address);
  const pmap::HostPiece want = wanted(*v);
  if (have == nullptr || !have->same_source(want) || have->prot != want.prot) {
    if (patience_ == Patience::NoWait) return Outcome::Later;
    const auto done = synchronise(space_, supervisor_.listener(), v->range, Urgency::Eager);
    if (!done) return give_up(done.error());
    if (v->host()) return violation(page, true);
  }
  if (want.kind == pmap::HostPiece::Kind::Layer) return serve_layer(*v);
  if (auto* file = dynamic_cast<cache::FileObject*>(v->object.get())) return serve_file(*v, *file);
  if (auto* shared = dynamic_cast<frame::SharedObject*>(v->object.get())) return serve_shared(*v, *shared);
  space_.uffd.wake(page);
  return Outcome::Done;
}

vm::Vma* Service::grow_stack() {
  vm::Vma* above = space_.map.find_from(fault_.address);
  if (above == nullptr || !above->grows_down) return nullptr;
  const VirtAddr top = above->tag == vm::Tag::Stack ? space_.stack_top : above->range.end;
  if (exceeds_limit(space_, RLIMIT_STACK, top - fault_.address)) return nullptr;
  const VirtRange wanted_range{fault_.address, above->range.start};
  const VirtAddr guard = fault_.address > kStackGuard ? fault_.address - kStackGuard : 0;
  if (!space_.map.is_free({guard, wanted_range.end}) || !space_.in_background(wanted_range)) return nullptr;
  return &space_.map.grow_down(*above, fault_.address);
}

VirtRange Service::window(vm::Vma& v) {
  const pmap::HostPiece* have = space_.host.find(fault_.address);
  const VirtRange here = have == nullptr ? v.range : v.range.intersect(have->range);
  if (!asked_.empty()) return VirtRange{fault_.address, fault_.address + bytes_of(kPopulateStep)}.intersect(here).intersect(asked_);
  stream_ = &v.streams.touch(page_of(fault_.address), supervisor_.fault_around());
  const Bytes span = bytes_of(stream_->window);
  if (v.grows_down) {
    const VirtAddr end = fault_.address + kPageSize;
    return {std::max(here.start, end > span ? end - span : 0), end};
  }
  return {fault_.address, std::min(here.end, fault_.address + span)};
}

Service::Outcome Service::serve_layer(vm::Vma& v) {
  const std::lock_guard family(space_.layer->mutex());
  vm::Layer& layer = *space_.layer;
  const PageIndex page = v.layer_page(fault_.address);
  if (fault_.guarded) return break_sharing(page);
  if (layer.present().test(page)) {
    space_.uffd.wake({fault_.address, fault_.address + kPageSize});
    return Outcome::Done;
  }
  if (layer.inherited().test(page)) return pull(v, page);
  if (auto* file = dynamic_cast<cache::FileObject*>(v.object.get())) return fill_from_file(v, *file);
  return clear(v);
}

Service::Outcome Service::break_sharing(PageIndex page) {
  vm::Layer& layer = *space_.layer;
  const auto copies = layer.push(page);
  if (!copies) return give_up(copies.error());
  layer.unguard(page);
  layer.note_touched(page);
  layer.note_hot(page);
  const auto allowed = space_.uffd.allow_writes({fault_.address, fault_.address + kPageSize});
  if (!allowed) return give_up(allowed.error());
  record(FaultCause::CopyOnWrite, bytes_of(*copies));
  return Outcome::Done;
}

// Inherited pages, from the touched one on: copied from the nearest ancestors that hold them.
Service::Outcome Service::pull(vm::Vma& v, PageIndex page) {
  vm::Layer& layer = *space_.layer;
  Bytes copied = 0;
  bool guard = layer.has_heirs(page);
  if (guard && fault_.write) {
    const auto copies = layer.push(page);
    if (!copies) return give_up(copies.error());
    copied += bytes_of(*copies);
    guard = false;
  }
  const Bytes ahead = v.range.end - fault_.address;
  const PageIndex wish = std::max(window(v).pages(), std::min<PageIndex>(kPullBlock, supervisor_.fault_around()));
  PageIndex last = std::min({page + wish, page + page_of(ahead), layer.inherited().next_gap(page, page + wish)});
  if (guard || v.grows_down) last = page + 1;
  std::vector<std::byte> contents(bytes_of(last - page));
  PageIndex end = page;
  for (; end < last && (end == page || !layer.has_heirs(end)); ++end) {
    const auto fetched = layer.fetch(end, contents.data() + bytes_of(end - page));
    if (!fetched) return give_up(fetched.error());
  }
  const VirtRange r{fault_.address, fault_.address + bytes_of(end - page)};
  const auto done = space_.uffd.copy(r, contents.data(), guard ? pmap::Uffd::Guard::Yes : pmap::Uffd::Guard::No, pmap::Uffd::Wake::Yes);
  if (!done) return give_up(done.error());
  const VirtRange filled = finish(r, *done);
  if (filled.empty()) return Outcome::Done;
  for (PageIndex p = page; p < page + filled.pages(); ++p) layer.note_filled(p, p != page);
  layer.note_pulled(page);
  if (guard) layer.guard(page, page + 1);
  installed(v, r);
  record(FaultCause::CopyOnWrite, copied + r.size());
  return Outcome::Done;
}

// The run of pages around the fault, within r, that have neither a frame nor an ancestor's.
VirtRange fresh_run(const vm::Layer& layer, const vm::Vma& v, VirtRange r, VirtAddr at) {
  const PageIndex page = v.layer_page(at), first = v.layer_page(r.start), last = first + r.pages();
  const PageIndex end = std::min(layer.present().next(page, last), layer.inherited().next(page, last));
  PageIndex start = page;
  while (start > first && !layer.present().test(start - 1) && !layer.inherited().test(start - 1)) --start;
  return {r.start + bytes_of(start - first), r.start + bytes_of(end - first)};
}

Service::Outcome Service::fill_from_file(vm::Vma& v, cache::FileObject& file) {
  const PageIndex file_page = page_of(v.object_offset(fault_.address));
  if (file_page >= file.pages()) return beyond_end(v);
  const VirtRange around = fresh_run(*space_.layer, v, window(v), fault_.address);
  std::vector<std::byte> contents;
  VirtAddr end = around.start;
  for (; end < around.end; end += kPageSize) {
    const PageIndex source = page_of(v.object_offset(end));
    if (source >= file.pages()) break;
    contents.resize(end - around.start + kPageSize);
    const auto copied = file.copy_page(source, contents.data() + (end - around.start), cache::FileObject::Patience::NoWait);
    if (copied) continue;
    if (end > fault_.address) break;  // what lies ahead can wait for its own touch
    if (copied.error().code != EAGAIN) return give_up(copied.error());
    cold_ = std::static_pointer_cast<cache::FileObject>(v.object);
    cold_first_ = file_page;
    cold_last_ = file_page + 1;
    return Outcome::Later;
  }
  const VirtRange r{around.start, end};
  return filled(v, r, space_.uffd.copy(r, contents.data(), pmap::Uffd::Guard::No, pmap::Uffd::Wake::Yes), FaultCause::CopyOnWrite);
}

Service::Outcome Service::clear(vm::Vma& v) {
  const VirtRange r = fresh_run(*space_.layer, v, window(v), fault_.address);
  return filled(v, r, space_.uffd.zero(r, pmap::Uffd::Wake::Yes), FaultCause::ZeroFill);
}

Service::Outcome Service::filled(vm::Vma& v, VirtRange r, const Result<pmap::Filled>& done, FaultCause cause) {
  if (!done) return give_up(done.error());
  const VirtRange there = finish(r, *done);
  note_filled(v, there);
  installed(v, there);
  record(cause, there.size());
  return Outcome::Done;
}

Service::Outcome Service::serve_file(vm::Vma& v, cache::FileObject& file) {
  const PageIndex page = page_of(v.object_offset(fault_.address));
  const VirtRange here{fault_.address, fault_.address + kPageSize};
  if (page >= file.pages()) {
    space_.uffd.wake(here);
    return Outcome::Done;
  }
  // Sequential touches widen the window as for anonymous memory; otherwise a small block around the touch.
  VirtRange r = window(v);
  const bool cached = file.resident(page);
  const PageIndex block = asked_.empty() ? std::min<PageIndex>(cached ? kCachedBlock : kFileBlock, supervisor_.fault_around()) : 1;
  const VirtAddr base = fault_.address - bytes_of(std::min(page % block, page_of(fault_.address)));
  if (r.size() < bytes_of(block)) r = VirtRange{base, base + bytes_of(block)}.intersect(v.range);
  PageIndex first = page_of(v.object_offset(r.start));
  PageIndex last = std::min(first + r.pages(), file.pages());

  if (!cached) {
    const auto read = file.ensure(first, last, cache::FileObject::Patience::NoWait);
    if (!read) {
      if (read.error().code != EAGAIN) return give_up(read.error());
      cold_ = std::static_pointer_cast<cache::FileObject>(v.object);
      cold_first_ = first;
      cold_last_ = last;
      return Outcome::Later;
    }
    was_cold_ = true;
    stats().frames(static_cast<std::int64_t>(bytes_of(*read)));
    if (*read > 1) stats().speculation(static_cast<std::int64_t>(bytes_of(*read - 1)));
  } else {
    last = file.resident_until(page, last);
    while (first < page && file.resident_until(first, page) < page) first = file.resident_until(first, page) + 1;
  }
  const VirtAddr start = fault_.address - bytes_of(page - first);
  r = {start, start + bytes_of(last - first)};
  const auto done = space_.uffd.map_present(r, pmap::Uffd::Wake::Yes);
  if (!done) return give_up(done.error());
  r = finish(r, *done);
  installed(v, r);
  space_.mapped_pages[&file].set_range(first, first + r.pages());
  record(was_cold_ ? FaultCause::FileCold : FaultCause::FileCached, r.size());
  return Outcome::Done;
}

Service::Outcome Service::serve_shared(vm::Vma& v, frame::SharedObject& shared) {
  const std::lock_guard lock(shared.mutex);
  const PageIndex page = page_of(v.object_offset(fault_.address));
  const VirtRange around = window(v);
  const PageIndex first = page - page_of(fault_.address - around.start), last = first + around.pages();
  const bool present = shared.resident.test(page);
  const PageIndex end = present ? shared.resident.next_gap(page, last) : shared.resident.next(page, last);
  VirtRange r{fault_.address, fault_.address + bytes_of(end - page)};
  const auto done = present ? space_.uffd.map_present(r, pmap::Uffd::Wake::Yes) : space_.uffd.zero(r, pmap::Uffd::Wake::Yes);
  if (!done) return give_up(done.error());
  r = finish(r, *done);
  if (!present) {
    shared.resident.set_range(page, page + r.pages());
    stats().frames(static_cast<std::int64_t>(r.size()));
  }
  installed(v, r);
  space_.mapped_pages[&shared].set_range(page, page + r.pages());
  record(present ? FaultCause::FileCached : FaultCause::ZeroFill, r.size());
  return Outcome::Done;
}

// The program may not do this. The host is given the same view of the page, then raises the exact signal (or EFAULT) itself.
Service::Outcome Service::violation(VirtRange r, bool mapped) {
  if (patience_ == Patience::NoWait) return Outcome::Later;
  Result<void> done;
  if (mapped) {
    done = synchronise(space_, supervisor_.listener(), r, Urgency::Eager);
  } else if (space_.host.find(r.start) != nullptr) {
    HostOp op;
    op.kind = HostOp::Kind::Unmap;
    op.piece.range = r;
    done = carry_out(space_, supervisor_.listener(), {op});
  }
  if (!done) return give_up(done.error());
  space_.uffd.wake(r);
  record(FaultCause::Protection, 0);
  return Outcome::Done;
}

// A private page wholly beyond the end of its file: the host is shown the file's own store, which ends there, too.
Service::Outcome Service::beyond_end(vm::Vma& v) {
  if (patience_ == Patience::NoWait) return Outcome::Later;
  HostOp op;
  op.piece = {{fault_.address, fault_.address + kPageSize}, pmap::HostPiece::Kind::Object, v.prot,
              v.object_offset(fault_.address), v.object};
  const auto done = carry_out(space_, supervisor_.listener(), {op});
  if (!done) return give_up(done.error());
  space_.uffd.wake(op.piece.range);
  record(FaultCause::Protection, 0);
  return Outcome::Done;
}

// The page cannot be had: no memory, or an I/O error. The thread gets SIGBUS, as from the kernel.
Service::Outcome Service::give_up(const Error& error) {
  if (error.code == ESRCH) return Outcome::Done;
  stats().note("a page could not be filled: " + error.message());
  if (!space_.uffd.poison({fault_.address, fault_.address + kPageSize})) supervisor_.kill_space(space_);
  return Outcome::Done;
}

}  // namespace

Fault decode(const uffd_msg& message) {
  const auto flags = message.arg.pagefault.flags;
  return {page_down(message.arg.pagefault.address), (flags & (UFFD_PAGEFAULT_FLAG_WRITE | UFFD_PAGEFAULT_FLAG_WP)) != 0,
          (flags & UFFD_PAGEFAULT_FLAG_WP) != 0};
}

Served serve_fault(Supervisor& supervisor, Space& space, const Fault& fault, Patience patience) {
  return Service(supervisor, space, fault, patience).serve();
}

VirtAddr fill_asked(Supervisor& supervisor, Space& space, const Fault& fault, VirtRange asked) {
  Service service(supervisor, space, fault, Patience::Wait, asked);
  service.serve();
  return std::max(fault.address + kPageSize, service.filled_until());
}

void account(Space& space) {
  Bytes resident = 0;
  {
    const std::lock_guard family(space.layer->mutex());
    resident = bytes_of(space.layer->present().count());
  }
  if (resident == space.accounted) return;
  stats().frames(static_cast<std::int64_t>(resident) - static_cast<std::int64_t>(space.accounted));
  space.accounted = resident;
}

}  // namespace pagefold::kernel
