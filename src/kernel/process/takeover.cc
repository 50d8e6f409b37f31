// exec: the host kernel carries it out natively - permissions, set-uid, scripts, argument strings, auxiliary vector, ASLR are
// all its own - and the fresh process is taken over before its first instruction:
//
//   1. execve is let through with the thread interrupted (redirect.h); it stops at the new program's entry, or after a
//      failed call, where it simply goes on.
//   2. From /proc the mappings are read into a new Space (fresh_program.h); bootstrap code is written over the entry point.
//   3. The bootstrap code says hello, receives descriptors, maps the stub; the stub maps the shared area, creates the
//      userfaultfd and hands it over (boot.cc).
//   4. The program's host mappings are replaced: the background covers everything, file mappings go to the page cache.
//      What stays the host's: vdso, and the top of the stack with the argument strings (so that /proc/PID/cmdline and
//      environ, which the kernel reads from ordinary memory only, keep telling the truth).
//   5. The stub restores the registers; the program starts.

#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "kernel/calls.h"
#include "kernel/files/own_files.h"
#include "kernel/memory/mm_limits.h"
#include "kernel/pressure/pressure.h"
#include "kernel/process/fresh_program.h"
#include "kernel/process/redirect.h"

namespace pagefold::kernel {
namespace {

constexpr std::uint64_t kCompatCodeSegment = 0x23;

// Frames that taking over a program fills at once.
constexpr PageIndex kRoomForExec = 4;

// hello -> descriptors; map the stub text from the first; jump there.
std::array<unsigned char, 64> bootstrap_code() {
  std::array<unsigned char, 64> code{};
  std::size_t at = 0;
  const auto bytes = [&](std::initializer_list<unsigned> list) {
    for (const unsigned b : list) code[at++] = static_cast<unsigned char>(b);
  };
  const auto word = [&](std::uint64_t value) {
    const auto low = static_cast<std::uint32_t>(value);
    std::memcpy(&code[at], &low, sizeof low);
    at += sizeof low;
  };
  bytes({0xb8}), word(stub::kHello);           // mov $kHello, %eax
  bytes({0x0f, 0x05});                         // syscall
  bytes({0x49, 0x89, 0xc4});                   // mov %rax, %r12
  bytes({0xb8}), word(SYS_mmap);               // mov $SYS_mmap, %eax
  bytes({0xbf}), word(stub::kTextBase);        // mov $kTextBase, %edi
  bytes({0xbe}), word(stub::kTextSize);        // mov $kTextSize, %esi
  bytes({0xba}), word(PROT_READ | PROT_EXEC);  // mov $prot, %edx
  bytes({0x41, 0xba}), word(MAP_SHARED | MAP_FIXED);     // mov $flags, %r10d
  bytes({0x45, 0x89, 0xe0});                   // mov %r12d, %r8d
  bytes({0x41, 0x81, 0xe0}), word(stub::kPackMask);      // and $kPackMask, %r8d
  bytes({0x45, 0x31, 0xc9});                   // xor %r9d, %r9d
  bytes({0x0f, 0x05});                         // syscall
  bytes({0xff, 0xe0});                         // jmp *%rax
  return code;
}

Result<void> peek(pid_t pid, VirtAddr address, std::vector<std::byte>& to) {
  iovec here{to.data(), to.size()}, there{reinterpret_cast<void*>(address), to.size()};
  if (::process_vm_readv(pid, &here, 1, &there, 1, 0) != static_cast<ssize_t>(to.size())) return fail_errno("read the entry point");
  return {};
}

// The host lets the supervisor store into text, too.
Result<void> poke(const Space& space, VirtAddr address, const std::array<unsigned char, 64>& code) {
  if (::pwrite(space.memory.get(), code.data(), code.size(), static_cast<off_t>(address)) != static_cast<ssize_t>(code.size()))
    return fail_errno("write the bootstrap code");
  return {};
}

MemoryLimits kept_limits(const Call& call) {
  const std::lock_guard lock(call.space().mutex);
  const MemoryLimits kept = memory_limits(call.space(), call.task.group);
  if (call.task.group != call.space().pid) call.space().limits.erase(call.task.group);
  return kept;
}

Result<void> take_over(const Call& call, Stop& stop, const user_regs_struct& registers) {
  Supervisor& supervisor = call.supervisor;
  const pid_t pid = stop.tid();
  const MemoryLimits limits = call.task.space ? kept_limits(call) : own_memory_limits();
  supervisor.leave_space(pid);
  if (registers.cs == kCompatCodeSegment) return fail(ENOEXEC, "32-bit programs are not supported");
  const auto [space, entry] = PAGEFOLD_TRY(fresh_program(supervisor, pid, registers.rsp));
  space->limits[pid] = limits;
  stub::Slot& boot = space->area->boot;
  boot.registers = to_stub(registers);
  if (entry != 0) boot.registers.rip = entry;
  boot.signal_mask = PAGEFOLD_TRY(stop.signal_mask());
  space->area->want_agent = 1;
  const auto code = bootstrap_code();
  const vm::Vma* text = space->own_loader ? nullptr : space->map.find(registers.rip);
  if (text != nullptr && text->host()) {
    space->patched_at = registers.rip;
    space->patched_bytes.resize(code.size());
    PAGEFOLD_CHECK(peek(pid, registers.rip, space->patched_bytes));
  }
  PAGEFOLD_CHECK(poke(*space, registers.rip, code));
  supervisor.add_space(space, pid);
  supervisor.guests().program_started(space->program);
  return {};
}

}  // namespace

void on_execve(const Call& call) {
  if (call.task.space && filter_forbids_new_processes(call)) return call.fail(EPERM);
  Workers::about_to_wait();
  if (OwnFiles* files = call.supervisor.own_files()) (void)files->write_back_all();  // the host reads the program
  Room room;
  (void)room.ask(kRoomForExec, 0, reclaim::Patience::Wait);  // failing that, its pages go to the swap
  // Whoever asks for its memory waits (/proc/PID/maps), as natively: until the program runs (on_hello), or the exec has failed.
  Guests& guests = call.supervisor.guests();
  guests.exec_begins(call.task.group);
  auto stop = stop_caller(call, [](const Call& c) { c.proceed(); });
  if (!stop) return guests.exec_ends(call.task.group);
  const auto registers = stop->registers();
  if (!registers || registers->rip == call.notification.data.instruction_pointer) {
    guests.exec_ends(call.task.group);
    return;  // the call failed; its errno is in rax
  }
  const auto taken = take_over(call, *stop, *registers);
  if (!taken) {
    guests.exec_ends(call.task.group);
    stats().note("exec: " + taken.error().message());
    ::kill(stop->tid(), SIGKILL);
  }
}

}  // namespace pagefold::kernel
