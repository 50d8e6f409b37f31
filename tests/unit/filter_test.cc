// The seccomp filter, run by a small BPF interpreter over every system-call number, against the table it is made from.
#include "kernel/filter.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "kernel/syscall_table.h"
#include "stub/protocol.h"
#include "stub/restarted_calls.h"

namespace pagefold::kernel {
namespace {

constexpr std::uint32_t kNotify = SECCOMP_RET_USER_NOTIF, kAllow = SECCOMP_RET_ALLOW;
constexpr std::uint32_t kNoSuchCall = SECCOMP_RET_ERRNO | ENOSYS;
constexpr std::uint64_t kElsewhere = 0x7f0000001234;

// Runs a classic BPF program as the kernel does; nullopt for anything the filter has no reason to contain.
std::optional<std::uint32_t> run(const std::vector<sock_filter>& program, const seccomp_data& data) {
  std::uint32_t accumulator = 0, index = 0;
  for (std::size_t at = 0; at < program.size(); ++at) {
    const sock_filter& step = program[at];
    bool taken = false;
    switch (step.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        if (step.k + sizeof accumulator > sizeof data || step.k % 4 != 0) return std::nullopt;
        std::memcpy(&accumulator, reinterpret_cast<const char*>(&data) + step.k, sizeof accumulator);
        continue;
      case BPF_LD | BPF_IMM: accumulator = step.k; continue;
      case BPF_MISC | BPF_TAX: index = accumulator; continue;
      case BPF_ALU | BPF_SUB | BPF_X: accumulator -= index; continue;
      case BPF_JMP | BPF_JGT | BPF_X: taken = accumulator > index; break;
      case BPF_JMP | BPF_JGE | BPF_X: taken = accumulator >= index; break;
      case BPF_RET | BPF_K: return step.k;
      case BPF_JMP | BPF_JEQ | BPF_K: taken = accumulator == step.k; break;
      case BPF_JMP | BPF_JGT | BPF_K: taken = accumulator > step.k; break;
      case BPF_JMP | BPF_JGE | BPF_K: taken = accumulator >= step.k; break;
      case BPF_JMP | BPF_JSET | BPF_K: taken = (accumulator & step.k) != 0; break;
      default: return std::nullopt;
    }
    at += taken ? step.jt : step.jf;
  }
  return std::nullopt;  // ran off the end
}

// The first three arguments have the same value: some conditions look at the second.
seccomp_data call(std::uint32_t number, std::uint64_t argument = 0, std::uint64_t from = kElsewhere) {
  seccomp_data data{};
  data.nr = static_cast<int>(number);
  data.arch = AUDIT_ARCH_X86_64;
  data.instruction_pointer = from;
  data.args[0] = data.args[1] = data.args[2] = argument;
  return data;
}

std::uint32_t refusal(const SyscallRow& row) {
  return row.handler != nullptr ? kNotify : SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(row.error);
}

const SyscallRow* row_of(std::uint32_t number) {
  const auto table = syscall_table();
  const auto it = std::find_if(table.begin(), table.end(), [number](const SyscallRow& r) { return r.number == number; });
  return it == table.end() ? nullptr : &*it;
}

// The argument for which the row's condition holds, and for which it does not.
std::uint64_t matching(const SyscallRow& row) {
  switch (row.when) {
    case SyscallRow::When::NotThread: return CLONE_VM | CLONE_VFORK;
    case SyscallRow::When::FilterOrMm: return PR_SET_MM;
    case SyscallRow::When::MemoryLimit0:
    case SyscallRow::When::MemoryLimit1: return RLIMIT_AS;
    case SyscallRow::When::HoleSeek: return SEEK_HOLE;
    case SyscallRow::When::OpensFile:
    case SyscallRow::When::OpensFileAt: return O_RDONLY;
    default: return SECCOMP_SET_MODE_FILTER;
  }
}
std::uint64_t not_matching(const SyscallRow& row) {
  switch (row.when) {
    case SyscallRow::When::NotThread: return CLONE_VM | CLONE_THREAD;
    case SyscallRow::When::FilterOrMm: return PR_SET_NAME;
    case SyscallRow::When::MemoryLimit0:
    case SyscallRow::When::MemoryLimit1: return RLIMIT_STACK;
    case SyscallRow::When::HoleSeek: return SEEK_CUR;
    case SyscallRow::When::OpensFile:
    case SyscallRow::When::OpensFileAt: return O_WRONLY;
    default: return SECCOMP_GET_ACTION_AVAIL;
  }
}

TEST(Filter, DecidesEveryNumberAsTheTableSays) {
  const auto filter = make_filter(FileCalls::Trapped);
  ASSERT_LE(filter.size(), std::size_t{BPF_MAXINSNS});
  for (std::uint32_t number = 0; number < 0x8000; ++number) {
    const SyscallRow* row = row_of(number);
    const auto got = run(filter, call(number, row != nullptr ? matching(*row) : 0));
    ASSERT_EQ(got, row != nullptr ? refusal(*row) : kAllow) << "system call " << number;
  }
}

TEST(Filter, ConditionsLetTheRestRunNatively) {
  const auto filter = make_filter(FileCalls::Trapped);
  for (const SyscallRow& row : syscall_table()) {
    // Where calls on files are trapped, so is every open.
    const bool opens = row.when == SyscallRow::When::OpensFile || row.when == SyscallRow::When::OpensFileAt;
    const auto expected = row.when == SyscallRow::When::Always || opens ? refusal(row) : kAllow;
    EXPECT_EQ(run(filter, call(row.number, not_matching(row))), expected) << "system call " << row.number;
  }
  EXPECT_EQ(run(filter, call(SYS_prctl, PR_SET_SECCOMP)), kNotify);
}

TEST(Filter, CallsFromTheStubRunNatively) {
  const auto filter = make_filter(FileCalls::Trapped);
  constexpr std::uint64_t kEnd = stub::kTextBase + stub::kTextSize;
  for (const SyscallRow& row : syscall_table()) {
    // The arguments are small numbers: no range that meets the stub's text, but an address below it.
    using From = SyscallRow::FromStub;
    auto inside = row.from_stub == From::Trapped ? refusal(row) : kAllow;
    if (row.from_stub == From::Attaches) inside = SECCOMP_RET_ERRNO | EPERM;
    for (const std::uint64_t from : {stub::kTextBase, kEnd - 1})
      EXPECT_EQ(run(filter, call(row.number, matching(row), from)), inside) << "system call " << row.number;
    for (const std::uint64_t from : {stub::kTextBase - 1, kEnd, stub::kTextBase + (std::uint64_t{1} << 32)})
      EXPECT_EQ(run(filter, call(row.number, matching(row), from)), refusal(row)) << "system call " << row.number;
  }
}

TEST(Filter, CallsOnFilesRunNativelyUnlessFilesAreFullyOwned) {
  const auto filter = make_filter(FileCalls::Native);
  for (const SyscallRow& row : syscall_table())
    EXPECT_EQ(run(filter, call(row.number, matching(row))), row.own_files ? kAllow : refusal(row)) << "system call " << row.number;
  for (const SyscallRow& row : syscall_table()) {
    if (row.when == SyscallRow::When::Always) continue;
    EXPECT_EQ(run(filter, call(row.number, not_matching(row))), kAllow) << "system call " << row.number;
  }
  for (const std::uint64_t flags : {O_RDWR | O_CREAT, O_RDONLY | O_DIRECTORY, O_PATH})
    EXPECT_EQ(run(filter, call(SYS_openat, flags)), kAllow) << flags;
  EXPECT_EQ(run(filter, call(SYS_openat, O_RDONLY | O_CLOEXEC)), kNotify);
  EXPECT_LT(filter.size(), make_filter(FileCalls::Trapped).size());
}

// A walk through a tree opens what it finds relative to a descriptor of the directory, and follows no link.
TEST(Filter, StepsOfAWalkRunNatively) {
  const auto asked = [](const std::vector<sock_filter>& filter, int directory, std::uint64_t flags) {
    seccomp_data data = call(SYS_openat);
    data.args[0] = static_cast<std::uint32_t>(directory);
    data.args[2] = flags;
    return run(filter, data);
  };
  const auto native = make_filter(FileCalls::Native), trapped = make_filter(FileCalls::Trapped);
  EXPECT_EQ(asked(native, 5, O_RDONLY | O_NOFOLLOW | O_CLOEXEC), kAllow);
  EXPECT_EQ(asked(native, 5, O_RDONLY | O_CLOEXEC), kNotify);
  EXPECT_EQ(asked(native, AT_FDCWD, O_RDONLY | O_NOFOLLOW), kNotify);
  EXPECT_EQ(asked(native, 5, O_TMPFILE & ~O_DIRECTORY), kNotify);
  EXPECT_EQ(asked(trapped, 5, O_RDONLY | O_NOFOLLOW | O_CLOEXEC), kNotify);
}

TEST(Filter, OtherAbisAreRefused) {
  const auto filter = make_filter(FileCalls::Trapped);
  seccomp_data i386 = call(SYS_mmap);
  i386.arch = AUDIT_ARCH_I386;
  EXPECT_EQ(run(filter, i386), kNoSuchCall);
  constexpr std::uint32_t kX32 = 0x40000000;
  for (const std::uint32_t number : {kX32, kX32 | SYS_mmap, kX32 | 512U})
    EXPECT_EQ(run(filter, call(number)), kNoSuchCall) << "system call " << number;
  EXPECT_EQ(run(filter, call(~0U)), kAllow);  // a call that a tracer skips keeps the result the tracer gave it
}

TEST(SyscallTable, HasOneRowANumber) {
  for (const SyscallRow& row : syscall_table()) {
    EXPECT_EQ(row_of(row.number), &row) << "system call " << row.number;
    EXPECT_EQ(find_handler(row.number), row.handler);
    EXPECT_TRUE(row.handler != nullptr || row.error > 0) << "system call " << row.number;
  }
  EXPECT_EQ(find_handler(SYS_getpid), nullptr);
}

// Calls on files that may be pipes or sockets, where EINTR is natural.
bool may_be_interrupted(std::uint32_t number) {
  constexpr std::uint32_t kMay[] = {SYS_read, SYS_write, SYS_readv, SYS_writev, SYS_sendfile, SYS_splice};
  return std::find(std::begin(kMay), std::end(kMay), number) != std::end(kMay);
}

// Of the other calls that come to the supervisor none returns EINTR natively, so each must be restarted when a signal interrupts
// the wait for the supervisor.
TEST(RestartedCalls, AreAllCallsThatWaitForTheSupervisor) {
  for (const SyscallRow& row : syscall_table()) {
    if (row.handler == nullptr || row.number >= stub::kCallFirst || may_be_interrupted(row.number)) continue;
    EXPECT_NE(std::find(std::begin(stub::kRestartedCalls), std::end(stub::kRestartedCalls), row.number),
              std::end(stub::kRestartedCalls))
        << "system call " << row.number;
  }
}

TEST(RestartedCalls, AreNoOthers) {
  for (const std::uint32_t number : stub::kRestartedCalls) {
    EXPECT_LT(number, stub::kCallNumbers);
    // vfork is not trapped; it waits for its child with signals held off, and the kernel itself restarts it.
    if (number == SYS_vfork) continue;
    EXPECT_NE(find_handler(number), nullptr) << "system call " << number;
  }
}

}  // namespace
}  // namespace pagefold::kernel
