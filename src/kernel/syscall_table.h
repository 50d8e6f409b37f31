// Which system calls come to the supervisor, under which condition, and who handles them: one row a call. The seccomp filter
// is made from this table; calls that are not in it run natively, at native speed.
#pragma once

#include <cstdint>
#include <span>

#include "kernel/call.h"

namespace pagefold::kernel {

using Handler = void (*)(const Call&);

struct SyscallRow {
  std::uint32_t number;
  Handler handler;  // null: answered by the filter itself with `error`
  enum class When : std::uint8_t {
    Always,
    NotThread,   // argument 0 lacks CLONE_THREAD
    FilterOrMm,  // argument 0 is PR_SET_SECCOMP or PR_SET_MM
    FilterOp,    // argument 0 sets a filter
    MemoryLimit0, MemoryLimit1,  // argument 0, or 1, is RLIMIT_AS or RLIMIT_DATA
    HoleSeek,                    // argument 2 is SEEK_DATA or SEEK_HOLE
    OpensFile,                   // argument 1 are flags of an open for reading only, of no directory
    OpensFileAt,                 // the same of argument 2, and it is no step of a walk: argument 0 the descriptor of a directory,
                                 // O_NOFOLLOW among the flags
  } when = When::Always;
  int error = 0;
  // The call made from the stub's own text (by the stub, or by a guest that jumps there).
  enum class FromStub : std::uint8_t {
    Trapped,  // the stub never makes it: as from anywhere else
    Passes,
    Range,    // passes, unless [argument 0, + argument 1) meets the stub's text, which nobody may replace
    Moves,    // the same, also for [argument 4, + argument 2)
    Attaches  // passes, unless argument 1 lies at or below the stub's text
  } from_stub = FromStub::Trapped;
  // Only of interest when files are fully owned; runs natively otherwise.
  bool own_files = false;
};

std::span<const SyscallRow> syscall_table();
Handler find_handler(std::uint32_t number);

}  // namespace pagefold::kernel
