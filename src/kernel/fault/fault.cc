// What is it? A fault is classified here: no mapping, a forbidden access, a host mapping that lags behind the model, or
// a page to be had (fault_private.cc, fault_object.cc).
#include "kernel/fault/fault.h"

#include <sys/resource.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "base/scratch.h"
#include "kernel/fail/failures.h"
#include "kernel/fault/fault_service.h"
#include "kernel/sync/host_sync.h"
#include "kernel/memory/mm_limits.h"
#include "kernel/files/own_files.h"

namespace pagefold::kernel {
namespace {

// Pages filled in one step when a program asks for a range.
constexpr PageIndex kPopulateStep = 256;
// A stack keeps this distance from the mapping below it.
constexpr Bytes kStackGuard = 256 * kPageSize;
// Copies that one store may cost under a memory limit.
constexpr PageIndex kMostHeirs = 1024;
// One page is read so often at most.
constexpr int kMostReadsInVain = 500;

}  // namespace

Served FaultService::serve() {
  const Served served = serve_once_possible();
  if (!wake_.empty()) space_.uffd.wake(wake_);
  return served;
}

Served FaultService::serve_once_possible() {
  Room room;
  for (;;) {
    // Room comes first: to make some, others' locks may have to be taken, and this space's own.
    if (pressure() != nullptr && !std::exchange(fetching_, false)) {
      const auto asked = room.ask(need_, wish(), patience_ == Patience::NoWait ? reclaim::Patience::NoWait : reclaim::Patience::Wait);
      if (!asked) {
        if (asked.error().code == EAGAIN) return Served::Later;
        out_of_memory(supervisor_, space_);
        return Served::Yes;
      }
      room_ = room.pages();
    }
    std::unique_lock lock(space_.mutex, std::defer_lock);
    if (patience_ == Patience::NoWait) {
      if (!try_lock(lock)) return Served::Later;
    } else {
      lock.lock();
    }
    Outcome outcome = attempt();
    if (refused_) outcome = refuse();
    account(space_);
    if (raise_) {
      lock.unlock();
      room.give_back();
      raise();
      return Served::Yes;
    }
    if (outcome == Outcome::Done) return Served::Yes;
    if (fetching_) {
      lock.unlock();
      contents_ = scratch(bytes_of(found_.pages()));
      fetched_ = space_.swapped->fetch(found_, contents_);
      continue;
    }
    if (outcome == Outcome::Later && patience_ == Patience::NoWait) return Served::Later;
    lock.unlock();
    if (must_suffer()) {  // which may take long; then room is asked for anew
      room.give_back();
      if (!suffer()) return Served::Yes;
      continue;
    }
    if (changing_) {
      const auto file = std::exchange(changing_, nullptr);
      OwnFiles& files = *supervisor_.own_files();
      switch (before_) {
        case Before::WriteBack: as_it_is_ = !files.write_back(*file, changing_page_, changing_page_ + 1); break;
        case Before::Expel: files.expel(*file, changing_page_, changing_page_ + 1); break;
        case Before::CloseOthers:
          if (!code_) code_ = std::make_shared<event::CodeSnapshot>(fault_.thread != 0 ? snapshot(space_, fault_.thread) : event::CodeSnapshot{});
          files.order()->close_others();
          break;
      }
    }
    if (cold_) {
      // What was read is evicted again before it can be mapped: nothing else can go.
      if (pressure() != nullptr && ++reads_in_vain_ > kMostReadsInVain) {
        out_of_memory(supervisor_, space_);
        return Served::Yes;
      }
      const auto file = std::exchange(cold_, nullptr);
      was_cold_ = true;
      const auto read = file->ensure(cold_first_, cold_last_, cache::FileObject::Patience::Wait);
      if (read)
        stats().frames(static_cast<std::int64_t>(bytes_of(*read)));
      else
        failed_to_read(cold_last_ - cold_first_, read.error());
    }
  }
}

// An eviction lets go within microseconds; who else holds the lock may take longer.
bool FaultService::try_lock(std::unique_lock<std::mutex>& lock) const {
  constexpr int kTries = 400;
  for (int i = 0; !lock.try_lock(); ++i) {
    if (!space_.evicting || i == kTries) return false;
    std::this_thread::yield();
  }
  return true;
}

PageIndex FaultService::wish() const {
  if (pressure() == nullptr) return need_;
  return asked_.empty() ? supervisor_.fault_around() : std::min<PageIndex>(kPopulateStep, asked_.pages());
}

FaultService::Outcome FaultService::attempt() {
  walk_ = nullptr;
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

// Something must be done that wants other spaces' locks.
FaultService::Outcome FaultService::first(Before what, const vm::Vma& v, PageIndex page) {
  before_ = what;
  changing_ = std::static_pointer_cast<cache::FullFile>(v.object);
  changing_page_ = page;
  return Outcome::Later;
}

vm::Vma* FaultService::grow_stack() {
  vm::Vma* above = space_.map.find_from(fault_.address);
  if (above == nullptr || !above->grows_down) return nullptr;
  const VirtAddr top = above->tag == vm::Tag::Stack ? space_.stack_top : above->range.end;
  if (exceeds_limit(space_, RLIMIT_STACK, top - fault_.address)) return nullptr;
  const VirtRange wanted_range{fault_.address, above->range.start};
  const VirtAddr guard = fault_.address > kStackGuard ? fault_.address - kStackGuard : 0;
  if (!space_.map.is_free({guard, wanted_range.end}) || !space_.in_background(wanted_range)) return nullptr;
  return &space_.map.grow_down(*above, fault_.address);
}

VirtRange FaultService::in_step(const vm::Vma& v) const {
  const pmap::HostPiece* have = space_.host.find(fault_.address);
  return have == nullptr ? v.range : v.range.intersect(have->range);
}

VirtRange FaultService::window(vm::Vma& v, PageIndex before) {
  const VirtRange here = in_step(v);
  if (!asked_.empty())
    return within_room(VirtRange{fault_.address, fault_.address + bytes_of(kPopulateStep)}.intersect(here).intersect(asked_));
  walk_ = &v.around.touch(page_of(fault_.address), before, supervisor_.fault_around());
  const Bytes span = bytes_of(walk_->window);
  if (v.grows_down) {
    const VirtAddr end = fault_.address + kPageSize;
    const Bytes most = std::min(span, room_ > page_of(span) ? span : bytes_of(room_));
    return {std::max(here.start, end > most ? end - most : 0), end};
  }
  return within_room({std::max(here.start, fault_.address - bytes_of(walk_->skipped)), std::min(here.end, fault_.address + span)});
}

// The program may not do this. The host is given the same view of the page, then raises the exact signal (or EFAULT)
// itself.
FaultService::Outcome FaultService::violation(VirtRange r, bool mapped) {
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
FaultService::Outcome FaultService::beyond_end(vm::Vma& v) {
  if (patience_ == Patience::NoWait) return Outcome::Later;
  HostOp op;
  op.piece = {{fault_.address, fault_.address + kPageSize},
              pmap::HostPiece::Kind::Object,
              v.prot,
              v.object_offset(fault_.address),
              v.object};
  const auto done = carry_out(space_, supervisor_.listener(), {op});
  if (!done) return give_up(done.error());
  space_.uffd.wake(op.piece.range);
  record(FaultCause::Protection, 0);
  return Outcome::Done;
}

// The page cannot be had: no memory, or an I/O error. The touch is refused when the locks below Space::mutex have been let go.
FaultService::Outcome FaultService::give_up(const Error& error) {
  if (error.code == ESRCH) return Outcome::Done;
  if (pressure() != nullptr && error.code == ENOMEM) return want_more_room(error);
  refused_ = error;
  return Outcome::Done;
}

// What lies around can be what could not be read: the touched page is tried alone before the touch is refused.
void FaultService::failed_to_read(PageIndex pages, const Error& why) {
  if (pages == 1) unreadable_ = why;
  alone_ = true;
}

// The file must be read, which may take long: without the locks, before the next attempt.
FaultService::Outcome FaultService::wait_for_file(const vm::Vma& v, PageIndex first, PageIndex last) {
  if (unreadable_) return give_up(*unreadable_);
  cold_ = std::static_pointer_cast<cache::FileObject>(v.object);
  cold_first_ = first;
  cold_last_ = last;
  return Outcome::Later;
}

// Heirs need copies of a page, and there was no room for all. A child that has it all may hold many pages of it, so ask for
// more and more.
FaultService::Outcome FaultService::want_more_room(const Error& error) {
  const PageIndex most = std::min<PageIndex>(kMostHeirs, pressure()->reclaimer().limit().most() / 2);
  if (need_ < most) {
    need_ = std::min(need_ * 2, most);
    return Outcome::Later;
  }
  stats().note("a page could not be filled: " + error.message());
  supervisor_.kill_space(space_);
  return Outcome::Done;
}

Fault decode(const uffd_msg& message) {
  const auto flags = message.arg.pagefault.flags;
  return {page_down(message.arg.pagefault.address), (flags & (UFFD_PAGEFAULT_FLAG_WRITE | UFFD_PAGEFAULT_FLAG_WP)) != 0,
          (flags & UFFD_PAGEFAULT_FLAG_WP) != 0, static_cast<pid_t>(message.arg.pagefault.feat.ptid)};
}

Served serve_fault(Supervisor& supervisor, Space& space, const Fault& fault, Patience patience) {
  return FaultService(supervisor, space, fault, patience).serve();
}

VirtAddr fill_asked(Supervisor& supervisor, Space& space, const Fault& fault, VirtRange asked) {
  FaultService service(supervisor, space, fault, Patience::Wait, asked);
  service.serve();
  return std::max(fault.address + kPageSize, service.filled_until());
}

void account(Space& space) {
  Bytes resident = 0;
  {
    const std::lock_guard family(space.layer->mutex());
    resident = bytes_of(space.layer->present().count() - space.layer->frames().out());
  }
  if (resident == space.accounted) return;
  stats().frames(static_cast<std::int64_t>(resident) - static_cast<std::int64_t>(space.accounted));
  space.accounted = resident;
}

}  // namespace pagefold::kernel
