// What cannot be supported gets an errno that programs are prepared for, and a note in the story: never a hang, never silence.

#include <fmt/format.h>
#include <sys/syscall.h>

#include "kernel/calls.h"

namespace pagefold::kernel {
namespace {

struct Refusal {
  int number;
  int error;
  const char* note;
};

constexpr Refusal kRefusals[] = {
    // Pagefold itself traces its guests for moments, and a thread has one tracer.
    {SYS_ptrace, EPERM, "ptrace was refused (EPERM): a debugger cannot run inside `pagefold run`"},
    {SYS_prctl, EINVAL, "prctl(PR_SET_MM) was refused (EINVAL)"},
    // io_uring would go past the filter.
    {SYS_io_uring_setup, ENOSYS, "io_uring was refused (ENOSYS): programs fall back to ordinary calls"},
    {SYS_userfaultfd, ENOSYS, "userfaultfd was refused (ENOSYS): Pagefold's own pager is in charge"},
    {SYS_remap_file_pages, EINVAL, "remap_file_pages was refused (EINVAL)"},
    {SYS_pkey_alloc, ENOSPC, "memory protection keys were refused (ENOSPC)"},
};

}  // namespace

void on_refuse(const Call& call) {
  for (const Refusal& refusal : kRefusals) {
    if (refusal.number != call.notification.data.nr) continue;
    stats().note(refusal.note);
    return call.fail(refusal.error);
  }
  call.fail(ENOSYS);
}

}  // namespace pagefold::kernel
