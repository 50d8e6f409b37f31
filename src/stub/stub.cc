// The code that lives in every guest: it builds a fresh address space (after exec and fork), makes fork calls on behalf of a
// redirected thread, and runs the agent (signal_entry.cc has the wrapper of signal handlers). Freestanding, position fixed at
// kTextBase, no stack of its own but the shared area's, no floating point: the program's registers other than the general ones pass
// through untouched.
//
// System calls made from this page pass the filter, so nothing here may offer a guest that jumps into it more than calls on
// itself: every descriptor it receives shows only the guest's own memory.
#include "stub/protocol.h"
#include "stub/system_call.h"

namespace pagefold::stub {
namespace {

constexpr uint64_t kBlock = 0, kSetMask = 2, kMaskSize = 8;
constexpr uint64_t kWaitClone = 0x80000000;
constexpr uint64_t kUserfaultfdNew = 0xAA00;  // USERFAULTFD_IOC_NEW
constexpr uint64_t kCloexec = 02000000;
constexpr uint64_t kRseqUnregister = 1;

void run_commands(int64_t count, uint64_t store_fd) {
  for (int64_t i = 0; i < count && i < static_cast<int64_t>(kCommands); ++i) {
    Command& c = area()->commands[i];
    const uint64_t fd = c.use_store ? store_fd : c.arguments[4];
    c.result = call(c.number, c.arguments[0], c.arguments[1], c.arguments[2], c.arguments[3], fd, c.arguments[5]);
  }
}

extern "C" int64_t stub_clone_agent(uint64_t helper_stack, uint64_t agent_stack);
extern "C" int64_t stub_fork_call(Slot* slot);
extern "C" [[noreturn]] void stub_resume(Slot* slot);

// A child of the supervisor, not of the guest: the helper in between ends at once, so no wait(2) of the guest meets it.
void start_agent() {
  uint64_t all = ~uint64_t{0}, old = 0;
  call(__NR_rt_sigprocmask, kBlock, reinterpret_cast<uint64_t>(&all), reinterpret_cast<uint64_t>(&old), kMaskSize);
  const int64_t helper = stub_clone_agent(reinterpret_cast<uint64_t>(area()->helper_stack + sizeof area()->helper_stack),
                                          reinterpret_cast<uint64_t>(area()->agent_stack + sizeof area()->agent_stack));
  if (helper > 0) call(__NR_wait4, static_cast<uint64_t>(helper), 0, kWaitClone, 0);
  call(__NR_rt_sigprocmask, kSetMask, reinterpret_cast<uint64_t>(&old), 0, kMaskSize);
}

}  // namespace

extern "C" {

// The agent shares the guest's memory and signal handlers, but neither its files nor its thread group. Its descriptor 0 is
// the frame store.
[[gnu::used]] void stub_prepare_agent() {
  call(__NR_setsid);  // signals to the guest's process group (SIGSTOP cannot be blocked) are none of the agent's
  call(__NR_dup2, area()->store_fd, 0);
  call(__NR_close_range, 1, ~0u, 0);
  static const char name[] = "pagefold-agent";
  call(__NR_prctl, 15 /* PR_SET_NAME */, reinterpret_cast<uint64_t>(name));
}

// Runs on the boot stack, with the shared area mapped: after exec, and in a fork child.
[[noreturn, gnu::used]] void stub_boot(uint64_t packed) {
  const uint64_t text = packed & kPackMask, store = (packed >> kPackBits) & kPackMask, device = packed >> (2 * kPackBits);
  if (text != store) call(__NR_close, text);
  const int64_t uffd = call(__NR_ioctl, device, kUserfaultfdNew, kCloexec);
  call(__NR_close, device);
  int64_t count = call(kUffd, static_cast<uint64_t>(uffd));
  if (uffd >= 0) call(__NR_close, static_cast<uint64_t>(uffd));
  for (; count > 0; count = call(kReady)) run_commands(count, store);
  if (count < 0) call(__NR_exit_group, 125);
  area()->store_fd = store;
  if (area()->want_agent) start_agent();
  call(__NR_close, store);
  Slot& slot = area()->boot;
  if (slot.child_tid_clear) call(__NR_set_tid_address, slot.child_tid_clear);
  if (slot.child_tid_write) *reinterpret_cast<volatile int*>(slot.child_tid_write) = static_cast<int>(call(__NR_gettid));
  if (slot.rseq) call(__NR_rseq, slot.rseq, slot.rseq_size, 0, slot.rseq_signature);
  stub_resume(&slot);
}

// A thread that called fork or clone was redirected here; all signals are blocked, its own mask is in the slot.
[[noreturn, gnu::used]] void stub_fork(Slot* slot) {
  if (slot->rseq) call(__NR_rseq, slot->rseq, slot->rseq_size, kRseqUnregister, slot->rseq_signature);
  const int64_t child = stub_fork_call(slot);
  if (slot->rseq) call(__NR_rseq, slot->rseq, slot->rseq_size, 0, slot->rseq_signature);
  if (child < 0) call(kForkFailed, slot->index, static_cast<uint64_t>(-child));
  slot->registers.rax = static_cast<uint64_t>(child);
  stub_resume(slot);
}

}  // extern "C"

asm(R"(
.section .text.start,"ax"
# Entered from the bootstrap code at the program's entry point, r12 = packed descriptors.
.globl stub_start
stub_start:
map_area:
  mov $9, %eax
  mov $0x110000, %edi
  mov $0x20000, %esi
  mov $3, %edx
  mov $0x11, %r10d              # MAP_SHARED | MAP_FIXED
  mov %r12, %r8
  shr $20, %r8
  and $0xfffff, %r8d
  movabs $0x1000000000000, %r9  # kAreaOffset in the store
  syscall
  cmp $0x110000, %rax
  jne 9f
  mov stub_boot_stack(%rip), %rsp
  mov %r12, %rdi
  xor %ebp, %ebp
  call stub_boot
9:mov $231, %eax
  mov $125, %edi
  syscall

.globl stub_fork_entry          # r12 = slot
stub_fork_entry:
  lea 1024(%r12), %rsp
  mov %r12, %rdi
  xor %ebp, %ebp
  call stub_fork

.text
.globl stub_fork_call
stub_fork_call:
  push %r12
  push %r13
  mov %rdi, %r13
  mov 152(%r13), %rax
  mov 160(%r13), %rdi
  mov 168(%r13), %rsi
  mov 176(%r13), %rdx
  mov 184(%r13), %r10
  mov 192(%r13), %r8
  syscall
  test %rax, %rax
  jz 1f
  pop %r13
  pop %r12
  ret
1:mov $0x4d01, %eax             # kForked; the memory is still the parent's: no stack here
  mov 240(%r13), %rdi
  mov 0x110000, %rsi            # the parent's token
  syscall
  test %rax, %rax
  js 2f
  mov %rax, %r12
  jmp map_area
2:mov $231, %eax
  mov $125, %edi
  syscall

.globl stub_clone_agent
stub_clone_agent:
  push %r12
  mov %rsi, %r12
  mov %rdi, %rsi
  mov $56, %eax
  mov $0x804f00, %edi           # CLONE_VM | _FS | _FILES | _SIGHAND | _VFORK | _UNTRACED, no exit signal
  xor %edx, %edx
  xor %r10d, %r10d
  xor %r8d, %r8d
  syscall
  test %rax, %rax
  jz 1f
  pop %r12
  ret
1:mov $56, %eax
  mov $0x800900, %edi           # CLONE_VM | CLONE_SIGHAND | CLONE_UNTRACED
  mov %r12, %rsi
  syscall
  test %rax, %rax
  jz 2f
  mov $60, %eax
  xor %edi, %edi
  syscall
2:xor %ebp, %ebp
  call stub_prepare_agent

# The agent keeps the credentials its guest had when it began; the guest may have fewer by now, and can write the commands and
# every stack. So the loop has no stack, and makes only calls that credentials have no part in.
agent_next:
  mov $0x4d05, %eax             # kAgentNext
  mov 0x110000, %rdi            # token
  syscall
  cmp $-4, %rax                 # EINTR
  je agent_next
  cmp $256, %rax                # kCommands; also true of errors
  ja 9f
  mov %rax, %r12
  mov stub_commands(%rip), %rbx
3:test %r12, %r12
  jz agent_next
  mov 0(%rbx), %rax
  cmp $512, %rax
  jae 4f
  lea stub_agent_calls(%rip), %rcx
  bt %rax, (%rcx)
  jnc 4f
  mov 8(%rbx), %rdi
  mov 16(%rbx), %rsi
  mov 24(%rbx), %rdx
  mov 32(%rbx), %r10
  mov 40(%rbx), %r8
  mov 48(%rbx), %r9
  cmpq $0, 64(%rbx)             # use_store
  je 5f
  xor %r8d, %r8d
5:syscall
  jmp 6f
4:mov $-1, %rax                 # EPERM
6:mov %rax, 56(%rbx)
  add $72, %rbx
  dec %r12
  jmp 3b
9:mov $231, %eax
  xor %edi, %edi
  syscall

# One call for a thread that is stepped over it by the supervisor.
.globl stub_system_call
stub_system_call:
  syscall
  hlt

# rdi = slot. The mask is restored on the program's own stack, so that a signal that comes right then finds room.
.globl stub_resume
stub_resume:
  mov %rdi, %r12
  mov 120(%r12), %rsp
  mov $14, %eax
  mov $2, %edi
  lea 144(%r12), %rsi
  xor %edx, %edx
  mov $8, %r10d
  syscall
  mov %r12, %rcx
  mov 0(%rcx), %r15
  mov 8(%rcx), %r14
  mov 16(%rcx), %r13
  mov 24(%rcx), %r12
  mov 32(%rcx), %rbp
  mov 40(%rcx), %rbx
  mov 48(%rcx), %r11
  mov 56(%rcx), %r10
  mov 64(%rcx), %r9
  mov 72(%rcx), %r8
  mov 80(%rcx), %rax
  mov 96(%rcx), %rdx
  mov 104(%rcx), %rsi
  mov 112(%rcx), %rdi
  jmp *136(%rcx)

)");

constexpr uint32_t kAgentCalls[] = {__NR_mmap,    __NR_munmap, __NR_mprotect,     __NR_mremap,
                                    __NR_madvise, __NR_close,  __NR_rt_sigaction, __NR_shmdt};
static_assert(offsetof(Command, result) == 56 && offsetof(Command, use_store) == 64 && sizeof(Command) == 72);
static_assert(kAgentNext == 0x4d05 && kCommands == 256);

extern "C" [[gnu::used]] const CallSet stub_agent_calls = set_of(kAgentCalls);
extern "C" [[gnu::used]] const uint64_t stub_commands = kAreaBase + offsetof(Area, commands);
extern "C" [[gnu::used]] const uint64_t stub_boot_stack =
    kAreaBase + offsetof(Area, boot_stack) + sizeof(Area::boot_stack);

}  // namespace pagefold::stub
