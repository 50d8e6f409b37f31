// The wrapper of handlers without SA_RESTART. They are installed with it, so that a call that waits for the supervisor is never
// interrupted; where the program should see EINTR, the wrapper shows it, and goes on to the real handler (kernel/process/signals.cc).
#include <asm/fcntl.h>
#include <asm/signal.h>
#include <asm/stat.h>
#include <linux/stat.h>

#include "stub/restarted_calls.h"
#include "stub/system_call.h"

namespace pagefold::stub {
namespace {

// fcntl.h, which the C library's would conflict with here: AT_FDCWD, AT_SYMLINK_NOFOLLOW.
constexpr uint64_t kCurrentDirectory = static_cast<uint64_t>(-100), kDoNotFollowLinks = 0x100;

}  // namespace

asm(R"(
.section .text.signal,"ax"
# A signal whose handler lacks SA_RESTART. rdi, rsi, rdx are the handler's arguments, rdx the ucontext. When the kernel is
# about to restart a call (rip stands on a syscall instruction just executed: rcx = rip + 2, r11 = flags), and that call is
# not one of ours, the program sees EINTR instead.
.globl stub_signal_entry
stub_signal_entry:
  push %rdi
  push %rsi
  push %rdx
  mov %rdx, %rsi
  call stub_old_handler
  pop %rdx
  pop %rsi
  pop %rdi
  cmp $1, %rax
  ja 8f
  je 7f
  mov 168(%rdx), %rax           # rip
  lea 2(%rax), %rcx
  cmp 152(%rdx), %rcx
  jne 9f
  mov 64(%rdx), %r8             # r11
  xor 176(%rdx), %r8            # eflags; RF and TF do not count
  test $0xfffffffffffefeff, %r8
  jnz 9f
  cmpw $0x050f, (%rax)
  jne 9f
  mov 144(%rdx), %rax           # the call's number again
  cmp $512, %rax
  jae 9f
  cmp $2, %rax                  # open, openat, openat2: of a FIFO, or of anything else
  je 2f
  cmp $257, %rax
  je 2f
  cmp $437, %rax
  jne 3f
2:push %rdi
  push %rsi
  push %rdx
  mov %rdx, %rdi
  call stub_is_opening_fifo
  pop %rdx
  pop %rsi
  pop %rdi
  test %al, %al
  jz 9f
  mov 168(%rdx), %rcx
  add $2, %rcx
  jmp 1f
3:lea stub_restarted(%rip), %r8
  bt %rax, (%r8)
  jc 9f
  push %rdi
  push %rsi
  push %rdx
  mov %rdx, %rdi
  call stub_is_on_regular_file
  pop %rdx
  pop %rsi
  pop %rdi
  test %al, %al
  jnz 9f
  mov 144(%rdx), %rax
  mov 168(%rdx), %rcx
  add $2, %rcx
  cmp $202, %rax                # futex: waits for a lock that hands on priority are always restarted
  jne 1f
  mov 112(%rdx), %r8d           # rsi: the operation, without FUTEX_PRIVATE_FLAG and FUTEX_CLOCK_REALTIME
  and $0x7f, %r8d
  cmp $6, %r8d                  # FUTEX_LOCK_PI
  je 9f
  cmp $13, %r8d                 # FUTEX_LOCK_PI2
  je 9f
1:movq $-4, 144(%rdx)           # -EINTR
  mov %rcx, 168(%rdx)
9:mov %edi, %eax
  mov stub_handlers(%rip), %rcx
  mov (%rcx, %rax, 8), %rax
8:mov %rax, %r11
  xor %eax, %eax
  jmp *%r11
7:ret

.text
)");

// What the signal's default action does to the process, done by hand.
void act_by_default(uint64_t signal) {
  switch (signal) {
    case SIGCHLD: case SIGCONT: case SIGURG: case SIGWINCH: return;
    case SIGTSTP: case SIGTTIN: case SIGTTOU: call(__NR_kill, call(__NR_getpid), SIGSTOP); return;
    default: break;
  }
  const SignalAction standard{};
  call(__NR_rt_sigaction, signal, reinterpret_cast<uint64_t>(&standard), 0, 8);
  call(__NR_tgkill, call(__NR_getpid), call(__NR_gettid), signal);  // it strikes when the handler returns
}

// Whom a signal meets that came during a change of its action (struct Change): the old handler, 1 when that leaves nothing to do, 0
// when there was no such change. context: the handler's ucontext, as words.
extern "C" [[gnu::used]] uint64_t stub_old_handler(uint64_t signal, const uint64_t* context) {
  const uint64_t rdi = context[13], rsi = context[14], rip = context[21];
  for (Change& change : area()->changes) {
    if (change.return_address != rip || change.signal != signal || rdi != signal || rsi != change.action) continue;
    if (change.thread != static_cast<uint64_t>(call(__NR_gettid))) continue;
    change.thread = 0;
    if (change.old_handler != 0) return change.old_handler;
    act_by_default(signal);
    return 1;
  }
  return 0;
}

// An open waits for the other side of a FIFO and is then interrupted; an open of anything else that had to wait (for the supervisor,
// or for a lease) is not. context: the handler's ucontext, as words; its call has been restarted.
extern "C" [[gnu::used]] bool stub_is_opening_fifo(const uint64_t* context) {
  const uint64_t number = context[18] /* rax */;
  const bool at = number != __NR_open;
  const uint64_t directory = at ? context[13] /* rdi */ : kCurrentDirectory, path = context[at ? 14 /* rsi */ : 13];
  const uint64_t third = context[at ? 17 /* rdx */ : 14];
  const uint64_t flags = number == __NR_openat2 ? *reinterpret_cast<const uint64_t*>(third) /* open_how.flags */ : third;
  if ((flags & (O_NONBLOCK | O_PATH)) != 0) return false;
  struct stat status;
  const uint64_t links = (flags & O_NOFOLLOW) != 0 ? kDoNotFollowLinks : 0;
  return call(__NR_newfstatat, directory, path, reinterpret_cast<uint64_t>(&status), links) == 0 &&
         (status.st_mode & S_IFMT) == S_IFIFO;
}

// Calls that wait on a pipe or a socket and are then interrupted, but never on a regular file. context: the handler's ucontext, as
// words; its call has been restarted.
extern "C" [[gnu::used]] bool stub_is_on_regular_file(const uint64_t* context) {
  switch (context[18] /* rax */) {
    case __NR_read: case __NR_write: case __NR_readv: case __NR_writev: break;
    default: return false;
  }
  struct stat status;
  return call(__NR_fstat, context[13] /* rdi */, reinterpret_cast<uint64_t>(&status)) == 0 &&
         (status.st_mode & S_IFMT) == S_IFREG;
}

extern "C" [[gnu::used]] const CallSet stub_restarted = set_of(kRestartedCalls);
extern "C" [[gnu::used]] const uint64_t stub_handlers = kAreaBase + offsetof(Area, handlers);

}  // namespace pagefold::stub
