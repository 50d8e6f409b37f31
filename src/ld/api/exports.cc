// What libc, libm, libgcc and debuggers find here under glibc's names: data, and the functions about modules and TLS.
// The rest of the private interface is in abi/glibc/exports.
#include "ld/api/exports.h"
#include "ld/abi/glibc/exports/export.h"
#include "ld/api/errors.h"
#include "ld/api/find_object.h"
#include "ld/api/lock.h"
#include "ld/api/open.h"
#include "ld/debug/debug.h"
#include "ld/module/published.h"
#include "ld/plt/plt.h"
#include "ld/resolve/lookup.h"
#include "ld/tls/dtv.h"

// Written until constructors run, and read-only afterwards, with the loader's own RELRO segment.
#define PAGEFOLD_READ_ONLY_LATER __attribute__((visibility("default"), section(".data.rel.ro.published")))

extern "C" {
__attribute__((visibility("default"))) alignas(64) char _rtld_global[pagefold::ld::published::kGlobalSize] = {};
PAGEFOLD_READ_ONLY_LATER alignas(64) char _rtld_global_ro[pagefold::ld::published::kReadOnlySize] = {};
PAGEFOLD_READ_ONLY_LATER void* __libc_stack_end = nullptr;
PAGEFOLD_READ_ONLY_LATER int __libc_enable_secure = 0;
PAGEFOLD_READ_ONLY_LATER char** _dl_argv = nullptr;
PAGEFOLD_READ_ONLY_LATER uint32_t __rseq_size = 0, __rseq_flags = 0;
PAGEFOLD_READ_ONLY_LATER int64_t __rseq_offset = 0;
__attribute__((visibility("default"))) bool __nptl_initial_report_events = false;
}

extern "C" __attribute__((visibility("hidden"))) int pagefold_ld_find_object(void* address, void* result);

namespace pagefold::ld {
namespace {

// _dl_lookup_symbol_x, for libc's dlsym. `reference` receives the definition; the result is its object.
LinkMap* look_up_for_libc(const char* name, LinkMap* referrer, const Symbol** reference, SearchList** scope,
                          const Version* version, int reference_class, int flags, LinkMap* skip) {
  const Wanted wanted{name,
                      elf::gnu_hash(name),
                      version,
                      nullptr,
                      *reference,
                      static_cast<uint32_t>(reference_class),
                      static_cast<uint32_t>(flags)};
  Found found;
  const Status failure = look_up(wanted, referrer == nullptr ? nullptr : module_of(referrer), scope,
                                 skip == nullptr ? nullptr : module_of(skip), found);
  if (failure != nullptr) signal(failure);
  *reference = found.symbol;
  return found.module == nullptr ? nullptr : found.module->map();
}

void* existing_tls_block(LinkMap* map) { return existing_block(*module_of(map)); }

void nothing() {}
void count_nothing(uint64_t, uint64_t) {}

}  // namespace

void publish_functions() {
  auto* ro = published::rtld_global_ro();
  const auto& layout = world.layout->rtld_global_ro;
  const auto set = [&](uint32_t offset, auto* function) { set_if_present(ro, offset, function); };
  set(layout.dl_debug_printf, &debug::print);
  set(layout.dl_mcount, &count_nothing);
  set(layout.dl_lookup_symbol_x, &look_up_for_libc);
  set(layout.dl_open, &open_module);
  set(layout.dl_close, &close_module);
  set(layout.dl_tls_get_addr_soft, &existing_tls_block);
  set(layout.dl_libc_freeres, &nothing);
  set(layout.dl_find_object, &pagefold_ld_find_object);
}

}  // namespace pagefold::ld

using namespace pagefold::ld;

PAGEFOLD_EXPORT void* __tls_get_addr(const TlsIndex* index) { return tls_address(*index); }

PAGEFOLD_EXPORT void* _dl_allocate_tls_init(char* thread, bool) {
  return thread == nullptr ? nullptr : initialise_thread_tls(thread);
}

PAGEFOLD_EXPORT void* _dl_allocate_tls(char* thread) {
  if (thread == nullptr) thread = static_cast<char*>(allocate_thread_block());
  if (thread == nullptr) return nullptr;
  Dtv* dtv;
  {
    TlsLock lock;
    dtv = make_dtv();
  }
  if (dtv == nullptr) return nullptr;
  at<Dtv*>(thread, world.layout->tcb.dtv) = dtv;
  return initialise_thread_tls(thread);
}

PAGEFOLD_EXPORT void _dl_deallocate_tls(char* thread, bool free_block) { free_thread_tls(thread, free_block); }

PAGEFOLD_EXPORT void _dl_get_tls_static_info(uint64_t* size, uint64_t* align) {
  *size = at<uint64_t>(published::rtld_global_ro(), world.layout->rtld_global_ro.dl_tls_static_size);
  *align = at<uint64_t>(published::rtld_global_ro(), world.layout->rtld_global_ro.dl_tls_static_align);
}

PAGEFOLD_EXPORT LinkMap* _dl_find_dso_for_object(uint64_t address) {
  Module* module = module_at(address);
  return module == nullptr ? nullptr : module->map();
}

PAGEFOLD_EXPORT const void* _dl_x86_get_cpu_features(unsigned) {
  return static_cast<char*>(published::rtld_global_ro()) + world.layout->rtld_global_ro.dl_x86_cpu_features;
}
