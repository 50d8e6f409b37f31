#include "ld/api/debugger.h"

#include "ld/module/module.h"
#include "ld/module/published.h"
#include "ld/resolve/lookup.h"

#define PAGEFOLD_EXPORT extern "C" __attribute__((visibility("default")))

namespace {

// <link.h>, struct r_debug: public ABI.
struct RDebug {
  int32_t version;
  pagefold::ld::LinkMap* map;
  uint64_t breakpoint;
  uint32_t state;
  uint64_t loader_base;
};

}  // namespace

PAGEFOLD_EXPORT __attribute__((noinline, noclone)) void _dl_debug_state() { asm volatile(""); }
PAGEFOLD_EXPORT RDebug _r_debug;
RDebug _r_debug = {};

namespace pagefold::ld {
namespace {

RDebug* program_copy = nullptr;  // made by a copy relocation; what the program's own `_r_debug` is

}  // namespace

void keep_debug_copy_current() {
  constexpr uint32_t kFirst = 41;  // before, glibc left the copy as it was
  if (world.build->minor < kFirst) return;
  const Found copy = look_up_in(*world.main, "_r_debug", "GLIBC_2.2.5");
  if (copy.is_defined()) program_copy = reinterpret_cast<RDebug*>(copy.address());
}

void tell_debugger(ListState state) {
  if (_r_debug.state == static_cast<uint32_t>(state)) return;
  _r_debug.state = static_cast<uint32_t>(state);
  if (program_copy != nullptr) program_copy->state = _r_debug.state;
  auto* base = static_cast<char*>(published::rtld_global()) + world.layout->rtld_global.dl_ns;
  if (const uint32_t place = world.layout->link_namespaces.ns_debug; glibc::present(place))
    at<RDebug>(base, place).state = _r_debug.state;
  _dl_debug_state();
}

void show_debugger(uint64_t loader_base) {
  _r_debug = {1, world.first->map(), reinterpret_cast<uint64_t>(&_dl_debug_state), 0, loader_base};
  auto* base = static_cast<char*>(published::rtld_global()) + world.layout->rtld_global.dl_ns;
  if (const uint32_t place = world.layout->link_namespaces.ns_debug; glibc::present(place))
    at<RDebug>(base, place) = _r_debug;
  if (world.main->dynamic_readonly) return;
  for (const Elf64_Dyn& entry : world.main->view.entries)
    if (entry.d_tag == DT_DEBUG) const_cast<Elf64_Dyn&>(entry).d_un.d_ptr = reinterpret_cast<uint64_t>(&_r_debug);
}

}  // namespace pagefold::ld
