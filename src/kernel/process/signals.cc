// Signal handlers without SA_RESTART. A signal that arrives before the supervisor has received a trapped call makes the kernel
// interrupt that call; with SA_RESTART it is restarted and nobody notices, without, mmap would return EINTR. So a handler
// without SA_RESTART is installed as the stub's wrapper *with* it; the wrapper gives the calls that should show EINTR their
// EINTR (stub/signal_entry.cc) and goes on to the real handler, which is kept in the shared area. Queries are answered with what the
// program asked for.
//
// A signal that comes while a change is being made is held back by the kernel until the call returns; it must not meet the new handler
// before its caller knows the old one (bash would loop for ever). The wrapper recognises that and calls the old (stub/signal_entry.cc).
//
// The agent shares the program's signal handlers and makes the change. A vfork child shares memory but not handlers: it is
// left to itself.

#include <signal.h>
#include <sys/syscall.h>

#include "kernel/calls.h"
#include "kernel/memory/guest_memory.h"
#include "kernel/sync/host_sync.h"
#include "stub/blob.h"

namespace pagefold::kernel {
namespace {

constexpr std::uint64_t kMaskSize = 8;

bool needs_wrapper(const stub::SignalAction& action) {
  return action.handler > 1 /* SIG_DFL, SIG_IGN */ && (action.flags & SA_RESTART) == 0;
}

// Makes the host's rt_sigaction call through the agent. Space::mutex held.
Result<void> exchange(const Call& call, int signal, const stub::SignalAction* action, stub::SignalAction& old) {
  Space& space = call.space();
  PAGEFOLD_TRY(space.agent.wait_idle());
  stub::Area& area = *space.area;
  if (action != nullptr) area.action = *action;
  const std::uint64_t base = stub::kAreaBase;
  const stub::Command rt_sigaction{SYS_rt_sigaction,
                                   {static_cast<std::uint64_t>(signal), action != nullptr ? base + offsetof(stub::Area, action) : 0,
                                    base + offsetof(stub::Area, old_action), kMaskSize, 0, 0},
                                   0,
                                   0};
  PAGEFOLD_TRY(call_in_guest(space, call.supervisor.listener(), rt_sigaction));
  old = area.old_action;
  return {};
}

Result<void> change(const Call& call, int signal, const stub::SignalAction* wanted, stub::SignalAction& old) {
  Space& space = call.space();
  const std::lock_guard lock(space.mutex);
  const auto index = static_cast<std::size_t>(signal);
  const std::uint64_t previous = space.real_handlers[index];
  stub::SignalAction action{};
  if (wanted != nullptr) {
    action = *wanted;
    if (needs_wrapper(action)) {
      space.area->handlers[index] = action.handler;
      space.real_handlers[index] = action.handler;
      action.handler = stub::kSignalEntry;
      action.flags |= SA_RESTART;
    }
  }
  PAGEFOLD_CHECK(exchange(call, signal, wanted != nullptr ? &action : nullptr, old));
  // SA_RESETHAND puts the default in the wrapper's place and leaves the flags.
  const bool reset = previous != 0 && old.handler == 0 && (old.flags & SA_RESETHAND) != 0;
  if (old.handler == stub::kSignalEntry || reset) old.flags &= ~std::uint64_t{SA_RESTART};
  if (old.handler == stub::kSignalEntry) old.handler = previous;
  if (wanted != nullptr && !needs_wrapper(*wanted)) space.real_handlers[index] = 0;
  if (wanted != nullptr) {
    const auto thread = static_cast<std::uint64_t>(call.notification.pid);
    space.area->changes[thread % stub::kChanges] = {thread, call.notification.data.instruction_pointer, index, call.argument(1),
                                                    old.handler};
  }
  return {};
}

}  // namespace

void on_sigaction(const Call& call) {
  Space& space = call.space();
  const auto signal = static_cast<std::int64_t>(call.argument(0));
  const VirtAddr action_at = call.argument(1), old_at = call.argument(2);
  if (signal < 1 || signal >= std::int64_t{stub::kSignals} || call.argument(3) != kMaskSize || call.task.group != space.pid)
    return call.proceed();
  bool wrapped = false;
  {
    const std::lock_guard lock(space.mutex);
    space.area->changes[call.notification.pid % stub::kChanges] = {};  // the thread has gone on from its last change
    wrapped = space.real_handlers[static_cast<std::size_t>(signal)] != 0;
  }
  stub::SignalAction action{}, old{};
  if (action_at != 0 && !read_guest(space, action_at, &action, sizeof action)) return call.fail(EFAULT);
  if (!wrapped && (action_at == 0 || !needs_wrapper(action))) return call.proceed();
  const auto done = change(call, static_cast<int>(signal), action_at != 0 ? &action : nullptr, old);
  if (!done) return call.fail(done.error().code);
  if (old_at != 0 && !write_guest(space, old_at, &old, sizeof old)) return call.fail(EFAULT);
  call.reply(0);
}

}  // namespace pagefold::kernel
