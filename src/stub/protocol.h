// What the supervisor and its code inside a guest (stub, agent) agree on: addresses, call numbers, the shared area.
// The shared area is writable by the guest: everything read back from it is input to be checked, and nothing a guest writes
// there may give it more than it could do to itself anyway. Freestanding: included by the stub, which links no library.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace pagefold::stub {

// Fixed addresses, below any program (ld's default base is 0x400000, lld's 0x200000) and above vm.mmap_min_addr.
inline constexpr uint64_t kTextBase = 0x100000;
inline constexpr uint64_t kTextSize = 0x4000;
inline constexpr uint64_t kAreaBase = 0x110000;
inline constexpr uint64_t kAreaSize = 0x20000;
// Where the area lies in the address space's frame store: above every page a program can have.
inline constexpr uint64_t kAreaOffset = uint64_t{1} << 48;
inline constexpr uint64_t kStoreSize = kAreaOffset + kAreaSize;
// The range no guest mapping may touch.
inline constexpr uint64_t kReservedStart = kTextBase;
inline constexpr uint64_t kReservedEnd = kAreaBase + kAreaSize;

// Calls to the supervisor: system call numbers that Linux does not use.
inline constexpr uint64_t kCallFirst = 0x4d00;
enum Call : uint64_t {
  kHello = kCallFirst,  // after exec: -> packed descriptors
  kForked,              // (slot, parent's token) after fork, in the child: -> packed descriptors
  kUffd,                // (fd) hands the userfaultfd over: -> number of commands in the area, 1 or more
  kReady,               // the commands have been run: -> number of further commands; 0: go
  kForkFailed,          // (slot, errno)
  kAgentNext,           // (token) the agent waits for work: -> number of commands
  kCallEnd
};

// Linux's own are below this, and the sets of them that the stub keeps have as many bits.
inline constexpr uint32_t kCallNumbers = 512;

// Three descriptors in one result: stub text, frame store, /dev/userfaultfd.
inline constexpr unsigned kPackBits = 20;
inline constexpr uint64_t kPackMask = (1u << kPackBits) - 1;

// One system call for the guest side to make.
// (offsets are known to the assembly)
struct Command {
  uint64_t number;
  uint64_t arguments[6];
  int64_t result;
  uint64_t use_store;  // replace arguments[4] by the descriptor of the frame store
};

// Registers in the order the stub restores them.
struct Registers {
  uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi, rsp, rflags, rip;
};

// A place for one thread that has been redirected into the stub: what it was doing, what it shall do.
struct Slot {
  Registers registers;        // offset 0, known to the assembly
  uint64_t signal_mask;       // offset 144: in force again when the thread goes on
  uint64_t clone_number;      // the call to make: SYS_clone or SYS_fork
  uint64_t clone_arguments[5];
  uint64_t rseq, rseq_size, rseq_signature;  // to be unregistered around a clone; rseq = 0: none
  uint64_t child_tid_write;   // where a fork child stores its thread id (CLONE_CHILD_SETTID), or 0
  uint64_t child_tid_clear;   // CLONE_CHILD_CLEARTID, or 0
  uint64_t index;
  uint8_t stack[1024 - 144 - 8 - 8 - 40 - 24 - 16 - 8];
};
static_assert(offsetof(Slot, signal_mask) == 144);
static_assert(sizeof(Slot) == 1024);

// As the kernel has it on x86-64 (struct kernel_sigaction).
struct SignalAction {
  uint64_t handler, flags, restorer, mask;
};

// An rt_sigaction call of a thread that has just been answered. A signal that comes while the supervisor makes the change meets the
// old handler, as if it had come before: the caller does not know the old action yet.
struct Change {
  uint64_t thread, return_address, signal, action, old_handler;
};

inline constexpr unsigned kSignals = 65;
inline constexpr unsigned kChanges = 8;
inline constexpr unsigned kSlots = 32;
inline constexpr unsigned kCommands = 256;

struct Area {
  uint64_t token;        // proves to the supervisor which address space the agent belongs to
  uint64_t want_agent;   // boot: start an agent
  uint64_t store_fd;     // boot: descriptor of the frame store while commands run
  uint64_t reserved[13];
  Slot boot;             // offset 128: where a new process starts
  Slot slots[kSlots];
  uint64_t handlers[kSignals];  // the real handlers behind wrapped signals, by number
  uint64_t padding;
  uint8_t scratch[128];  // results of calls the agent makes
  SignalAction action, old_action;
  Change changes[kChanges];  // by thread number modulo their count
  uint64_t more_padding[8];
  Command commands[kCommands];
  uint8_t boot_stack[8192];
  uint8_t agent_stack[8192];
  uint8_t helper_stack[4096];
};
static_assert(offsetof(Area, boot) == 128);
static_assert(offsetof(Area, handlers) == 128 + 1024 * (1 + kSlots));
static_assert(offsetof(Area, boot_stack) % 16 == 0);
static_assert(sizeof(Area) <= kAreaSize);

}  // namespace pagefold::stub
