#include "ld/tls/static_tls.h"

#include "ld/base/text.h"
#include "ld/module/published.h"
#include "ld/tls/dtv.h"
#include "ld/tls/thread.h"

namespace pagefold::ld {
namespace {

constexpr uint64_t kThreadAlign = 64;  // TCB_ALIGNMENT

uint64_t& global(uint32_t offset) { return at<uint64_t>(published::rtld_global(), offset); }
uint64_t& readonly(uint32_t offset) { return at<uint64_t>(published::rtld_global_ro(), offset); }
uint64_t& used() { return global(world.layout->rtld_global.dl_tls_static_used); }
constexpr uint64_t round_up(uint64_t n, uint64_t align) { return (n + align - 1) & ~(align - 1); }

struct Node {
  Node* next;
  Node* previous;
};

void initialise_in(uint32_t list, const Module& module) {
  auto* head = &at<Node>(published::rtld_global(), list);
  for (Node* node = head->next; node != head; node = node->next) {
    char* thread = reinterpret_cast<char*>(node) - world.layout->pthread.list;
    copy_tls_image(module, thread - module.tls_offset);
  }
}

}  // namespace

void copy_tls_image(const Module& module, char* block) {
  memcpy(block, reinterpret_cast<const void*>(module.tls_image), module.tls_file_size);
  memset(block + module.tls_file_size, 0, module.tls_size - module.tls_file_size);
}

void set_tls_offset(Module& module, int64_t offset) {
  __atomic_store_n(&module.tls_offset, offset, __ATOMIC_RELEASE);
  at<int64_t>(module.map(), world.layout->link_map.l_tls_offset) = offset;
}

void lay_out_static_tls(uint64_t extra_size, uint64_t extra_align, uint64_t surplus, uint64_t optional) {
  uint64_t largest_align = kThreadAlign, offset = 0, free_top = 0, free_bottom = 0;
  for (uint64_t number = 1; number <= highest_tls_module(); ++number) {
    Module* module = tls_module(number);
    if (module == nullptr) continue;
    const uint64_t align = module->tls_align, size = module->tls_size;
    const uint64_t first_byte = (0 - module->tls_first_byte) & (align - 1);
    if (align > largest_align) largest_align = align;
    if (free_bottom - free_top >= size) {  // a gap that alignment has left
      const uint64_t place = round_up(free_top + size - first_byte, align) + first_byte;
      if (place <= free_bottom) {
        free_top = place;
        set_tls_offset(*module, static_cast<int64_t>(place));
        continue;
      }
    }
    const uint64_t place = round_up(offset + size - first_byte, align) + first_byte;
    if (place > offset + size + (free_bottom - free_top)) {
      free_top = offset;
      free_bottom = place - size;
    }
    offset = place;
    set_tls_offset(*module, static_cast<int64_t>(place));
  }
  if (extra_size != 0) {
    offset = round_up(offset, extra_align) + extra_size;
    if (extra_align > largest_align) largest_align = extra_align;
  }
  const auto& layout = *world.layout;
  used() = offset;
  global(layout.rtld_global.dl_tls_static_optional) = optional;
  global(layout.rtld_global.dl_tls_static_nelem) = highest_tls_module();
  readonly(layout.rtld_global_ro.dl_tls_static_align) = largest_align;
  readonly(layout.rtld_global_ro.dl_tls_static_size) = round_up(offset + surplus, largest_align) + layout.pthread.size;
}

bool try_static_tls(Module& module, bool optional) {
  if (module.tls_offset == kDynamicTlsOnly) return false;
  if (module.tls_offset != kNoTlsOffset) return true;
  const auto& ro = world.layout->rtld_global_ro;
  if (module.tls_align > readonly(ro.dl_tls_static_align)) return false;
  const uint64_t thread_size = world.layout->pthread.size;
  uint64_t left = readonly(ro.dl_tls_static_size) - used();
  if (left < thread_size) return false;
  left -= thread_size;
  const uint64_t wanted = module.tls_size + module.tls_first_byte;
  if (left < wanted) return false;
  const uint64_t steps = (left - wanted) / module.tls_align;
  const uint64_t use = left - steps * module.tls_align - module.tls_first_byte;
  uint64_t& optional_left = global(world.layout->rtld_global.dl_tls_static_optional);
  if (optional) {
    if (use > optional_left) return false;
    optional_left -= use;
  }
  used() += use;
  set_tls_offset(module, static_cast<int64_t>(used()));
  if (module.relocated)
    initialise_static_tls(module);
  else
    module.needs_static_tls_init = true;
  return true;
}

Status need_static_tls(const Module&, Module& definer) {
  if (try_static_tls(definer, false)) return nullptr;
  return fail(display_name(definer), "cannot allocate memory in static TLS block");
}

void return_static_tls(uint64_t offset, uint64_t size) {
  if (offset == used()) used() = offset - size;
}

void initialise_static_tls(const Module& module) {
  LowLevelLock lock(&at<int>(published::rtld_global(), world.layout->rtld_global.dl_stack_cache_lock));
  initialise_in(world.layout->rtld_global.dl_stack_used, module);
  initialise_in(world.layout->rtld_global.dl_stack_user, module);
}

}  // namespace pagefold::ld
