#include "ld/api/errors.h"

#include "ld/abi/glibc/exports/errors.h"
#include "ld/base/out.h"
#include "ld/module/module.h"
#include "ld/module/published.h"
#include "ld/resolve/lookup.h"
#include "ld/start/process.h"
#include "ld/tls/libc_memory.h"

namespace pagefold::ld {
namespace {

// The memory of the failure signalled last: nobody is left to free it at once.
Status signalled = nullptr;

template <class F>
F libc_function(const char* name) {
  const Found found = world.libc == nullptr ? Found{} : look_up_in(*world.libc, name, "GLIBC_PRIVATE");
  return reinterpret_cast<F>(found.address());
}

}  // namespace

void start_signalling() {
  glibc::ErrorBorder border = {world.layout, world.build->minor, libc_malloc, libc_free,
                               error_text,   program_name(),     nullptr,     nullptr};
  constexpr uint32_t kLastWithLibcsOwn = 36;
  if (world.build->minor <= kLastWithLibcsOwn) {
    border.libc_signal_exception = libc_function<glibc::SignalException>("_dl_signal_exception");
    border.libc_catch_error = libc_function<glibc::CatchError>("_dl_catch_error");
  }
  glibc::set_error_border(border);
  const auto& ro = world.layout->rtld_global_ro;
  at<glibc::CatchError>(published::rtld_global_ro(), ro.dl_catch_error) = glibc::catch_error_function();
  at<void (*)(void*)>(published::rtld_global_ro(), ro.dl_error_free) = glibc::free_error;
}

void signal(Status failure) {
  forget(signalled);
  signalled = failure;
  if (!world.running) die_of(failure);
  glibc::signal_error(failure->error, failure->object, failure->occasion, failure->text);
}

}  // namespace pagefold::ld
