#include "kernel/filter.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cassert>
#include <cerrno>
#include <cstddef>
#include <set>

#include "kernel/syscall_table.h"
#include "kernel/files/watched_calls.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

namespace pagefold::kernel {
namespace {

constexpr std::size_t kNumber = offsetof(seccomp_data, nr), kArch = offsetof(seccomp_data, arch);
constexpr std::size_t kPointerLow = offsetof(seccomp_data, instruction_pointer), kPointerHigh = kPointerLow + 4;
constexpr std::size_t kArgument0 = offsetof(seccomp_data, args);
constexpr unsigned kMaxSkip = 255;
// x32 calls have the architecture of 64-bit ones and numbers from here on (asm/unistd.h: __X32_SYSCALL_BIT).
constexpr std::uint32_t kX32Bit = 0x40000000;

// A small assembler. Conditional skips are relative and forward only.
class Program {
 public:
  void load(std::size_t offset) { statement(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset)); }
  void answer(std::uint32_t action) { statement(BPF_RET | BPF_K, action); }
  void skip_if(unsigned test, std::uint64_t k, unsigned count) { jump(test, k, count, 0); }
  void skip_unless(unsigned test, std::uint64_t k, unsigned count) { jump(test, k, 0, count); }
  void copy_to_x() { statement(BPF_MISC | BPF_TAX, 0); }
  void subtract_from(std::uint64_t k) {
    copy_to_x();
    statement(BPF_LD | BPF_IMM, static_cast<std::uint32_t>(k));
    statement(BPF_ALU | BPF_SUB | BPF_X, 0);
  }
  void skip_unless_greater_than_x(unsigned count) {
    code_.push_back({static_cast<__u16>(BPF_JMP | BPF_JGT | BPF_X), 0, static_cast<__u8>(count), 0});
  }
  void append(const Program& other) { code_.insert(code_.end(), other.code_.begin(), other.code_.end()); }
  [[nodiscard]] unsigned size() const { return static_cast<unsigned>(code_.size()); }
  [[nodiscard]] std::vector<sock_filter> take() { return std::move(code_); }

 private:
  void statement(unsigned code, std::uint32_t k) { code_.push_back({static_cast<__u16>(code), 0, 0, k}); }
  void jump(unsigned test, std::uint64_t k, unsigned yes, unsigned no) {
    assert(yes <= kMaxSkip && no <= kMaxSkip);
    code_.push_back({static_cast<__u16>(BPF_JMP | test | BPF_K), static_cast<__u8>(yes), static_cast<__u8>(no),
                     static_cast<std::uint32_t>(k)});
  }

  std::vector<sock_filter> code_;
};

std::size_t argument(unsigned i) { return kArgument0 + i * sizeof(std::uint64_t); }

// What O_TMPFILE has beside O_DIRECTORY.
constexpr std::uint32_t kUnnamedFile = O_TMPFILE & ~O_DIRECTORY;

// An int argument is negative (AT_FDCWD) from here on.
constexpr std::uint32_t kNegative = 0x80000000;

constexpr std::uint32_t kForbid = SECCOMP_RET_ERRNO | EPERM;

// Forbids the call when [address, address + length) meets the stub's text, which lies in the first 4 GiB.
Program spare_text(unsigned address, unsigned length) {
  const std::size_t address_low = argument(address), address_high = address_low + 4;
  const std::size_t length_low = argument(length), length_high = length_low + 4;
  Program below;  // the range starts below the text: it must end there, too
  below.load(length_high);
  below.skip_if(BPF_JEQ, 0, 1);
  below.answer(kForbid);
  below.load(address_low);
  below.subtract_from(stub::kTextBase);
  below.copy_to_x();
  below.load(length_low);
  below.skip_unless_greater_than_x(1);
  below.answer(kForbid);
  Program p;
  p.load(address_high);
  p.skip_unless(BPF_JEQ, 0, 4 + below.size());
  p.load(address_low);
  p.skip_if(BPF_JGE, stub::kTextBase + stub::kTextSize, 2 + below.size());
  p.skip_unless(BPF_JGE, stub::kTextBase, 1);
  p.answer(kForbid);
  p.append(below);
  return p;
}

Program spare_text_at(unsigned address) {
  Program p;
  p.load(argument(address) + 4);
  p.skip_unless(BPF_JEQ, 0, 3);
  p.load(argument(address));
  p.skip_if(BPF_JGE, stub::kTextBase + stub::kTextSize, 1);
  p.answer(kForbid);
  return p;
}

// Calls made from the stub's own text.
Program allow_stub(SyscallRow::FromStub from_stub) {
  Program allowed;
  switch (from_stub) {
    case SyscallRow::FromStub::Trapped: return allowed;
    case SyscallRow::FromStub::Passes: break;
    case SyscallRow::FromStub::Moves: allowed.append(spare_text(4, 2)); [[fallthrough]];
    case SyscallRow::FromStub::Range: allowed.append(spare_text(0, 1)); break;
    case SyscallRow::FromStub::Attaches: allowed.append(spare_text_at(1)); break;
  }
  allowed.answer(SECCOMP_RET_ALLOW);
  Program p;
  p.load(kPointerHigh);
  p.skip_unless(BPF_JEQ, 0, 3 + allowed.size());
  p.load(kPointerLow);
  p.skip_unless(BPF_JGE, stub::kTextBase, 1 + allowed.size());
  p.skip_if(BPF_JGE, stub::kTextBase + stub::kTextSize, allowed.size());
  p.append(allowed);
  return p;
}

// ---- conditions: what they let through natively is answered, what is ours falls out at the end

Program is_one_of(std::size_t offset, std::uint64_t one, std::uint64_t other) {
  Program p;
  p.load(offset);
  p.skip_if(BPF_JEQ, one, 2);
  p.skip_if(BPF_JEQ, other, 1);
  p.answer(SECCOMP_RET_ALLOW);
  return p;
}

Program unless(std::size_t offset, unsigned test, std::uint64_t k) {
  Program p;
  p.load(offset);
  p.skip_unless(test, k, 1);
  p.answer(SECCOMP_RET_ALLOW);
  return p;
}

// An open for reading only, of no directory; `further` looks at the same flags.
Program opens_file(std::size_t flags, const Program& further = {}) {
  Program p;
  p.load(flags);
  p.skip_if(BPF_JSET, kUnnamedFile, 2 + further.size());
  p.skip_unless(BPF_JSET, O_DIRECTORY | O_PATH | O_ACCMODE, 1);
  p.answer(SECCOMP_RET_ALLOW);
  p.append(further);
  return p;
}

// Who walks through a tree (tar) opens thousands of files like this; who wants to know about memory does not.
Program is_no_step_of_a_walk() {
  Program p;
  p.skip_unless(BPF_JSET, O_NOFOLLOW, 3);
  p.load(argument(0));
  p.skip_if(BPF_JGE, kNegative, 1);
  p.answer(SECCOMP_RET_ALLOW);
  return p;
}

Program condition(SyscallRow::When when) {
  switch (when) {
    case SyscallRow::When::Always: break;
    case SyscallRow::When::NotThread: return unless(argument(0), BPF_JSET, CLONE_THREAD);
    case SyscallRow::When::FilterOp: return unless(argument(0), BPF_JGT, SECCOMP_SET_MODE_FILTER);
    case SyscallRow::When::FilterOrMm: return is_one_of(argument(0), PR_SET_SECCOMP, PR_SET_MM);
    case SyscallRow::When::MemoryLimit0: return is_one_of(argument(0), RLIMIT_AS, RLIMIT_DATA);
    case SyscallRow::When::MemoryLimit1: return is_one_of(argument(1), RLIMIT_AS, RLIMIT_DATA);
    case SyscallRow::When::HoleSeek: return is_one_of(argument(2), SEEK_DATA, SEEK_HOLE);
    case SyscallRow::When::OpensFile: return opens_file(argument(1));
    case SyscallRow::When::OpensFileAt: return opens_file(argument(2), is_no_step_of_a_walk());
  }
  return {};
}

Program decide(const SyscallRow& row) {
  Program p = condition(row.when);
  p.answer(row.handler != nullptr ? std::uint32_t{SECCOMP_RET_USER_NOTIF}
                                  : SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(row.error));
  return p;
}

}  // namespace

// The number is looked at first and alone, so that the kernel's cache of always-allowed calls covers all that is not ours.
std::vector<sock_filter> make_filter(FileCalls file_calls, Watched watched) {
  Program p;
  p.load(kArch);
  p.skip_if(BPF_JEQ, AUDIT_ARCH_X86_64, 1);
  p.answer(SECCOMP_RET_ERRNO | ENOSYS);
  p.load(kNumber);
  p.skip_unless(BPF_JGE, kX32Bit, 2);
  p.skip_if(BPF_JGE, 2 * std::uint64_t{kX32Bit}, 1);  // negative: how a tracer skips a call
  p.answer(SECCOMP_RET_ERRNO | ENOSYS);
  const auto add = [&p](const SyscallRow& row) {
    Program block;
    block.append(allow_stub(row.from_stub));
    block.append(decide(row));
    p.skip_unless(BPF_JEQ, row.number, block.size());
    p.append(block);
  };
  std::set<std::uint32_t> added;
  for (SyscallRow row : syscall_table()) {
    if (row.own_files && file_calls == FileCalls::Native) continue;
    const bool opens = row.when == SyscallRow::When::OpensFile || row.when == SyscallRow::When::OpensFileAt;
    if (opens && file_calls == FileCalls::Trapped) row.when = SyscallRow::When::Always;  // they are watched, or may fail
    added.insert(row.number);
    add(row);
  }
  if (watched == Watched::Yes)
    for (const SyscallRow& row : watched_calls())
      if (!added.contains(row.number)) add(row);
  p.answer(SECCOMP_RET_ALLOW);
  return p.take();
}

int install_filter(const std::vector<sock_filter>& filter) {
  const sock_fprog program{static_cast<unsigned short>(filter.size()), const_cast<sock_filter*>(filter.data())};
  constexpr unsigned long kFlags = SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
  auto listener = ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, kFlags, &program);
  if (listener < 0 && errno == EACCES) {
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
    listener = ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, kFlags, &program);
  }
  return static_cast<int>(listener);
}

}  // namespace pagefold::kernel
