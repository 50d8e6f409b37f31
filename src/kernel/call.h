// One system call of a guest, waiting for its answer. A handler gives exactly one of reply, fail, proceed.
#pragma once

#include "kernel/supervisor.h"

namespace pagefold::kernel {

struct Call {
  Supervisor& supervisor;
  const seccomp_notif& notification;
  Task task;
  // A failure on demand: a transfer ends after so many bytes (failures.h).
  Bytes most = kUnlimited;

  static constexpr Bytes kUnlimited = ~Bytes{0};

  [[nodiscard]] std::uint64_t argument(unsigned i) const { return notification.data.args[i]; }
  [[nodiscard]] Space& space() const { return *task.space; }
  void reply(std::int64_t value) const { supervisor.listener().reply(notification.id, value); }
  void reply_address(VirtAddr value) const { reply(static_cast<std::int64_t>(value)); }
  void fail(int error) const { supervisor.listener().fail(notification.id, error); }
  void proceed() const { supervisor.listener().proceed(notification.id); }
  // The usual end: 0, or the error's errno.
  void finish(const Result<void>& result) const { result ? reply(0) : fail(result.error().code); }
};

}  // namespace pagefold::kernel
