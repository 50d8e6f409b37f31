// Seccomp filters of the program's own (seccomp(2), prctl(2)). The host installs them beside ours; the stricter answer counts,
// so what the program forbids itself stays forbidden. But a filter also binds the stub, which a fork or an exec of this process
// must go through. So the filter is tried on the stub's calls first: one that forbids any of them is installed all the same,
// and fork and exec are then refused (EPERM) with a note, rather than left to die half-way.
//
// The program can change the filter between our look and the kernel's: its fork then fails the hard way.

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <array>
#include <cstring>
#include <vector>

#include "kernel/calls.h"
#include "kernel/memory/guest_memory.h"

namespace pagefold::kernel {
namespace {

// Calls that the stub and the agent of a forked or exec'ed process make; arguments where filters are known to look at them.
struct StubCall {
  std::uint64_t number;
  std::array<std::uint64_t, 4> arguments{};
};

constexpr StubCall kStubCalls[] = {
    {stub::kHello},      {stub::kForked},    {stub::kUffd},       {stub::kReady},
    {stub::kForkFailed}, {stub::kAgentNext}, {SYS_mmap, {0, 0, 1 | 4}}, {SYS_mmap, {0, 0, 1 | 2}},
    {SYS_munmap},        {SYS_mprotect, {0, 0, 1}}, {SYS_mprotect, {0, 0, 1 | 2}}, {SYS_madvise},
    {SYS_close},         {SYS_ioctl},        {SYS_clone, {0x804900}},   {SYS_wait4},
    {SYS_rt_sigprocmask}, {SYS_rt_sigaction}, {SYS_gettid},       {SYS_set_tid_address},
    {SYS_rseq},          {SYS_dup2},         {SYS_close_range},   {SYS_prctl, {PR_SET_NAME}},
    {SYS_exit},          {SYS_exit_group}};

// Classic BPF over a seccomp_data, as far as seccomp admits it. What it does not know forbids.
class Interpreter {
 public:
  Interpreter(const std::vector<sock_filter>& program, const seccomp_data& data) : program_(program), data_(data) {}

  bool allows() {
    for (std::size_t at = 0; at < program_.size(); ++at) {
      const sock_filter& step = program_[at];
      switch (BPF_CLASS(step.code)) {
        case BPF_RET: {
          const std::uint32_t action = (BPF_RVAL(step.code) == BPF_A ? a_ : step.k) & SECCOMP_RET_ACTION_FULL;
          return action == SECCOMP_RET_ALLOW || action == SECCOMP_RET_LOG;
        }
        case BPF_LD:
          if (!load(step, a_)) return false;
          break;
        case BPF_LDX:
          if (!load(step, x_)) return false;
          break;
        case BPF_ST: memory_[step.k % BPF_MEMWORDS] = a_; break;
        case BPF_STX: memory_[step.k % BPF_MEMWORDS] = x_; break;
        case BPF_ALU: compute(step); break;
        case BPF_JMP: at += skip(step); break;
        default: BPF_MISCOP(step.code) == BPF_TAX ? void(x_ = a_) : void(a_ = x_);
      }
    }
    return false;
  }

 private:
  bool load(const sock_filter& step, std::uint32_t& to) const {
    switch (BPF_MODE(step.code)) {
      case BPF_ABS:
        if (step.k > sizeof data_ - sizeof to) return false;
        std::memcpy(&to, reinterpret_cast<const char*>(&data_) + step.k, sizeof to);
        return true;
      case BPF_IMM: to = step.k; return true;
      case BPF_LEN: to = sizeof data_; return true;
      case BPF_MEM: to = memory_[step.k % BPF_MEMWORDS]; return true;
      default: return false;
    }
  }
  void compute(const sock_filter& step) {
    const std::uint32_t by = BPF_SRC(step.code) == BPF_X ? x_ : step.k;
    switch (BPF_OP(step.code)) {
      case BPF_ADD: a_ += by; break;
      case BPF_SUB: a_ -= by; break;
      case BPF_MUL: a_ *= by; break;
      case BPF_DIV: a_ = by == 0 ? 0 : a_ / by; break;
      case BPF_AND: a_ &= by; break;
      case BPF_OR: a_ |= by; break;
      case BPF_XOR: a_ ^= by; break;
      case BPF_LSH: a_ <<= by % 32; break;
      case BPF_RSH: a_ >>= by % 32; break;
      default: a_ = -a_;
    }
  }
  [[nodiscard]] std::size_t skip(const sock_filter& step) const {
    const std::uint32_t than = BPF_SRC(step.code) == BPF_X ? x_ : step.k;
    switch (BPF_OP(step.code)) {
      case BPF_JEQ: return a_ == than ? step.jt : step.jf;
      case BPF_JGT: return a_ > than ? step.jt : step.jf;
      case BPF_JGE: return a_ >= than ? step.jt : step.jf;
      case BPF_JSET: return (a_ & than) != 0 ? step.jt : step.jf;
      default: return step.k;
    }
  }

  const std::vector<sock_filter>& program_;
  const seccomp_data& data_;
  std::uint32_t a_ = 0, x_ = 0;
  std::array<std::uint32_t, BPF_MEMWORDS> memory_{};
};

bool leaves_the_stub_alone(const std::vector<sock_filter>& program) {
  for (const StubCall& call : kStubCalls) {
    seccomp_data data{};
    data.nr = static_cast<int>(call.number);
    data.arch = AUDIT_ARCH_X86_64;
    data.instruction_pointer = stub::kTextBase;
    std::copy(call.arguments.begin(), call.arguments.end(), data.args);
    if (!Interpreter(program, data).allows()) return false;
  }
  return true;
}

// The filter at the address, as sock_fprog tells. Empty when it cannot be read: the kernel will say so.
std::vector<sock_filter> read_filter(Space& space, VirtAddr address) {
  struct {
    std::uint16_t length;
    std::uint64_t steps;
  } header{};
  if (!read_guest(space, address, &header, sizeof header) || header.length > BPF_MAXINSNS) return {};
  std::vector<sock_filter> program(header.length);
  if (!read_guest(space, header.steps, program.data(), program.size() * sizeof(sock_filter))) return {};
  return program;
}

}  // namespace

bool filter_forbids_new_processes(const Call& call) {
  Space& space = call.space();
  {
    const std::lock_guard lock(space.mutex);
    if (!space.strict_filters.contains(call.task.group) && !space.strict_filters.contains(space.pid)) return false;
  }
  stats().note("fork and exec were refused (EPERM): a seccomp filter of the program's own forbids calls that Pagefold needs there");
  return true;
}

// seccomp(SECCOMP_SET_MODE_FILTER, flags, program) and prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program).
void on_own_filter(const Call& call) {
  Space& space = call.space();
  const bool by_prctl = call.notification.data.nr == SYS_prctl;
  if (by_prctl && call.argument(0) != PR_SET_SECCOMP) return on_refuse(call);
  const bool filters = by_prctl ? call.argument(1) == SECCOMP_MODE_FILTER : call.argument(0) == SECCOMP_SET_MODE_FILTER;
  if (filters) {
    const auto program = read_filter(space, call.argument(2));
    if (!program.empty() && !leaves_the_stub_alone(program)) {
      const std::lock_guard lock(space.mutex);
      space.strict_filters.insert(call.task.group);
    }
  }
  call.proceed();
}

}  // namespace pagefold::kernel
