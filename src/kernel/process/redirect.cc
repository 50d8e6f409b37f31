#include "kernel/process/redirect.h"

#include <fmt/format.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include <cstring>

#include "stub/blob.h"

namespace pagefold::kernel {
namespace {

constexpr long kMaskSize = 8;

template <class T>
void* as_pointer(T value) {
  return reinterpret_cast<void*>(static_cast<std::uintptr_t>(value));
}

}  // namespace

stub::Registers to_stub(const user_regs_struct& r) {
  return {r.r15, r.r14, r.r13, r.r12, r.rbp, r.rbx, r.r11, r.r10,    r.r9, r.r8,
          r.rax, r.rcx, r.rdx, r.rsi, r.rdi, r.rsp, r.eflags, r.rip};
}

Result<void> Stop::seize(pid_t tid) {
  if (::ptrace(PTRACE_SEIZE, tid, nullptr, as_pointer(PTRACE_O_TRACEEXEC)) != 0) return fail_errno(fmt::format("ptrace seize {}", tid));
  if (::ptrace(PTRACE_INTERRUPT, tid, nullptr, nullptr) != 0) return fail_errno(fmt::format("ptrace interrupt {}", tid));
  return {};
}

Result<Stop> Stop::wait(pid_t tid) {
  for (;;) {
    int status = 0;
    const pid_t who = ::waitpid(-1, &status, __WALL | __WNOTHREAD);
    if (who < 0 && errno == EINTR) continue;
    if (who < 0) return fail(ESRCH, fmt::format("thread {} ended", tid));
    if (WIFSTOPPED(status)) return Stop(who);
    // A thread that was replaced by an execve elsewhere in its group reports its end here, too.
    if (who == tid) return fail(ESRCH, fmt::format("thread {} ended", tid));
  }
}

Result<user_regs_struct> Stop::registers() const {
  user_regs_struct registers{};
  if (::ptrace(PTRACE_GETREGS, tid_, nullptr, &registers) != 0) return fail_errno("ptrace getregs");
  return registers;
}

Result<void> Stop::set_registers(const user_regs_struct& registers) const {
  if (::ptrace(PTRACE_SETREGS, tid_, nullptr, &registers) != 0) return fail_errno("ptrace setregs");
  return {};
}

Result<std::uint64_t> Stop::signal_mask() const {
  std::uint64_t mask = 0;
  if (::ptrace(PTRACE_GETSIGMASK, tid_, kMaskSize, &mask) != 0)
    return fail_errno("ptrace getsigmask");
  return mask;
}

Result<void> Stop::set_signal_mask(std::uint64_t mask) const {
  if (::ptrace(PTRACE_SETSIGMASK, tid_, kMaskSize, &mask) != 0)
    return fail_errno("ptrace setsigmask");
  return {};
}

Result<std::int64_t> Stop::call(std::uint64_t number, std::uint64_t a, std::uint64_t b, std::uint64_t c) const {
  const user_regs_struct saved = PAGEFOLD_TRY(registers());
  const std::uint64_t mask = PAGEFOLD_TRY(signal_mask());
  user_regs_struct there = saved;
  there.rax = number;
  there.rdi = a;
  there.rsi = b;
  there.rdx = c;
  PAGEFOLD_CHECK(go_to(stub::kSystemCall, there));
  do {  // more than once if a stop by SIGSTOP comes first
    int status = 0;
    if (::ptrace(PTRACE_SINGLESTEP, tid_, nullptr, nullptr) != 0) return fail_errno("ptrace step");
    while (::waitpid(tid_, &status, __WALL | __WNOTHREAD) < 0 && errno == EINTR) {
    }
    if (!WIFSTOPPED(status)) return fail(ESRCH, fmt::format("thread {} ended", tid_));
    there = PAGEFOLD_TRY(registers());
  } while (there.rip == stub::kSystemCall);
  user_regs_struct back = saved;
  back.orig_rax = ~0ULL;
  PAGEFOLD_CHECK(set_registers(back));
  PAGEFOLD_CHECK(set_signal_mask(mask));
  return static_cast<std::int64_t>(there.rax);
}

Result<void> Stop::go_to(std::uint64_t entry, user_regs_struct registers) const {
  registers.rip = entry;
  registers.orig_rax = ~0ULL;
  PAGEFOLD_CHECK(set_signal_mask(~std::uint64_t{0}));
  return set_registers(registers);
}

Stop::RseqArea Stop::rseq() const {
  __ptrace_rseq_configuration configuration{};
  if (::ptrace(PTRACE_GET_RSEQ_CONFIGURATION, tid_, sizeof configuration, &configuration) < 0)
    return {};
  return {configuration.rseq_abi_pointer, configuration.rseq_abi_size, configuration.signature};
}

void Stop::resume() {
  if (tid_ != 0) (void)::ptrace(PTRACE_DETACH, tid_, nullptr, nullptr);
  tid_ = 0;
}

std::optional<Stop> stop_caller(const Call& call, void (*answer)(const Call&)) {
  const auto tid = static_cast<pid_t>(call.notification.pid);
  if (!Stop::seize(tid)) {
    call.fail(EAGAIN);
    return {};
  }
  answer(call);
  auto stop = Stop::wait(tid);
  return stop ? std::optional(std::move(*stop)) : std::nullopt;
}

}  // namespace pagefold::kernel
