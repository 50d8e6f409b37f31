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

#include "kernel/calls.h"
#include "kernel/fault/fault.h"
#include "kernel/files/guest_rights.h"
#include "kernel/pressure/pressure.h"
#include "kernel/process/redirect.h"
#include "kernel/process/snapshot.h"
#include "kernel/sync/host_plan.h"
#include "stub/blob.h"

namespace pagefold::kernel {
namespace {

// No other thread stores into the space: its process has one, and it is the caller's.
bool runs_alone(const Space& space, pid_t caller) {
  return caller == space.pid && !space.has_several_threads();
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
Result<void> redirect(Space& parent, Space& child, unsigned index, const CloneRequest& request, const Stop& stop) {
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

  registers.r12 = stub::kAreaBase + offsetof(stub::Area, slots) + index * sizeof(stub::Slot);
  return stop.go_to(stub::kForkEntry, registers);
}

struct Fork {
  SpaceRef child;
  unsigned index = 0;  // of the parent's slot
};

// The child as a model; the parent's map stands still until end_fork(). EAGAIN, ENOMEM.
Result<Fork> begin_fork(const Call& call) {
  Space& parent = call.space();
  std::unique_lock lock(parent.mutex);
  parent.wait_for_fork(lock, static_cast<pid_t>(call.notification.pid));
  if (parent.state != Space::State::Running) return fail(EAGAIN);
  wait_for_exiting(parent);
  const bool copy = call.supervisor.fault_around() > 1 && pressure() == nullptr;
  auto child = snapshot(call.supervisor, parent, copy ? vm::Layer::Hot::Copy : vm::Layer::Hot::Leave,
                        runs_alone(parent, call.task.group));
  if (!child) {
    stats().note("fork: " + child.error().message());
    return fail(child.error().code == EMFILE ? EAGAIN : ENOMEM);
  }
  const Fork fork{*child, parent.next_slot++ % stub::kSlots};
  parent.fork_child = fork.child;
  parent.fork_caller = static_cast<pid_t>(call.notification.pid);
  account(parent);
  lock.unlock();
  call.supervisor.guests().expect_fork(parent.token, fork.index, fork.child);
  return fork;
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
  const auto made = begin_fork(call);
  if (!made) return call.fail(made.error().code);
  Space& parent = call.space();
  const auto& [child, index] = *made;
  const auto stop = stop_caller(call, [](const Call& c) { c.reply(0); });
  if (!stop) {
    call.supervisor.guests().claim_fork(parent.token, index);
    return end_fork(parent);
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

}  // namespace pagefold::kernel
