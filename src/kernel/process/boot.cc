// What a new process tells from the stub, after an exec as after a fork, until the program runs: it receives descriptors, hands its
// userfaultfd over, carries out the host operations that lay its address space, and starts its agent.

#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/calls.h"
#include "kernel/fault/fault.h"
#include "kernel/sync/hand_over.h"
#include "kernel/sync/host_sync.h"

namespace pagefold::kernel {
namespace {

Result<void> restore_patch(const Space& space) {
  if (space.patched_bytes.empty()) return {};
  const auto length = static_cast<ssize_t>(space.patched_bytes.size());
  if (::pwrite(space.memory.get(), space.patched_bytes.data(), space.patched_bytes.size(), static_cast<off_t>(space.patched_at)) != length)
    return fail_errno("restore the entry point");
  return {};
}

// After an exec: the background, then what is mapped. A fork child comes with its list.
std::vector<HostOp> operations_after_exec(Space& space) {
  std::vector<HostOp> ops;
  for (const VirtRange b : space.background) {
    HostOp op;
    op.piece = {b, pmap::HostPiece::Kind::Layer, vm::kRead | vm::kWrite, b.start, nullptr};
    space.host.set(op.piece);
    ops.push_back(std::move(op));
  }
  for (auto& op : plan(space, {0, kUserTop}, Urgency::Eager)) ops.push_back(std::move(op));
  return ops;
}

// Answers with the next operations that the process shall carry out.
void reply_with_next(const Call& call, Space& space) {
  const auto count = stage(space, call.supervisor.listener(), call.notification.id, space.boot_ops, space.boot_at);
  count ? call.reply(static_cast<std::int64_t>(*count)) : call.fail(count.error().code);
}

// All operations have been carried out: the host's mappings are the model's.
Result<void> host_is_laid(Space& space) {
  note(space, space.boot_ops);
  Result<void> done = restore_patch(space);
  space.host.visit({0, kUserTop}, [&](const pmap::HostPiece& piece) {
    if (done) done = register_piece(space, piece);
  });
  return done;
}

}  // namespace

void on_hello(const Call& call) {
  Space& space = call.space();
  if (space.state != Space::State::Booting) return call.fail(ENOSYS);
  const Listener& listener = call.supervisor.listener();
  const auto id = call.notification.id;
  const auto text = listener.add_fd(id, call.supervisor.stub_fd());
  const auto store = listener.add_fd(id, space.store->fd());
  const auto device = listener.add_fd(id, call.supervisor.fault_device());
  if (!text || !store || !device) return call.fail(EMFILE);
  call.reply(*text | std::int64_t{*store} << stub::kPackBits | std::int64_t{*device} << (2 * stub::kPackBits));
}

void on_uffd(const Call& call) {
  Space& space = call.space();
  const std::lock_guard lock(space.mutex);
  if (space.state != Space::State::Booting || space.uffd) return call.fail(ENOSYS);
  UniqueFd fd(static_cast<int>(::syscall(SYS_pidfd_getfd, space.pidfd.get(), static_cast<int>(call.argument(0)), 0)));
  if (!fd) return call.fail(errno);
  auto uffd = pmap::Uffd::adopt(std::move(fd));
  if (!uffd) return call.fail(uffd.error().code);
  space.uffd = std::move(*uffd);
  space.new_program = space.boot_ops.empty();
  if (space.new_program) space.boot_ops = operations_after_exec(space);
  reply_with_next(call, space);
}

void on_ready(const Call& call) {
  Space& space = call.space();
  {
    const std::lock_guard lock(space.mutex);
    if (space.state != Space::State::Booting || !space.uffd) return call.fail(ENOSYS);
    if (space.boot_at < space.boot_ops.size()) return reply_with_next(call, space);
    if (const auto done = host_is_laid(space); !done) {
      stats().note("start of a guest: " + done.error().message());
      return call.fail(done.error().code);
    }
    // A file given up while the process was booting: the host's turn, before the program sees it.
    space.boot_ops = hand_over_shared(space);
    space.boot_at = 0;
    if (!space.boot_ops.empty()) return reply_with_next(call, space);
    if (const auto done = call.supervisor.watch_faults(call.task.space); !done) return call.fail(done.error().code);
    space.state = Space::State::Running;
    if (std::exchange(space.new_program, false)) put_in_history(call.supervisor, space);
#ifdef PAGEFOLD_CHECKS
    space.check_invariants();
#endif
  }
  call.supervisor.guests().exec_ends(call.task.group);
  call.reply(0);
}

void on_agent_next(const Call& call) {
  const SpaceRef space = call.supervisor.guests().space_by_token(call.argument(0));
  if (!space) return call.fail(ENOSYS);
  if (!space->agent.arrived(static_cast<pid_t>(call.notification.pid), call.notification.id)) call.fail(EPERM);
}

}  // namespace pagefold::kernel
