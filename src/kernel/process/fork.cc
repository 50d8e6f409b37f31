// fork: the child gets a Space that inherits everything, without a page copied (vm/layer.h). The calling thread is redirected
// into the stub, which makes the host's clone call there; the child wakes up in the stub, on memory that is still its
// parent's, touches none of it, and first builds its own. From snapshot until then the parent's map stands still
// (Space::fork_child); its faults go on.
//
// Traps (docs/architecture.md): CLONE_CHILD_SETTID and rseq make the kernel write into the child's memory before it has its
// own, so the flag is carried out by the stub, and rseq is unregistered around the call.

#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "kernel/calls.h"
#include "kernel/fault/fault.h"
#include "kernel/files/guest_rights.h"
#include "kernel/process/host_proc.h"
#include "kernel/sync/host_sync.h"
#include "kernel/memory/mm_limits.h"
#include "kernel/files/own_files.h"
#include "kernel/pressure/pressure.h"
#include "kernel/process/redirect.h"
#include "stub/blob.h"

namespace pagefold::kernel {
namespace {

constexpr std::uint64_t kAllSignals = ~std::uint64_t{0};

// Pages that the kernel stores to when a thread that is ending is gone cannot be guarded (on_thread_exit): the child gets copies
// at once. Family lock held.
Result<vm::PageSet> give_kept_pages(Space& parent) {
  vm::PageSet kept;
  vm::Layer& layer = *parent.layer;
  for (const Space::Exiting& thread : parent.exiting) {
    const vm::Vma* v = parent.map.find(thread.kept.start);
    if (v == nullptr || !v->layered) continue;
    const PageIndex first = v->layer_page(thread.kept.start), last = first + thread.kept.intersect(v->range).pages();
    for (PageIndex page = layer.present().next(first, last); page < last; page = layer.present().next(page + 1, last)) {
      if (layer.guarded().test(page)) continue;
      PAGEFOLD_TRY(layer.push(page));
      kept.set(page);
    }
  }
  return kept;
}

// Stores to pages that the child inherits must be seen from now on.
Result<void> guard_pages(Space& space) {
  vm::Layer& layer = *space.layer;
  const vm::PageSet kept = PAGEFOLD_TRY(give_kept_pages(space));
  Result<void> done;
  space.host.visit({0, kUserTop}, [&](const pmap::HostPiece& piece) {
    if (piece.kind != pmap::HostPiece::Kind::Layer) return;
    const PageIndex first = page_of(piece.offset), last = first + piece.range.pages();
    for (PageIndex page = layer.present().next(first, last); page < last && done; page = layer.present().next(page, last)) {
      if (layer.guarded().test(page) || layer.given().test(page) || kept.test(page)) {
        ++page;
        continue;
      }
      const PageIndex end = std::min({layer.present().next_gap(page, last), layer.guarded().next(page, last),
                                      layer.given().next(page, last), kept.next(page, last)});
      const VirtAddr start = piece.range.start + bytes_of(page - first);
      done = space.uffd.write_protect({start, start + bytes_of(end - page)});
      layer.guard(page, end);
      page = end;
    }
  });
  return done;
}

// Pages of which the child got copies at once are nobody's but the parent's now.
Result<void> release_given(Space& space) {
  vm::Layer& layer = *space.layer;
  Result<void> done;
  space.host.visit({0, kUserTop}, [&](const pmap::HostPiece& piece) {
    if (piece.kind != pmap::HostPiece::Kind::Layer) return;
    const PageIndex first = page_of(piece.offset);
    layer.given().for_each_run(first, first + piece.range.pages(), [&](PageIndex from, PageIndex to) {
      const VirtAddr start = piece.range.start + bytes_of(from - first);
      layer.frames().stay(from, to);
      if (done) done = space.uffd.allow_writes({start, start + bytes_of(to - from)});
    });
  });
  layer.given().for_each_run(0, ~PageIndex{0}, [&](PageIndex from, PageIndex to) {
    for (PageIndex page = from; page < to; ++page) layer.unguard(page);
  });
  return done;
}

// No other thread stores into the space: its process has one, and it is the caller's.
bool runs_alone(const Space& space, pid_t caller) {
  return caller == space.pid && !space.has_several_threads();
}

// Pages of a layered mapping may be stored to again, at once: heirs get their copies.
void release_guards(Space& space, VirtRange r) {
  const vm::Vma* v = space.map.find(r.start);
  if (v == nullptr || !v->layered) return;
  r = r.intersect(v->range);
  const std::lock_guard family(space.layer->mutex());
  vm::Layer& layer = *space.layer;
  const PageIndex first = v->layer_page(r.start), last = first + r.pages();
  for (PageIndex page = layer.guarded().next(first, last); page < last; page = layer.guarded().next(page + 1, last)) {
    if (!layer.push(page)) return;
    layer.unguard(page);
    const VirtAddr at = r.start + bytes_of(page - first);
    (void)space.uffd.allow_writes({at, at + kPageSize});
  }
  if (pressure() == nullptr) return;
  // Evictions hold stores back as well.
  layer.present().for_each_run(first, last, [&](PageIndex from, PageIndex to) {
    layer.frames().stay(from, to);
    for (PageIndex page = from; page < to; ++page) {
      const VirtAddr at = r.start + bytes_of(page - first);
      if (!layer.mirrors().test(page)) (void)space.uffd.allow_writes({at, at + kPageSize});
    }
  });
}

// Lets threads that were on their way out (on_thread_exit) be gone before their pages are guarded. Space::mutex held.
void wait_for_exiting(Space& space) {
  constexpr int kTries = 20;  // of 10 us: a thread needs a few microseconds; for one that takes longer pages are copied
  space.forget_exited();
  for (int i = 0; i < kTries && !space.exiting.empty(); ++i) {
    ::usleep(10);
    space.forget_exited();
  }
}

// The child's Space, its parent guarded. Space::mutex of the parent held.
//
// Stores of other threads go on meanwhile, and the child must not see a later one without an earlier one: lists would be torn. So
// no page may be copied before all are guarded; a store then waits for the mutex. alone: there is no other thread.
Result<SpaceRef> snapshot(Supervisor& supervisor, Space& parent, vm::Layer::Hot hot, bool alone) {
  SpaceRef child = PAGEFOLD_TRY(Space::create(0));
  std::vector<std::shared_ptr<vm::Layer>> dropped;  // outlives the lock
  {
    const std::lock_guard family(parent.layer->mutex());
    PAGEFOLD_CHECK(parent.layer->drop_mirrors(0, page_of(~VirtAddr{0})));
    if (!alone) {
      parent.layer->forget_given();
      PAGEFOLD_CHECK(guard_pages(parent));
    }
    child->layer = vm::Layer::fork(parent.layer, child->frames(), hot, dropped);
    if (Pressure* limit = pressure()) limit->adopt(supervisor, child);
    PAGEFOLD_CHECK(guard_pages(parent));
    if (!alone) PAGEFOLD_CHECK(release_given(parent));
  }
  child->map.set_placement(parent.map.placement());
  child->host = parent.host;
  child->background = parent.background;
  child->lent = parent.lent;
  child->next_spare_layer = parent.next_spare_layer;
  child->brk_start = parent.brk_start;
  child->brk = parent.brk;
  child->stack_top = parent.stack_top;
  child->program = parent.program;
  child->limits[0] = memory_limits(parent, parent.pid);  // its process id is not known yet
  child->real_handlers = parent.real_handlers;
  for (std::size_t signal = 0; signal < stub::kSignals; ++signal) child->area->handlers[signal] = parent.real_handlers[signal];
  const std::lock_guard family(child->layer->mutex());
  for (const auto& [start, original] : parent.map.all()) {
    vm::Vma v = original;
    if (v.layered && (v.dont_fork || v.wipe_on_fork))
      PAGEFOLD_CHECK(child->layer->discard(page_of(v.layer), page_of(v.layer + v.range.size())));
    if (v.dont_fork) {
      child->reclaim_layer(v);
      continue;
    }
    v.set_locked(false);
    child->map.insert(std::move(v));
  }
  return child;
}

// What the child's thread must do on the host: its own store in place of its parent's, then what fork leaves out.
std::vector<HostOp> child_operations(Space& child) {
  std::vector<HostOp> ops;
  child.host.visit({0, kUserTop}, [&](const pmap::HostPiece& piece) {
    if (piece.kind != pmap::HostPiece::Kind::Layer) return;
    HostOp op;
    op.piece = piece;
    ops.push_back(std::move(op));
  });
  for (auto& op : plan(child, {0, kUserTop}, Urgency::Lazy)) ops.push_back(std::move(op));
  return ops;
}

void end_fork(Space& parent) {
  const std::lock_guard lock(parent.mutex);
  parent.fork_child.reset();
  parent.fork_done.notify_all();
}

struct CloneRequest {
  bool is_clone;
  std::uint64_t flags, stack, parent_tid, child_tid, tls;
};

CloneRequest request_of(const Call& call) {
  if (call.notification.data.nr == SYS_fork) return {false, SIGCHLD, 0, 0, 0, 0};
  return {true, call.argument(0), call.argument(1), call.argument(2), call.argument(3), call.argument(4)};
}

bool writable_word(Space& space, VirtAddr address) {
  const vm::Vma* v = space.map.find(address);
  return v != nullptr && v->writable() && v->range.contains(address + 3);
}

// Fills the parent's slot and the child's boot slot and sends the stopped thread on its way.
Result<void> redirect(Space& parent, Space& child, unsigned index, const CloneRequest& request, Stop& stop) {
  user_regs_struct registers = PAGEFOLD_TRY(stop.registers());
  const std::uint64_t mask = PAGEFOLD_TRY(stop.signal_mask());
  const Stop::RseqArea rseq = stop.rseq();

  stub::Slot slot{};
  slot.registers = to_stub(registers);
  slot.signal_mask = mask;
  slot.clone_number = SYS_clone;
  slot.clone_arguments[0] = request.flags & ~std::uint64_t{CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID};
  slot.clone_arguments[2] = request.parent_tid;
  slot.clone_arguments[4] = request.tls;
  slot.rseq = rseq.address;
  slot.rseq_size = rseq.size;
  slot.rseq_signature = rseq.signature;
  slot.index = index;

  stub::Slot boot = slot;
  boot.registers.rax = 0;
  if (request.stack != 0) boot.registers.rsp = request.stack;
  {
    const std::lock_guard lock(parent.mutex);
    if ((request.flags & CLONE_CHILD_SETTID) != 0 && writable_word(parent, request.child_tid)) boot.child_tid_write = request.child_tid;
    if ((request.flags & CLONE_CHILD_CLEARTID) != 0) boot.child_tid_clear = request.child_tid;
  }
  parent.area->slots[index] = slot;
  child.area->boot = boot;
  child.area->want_agent = 1;

  registers.rip = stub::kForkEntry;
  registers.r12 = stub::kAreaBase + offsetof(stub::Area, slots) + index * sizeof(stub::Slot);
  registers.orig_rax = ~0ULL;
  PAGEFOLD_CHECK(stop.set_signal_mask(kAllSignals));
  return stop.set_registers(registers);
}

}  // namespace

void on_clone(const Call& call) {
  const CloneRequest request = request_of(call);
  if ((request.flags & CLONE_NEWUSER) != 0) expect_user_namespaces();
  if ((request.flags & CLONE_VM) != 0) {
    if ((request.flags & CLONE_VFORK) == 0) {
      const std::lock_guard lock(call.space().mutex);
      call.space().lent_to_processes = true;
    }
    return call.proceed();
  }
  if (filter_forbids_new_processes(call)) return call.fail(EPERM);
  Space& parent = call.space();
  SpaceRef child;
  unsigned index = 0;
  {
    std::unique_lock lock(parent.mutex);
    parent.wait_for_fork(lock, static_cast<pid_t>(call.notification.pid));
    if (parent.state != Space::State::Running) return call.fail(EAGAIN);
    wait_for_exiting(parent);
    const bool copy = call.supervisor.fault_around() > 1 && pressure() == nullptr;
    auto made = snapshot(call.supervisor, parent, copy ? vm::Layer::Hot::Copy : vm::Layer::Hot::Leave,
                         runs_alone(parent, call.task.group));
    if (!made) {
      stats().note("fork: " + made.error().message());
      return call.fail(made.error().code == EMFILE ? EAGAIN : ENOMEM);
    }
    child = std::move(*made);
    parent.fork_child = child;
    parent.fork_caller = static_cast<pid_t>(call.notification.pid);
    index = parent.next_slot++ % stub::kSlots;
    account(parent);
  }
  call.supervisor.guests().expect_fork(parent.token, index, child);
  call.supervisor.about_to_wait();
  bool released = false;
  auto stop = Stop::on_return(static_cast<pid_t>(call.notification.pid), [&] {
    call.reply(0);
    released = true;
  });
  if (!stop) {
    call.supervisor.guests().claim_fork(parent.token, index);
    end_fork(parent);
    if (!released) call.fail(EAGAIN);
    return;
  }
  if (const auto done = redirect(parent, *child, index, request, *stop); !done) {
    call.supervisor.guests().claim_fork(parent.token, index);
    end_fork(parent);
    stats().note("fork: " + done.error().message());
    ::kill(call.task.group, SIGKILL);
  }
}

void on_forked(const Call& call) {
  const SpaceRef child = call.supervisor.guests().claim_fork(call.argument(1), static_cast<unsigned>(call.argument(0)));
  if (!child) return call.fail(ENOSYS);
  const auto pid = static_cast<pid_t>(call.notification.pid);
  child->pid = pid;
  child->limits = {{pid, child->limits.at(0)}};
  child->pidfd.reset(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  child->memory = open_memory(pid);
  const bool alive = child->pidfd && child->memory;
  if (alive) {
    child->boot_ops = child_operations(*child);
    call.supervisor.add_space(child, pid);
  }
  // The parent may have ended or exec'ed already.
  if (const SpaceRef parent = call.supervisor.guests().space_by_token(call.argument(1))) end_fork(*parent);
  if (!alive) return call.fail(ESRCH);
  const Listener& listener = call.supervisor.listener();
  const auto store = listener.add_fd(call.notification.id, child->store->fd());
  const auto device = listener.add_fd(call.notification.id, call.supervisor.fault_device());
  if (!store || !device) return call.fail(EMFILE);
  call.reply(*store | std::int64_t{*store} << stub::kPackBits | std::int64_t{*device} << (2 * stub::kPackBits));
}

void on_fork_failed(const Call& call) {
  call.supervisor.guests().claim_fork(call.space().token, static_cast<unsigned>(call.argument(0)));
  end_fork(call.space());
  call.reply(0);
}

void on_agent_next(const Call& call) {
  const SpaceRef space = call.supervisor.guests().space_by_token(call.argument(0));
  if (!space) return call.fail(ENOSYS);
  if (!space->agent.arrived(static_cast<pid_t>(call.notification.pid), call.notification.id)) call.fail(EPERM);
}

// Whoever waits for this process may count on its memory being gone: the agent, which shares it, ends first.
void on_exit_group(const Call& call) {
  if (call.task.group == call.space().pid && call.supervisor.guests().is_alone(call.task)) {
    call.space().agent.await_arrival();
    call.supervisor.end_agent(call.space(), Supervisor::Wait::Yes);
    if (OwnFiles* files = call.supervisor.own_files()) {
      {
        const std::lock_guard lock(call.space().mutex);
        OwnFiles::leave(call.space());
      }
      files->settle();
    }
  }
  call.proceed();
}

namespace {

// Pages that have a frame but are watched (reclaim/reclaimer.h), and so not in the page tables.
void map_present_pages(Space& space, VirtRange r) {
  const vm::Vma* v = space.map.find(r.start);
  if (v == nullptr || !v->layered) return;
  r = r.intersect(v->range);
  const std::lock_guard family(space.layer->mutex());
  const PageIndex first = v->layer_page(r.start);
  space.layer->present().for_each_run(first, first + r.pages(), [&](PageIndex from, PageIndex to) {
    if (space.layer->frames().next_out(from, to) != to) return;
    const VirtAddr at = r.start + bytes_of(from - first);
    (void)space.uffd.map_present({at, at + bytes_of(to - from)}, pmap::Uffd::Wake::Yes);
  });
}

// As far above the stack pointer of an ending thread as its id may lie: thread-local storage is in between.
constexpr Bytes kStackToThreadId = Bytes{2} << 20;

void keep_for_exit(const Call& call, VirtAddr stack) {
  Space& space = call.space();
  VirtRange kept{page_down(stack), page_down(stack)};
  {
    const std::lock_guard lock(space.mutex);
    if (const vm::Vma* v = space.map.find(stack); v != nullptr && v->layered) kept.end = std::min(v->range.end, kept.start + kStackToThreadId);
    space.forget_exited();  // so that the list stays short where nobody forks
    space.exiting.push_back({call.task.group, static_cast<pid_t>(call.notification.pid), kept});
  }
  // From here on no page there is evicted; those that are out come back.
  if (pressure() != nullptr) (void)populate(call.supervisor, space, kept, Purpose::Restore);
  const std::lock_guard lock(space.mutex);
  release_guards(space, kept);
  if (pressure() != nullptr) map_present_pages(space, kept);
}

}  // namespace

// When a thread ends, the kernel clears its id in memory and wakes who joins it - but it does not wait for a page fault there
// (handle_userfault() refuses exiting threads). So the page, which lies above the stack pointer in glibc and musl, must not be
// guarded, and no fork may guard it again until the thread is gone.
void on_thread_exit(const Call& call) {
  const auto tid = static_cast<pid_t>(call.notification.pid);
  if (const auto stack = host_stack_pointer(tid)) keep_for_exit(call, *stack);
  call.supervisor.guests().forget_thread(tid);
  call.proceed();
}

}  // namespace pagefold::kernel
