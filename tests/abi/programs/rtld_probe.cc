// Fills `_rtld_global(_ro)` and a thread block as ld-pagefold.so would and compares the plain values with those of the
// loader that started this very process. One line a difference; exit code 0, 1, or 2 (a libc or processor for the
// genuine loader).
#include <asm/unistd.h>
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/rseq.h>
#include <unistd.h>

#include "abi/programs/own_libc.h"
#include "ld/abi/glibc/rtld_global.h"
#include "ld/abi/glibc/thread_block.h"

using namespace pagefold::ld::glibc;

namespace {

struct Member {
  const char* name;
  uint32_t offset, size;
};

int compare(const Member* members, size_t count, const char* ours, const char* theirs) {
  int differences = 0;
  for (size_t i = 0; i < count; i++) {
    const Member& m = members[i];
    if (!present(m.offset) || memcmp(ours + m.offset, theirs + m.offset, m.size) == 0) continue;
    uint64_t a = 0, b = 0;
    memcpy(&a, ours + m.offset, m.size < 8 ? m.size : 8);
    memcpy(&b, theirs + m.offset, m.size < 8 ? m.size : 8);
    printf("%s: %#lx, the genuine loader has %#lx\n", m.name, a, b);
    differences++;
  }
  return differences;
}

char ro[4096], global[8192], block[8192] __attribute__((aligned(64)));

int compare_ro(const Build& build, AuxEntry* auxv, const CpuFeatures& cpu, const Tunables& tunables) {
  const auto& at = build.layout.rtld_global_ro;
  fill_rtld_global_ro(ro, build, auxv, cpu, tunables);
  const Member members[] = {
      {"dl_platformlen", at.dl_platformlen, 8},
      {"dl_pagesize", at.dl_pagesize, 8},
      {"dl_minsigstacksize", at.dl_minsigstacksize, 8},
      {"dl_inhibit_cache", at.dl_inhibit_cache, 4},
      {"dl_clktck", at.dl_clktck, 4},
      {"dl_verbose", at.dl_verbose, 4},
      {"dl_debug_fd", at.dl_debug_fd, 4},
      {"dl_bind_not", at.dl_bind_not, 4},
      {"dl_dynamic_weak", at.dl_dynamic_weak, 4},
      {"dl_fpu_control", at.dl_fpu_control, 2},
      {"dl_hwcap", at.dl_hwcap, 8},
      {"dl_hwcap2", at.dl_hwcap2, 8},
      {"dl_hwcap3", at.dl_hwcap3, 8},
      {"dl_hwcap4", at.dl_hwcap4, 8},
      {"dl_auxv", at.dl_auxv, 8},
      {"dl_x86_cpu_features", at.dl_x86_cpu_features, build.layout.cpu_features.size},
      {"dl_x86_hwcap_flags", at.dl_x86_hwcap_flags, at.dl_x86_hwcap_flags_size},
      {"dl_x86_platforms", at.dl_x86_platforms, at.dl_x86_platforms_size},
      {"dl_sysinfo_dso", at.dl_sysinfo_dso, 8},
      {"dl_dso_sort_algo", at.dl_dso_sort_algo, 4},
      {"dl_tls_static_surplus", at.dl_tls_static_surplus, 8},
      {"dl_profile", at.dl_profile, 8},
      {"dl_dlfcn_hook", at.dl_dlfcn_hook, 8},
      {"dl_naudit", at.dl_naudit, 4},
      {"dl_lazy", at.dl_lazy, 4},
  };
  static char theirs[sizeof ro];
  memcpy(theirs, dlsym(RTLD_DEFAULT, "_rtld_global_ro"), build.layout.rtld_global_ro.size);
  forget_processor_number(ro + at.dl_x86_cpu_features, build.layout);
  forget_processor_number(theirs + at.dl_x86_cpu_features, build.layout);
  return compare(members, sizeof members / sizeof *members, ro, theirs);
}

int compare_global(const Build& build) {
  const auto& at = build.layout.rtld_global;
  fill_rtld_global(global, build);
  const uint32_t unique = at.dl_ns + build.layout.link_namespaces.ns_unique_sym_table_lock;
  const Member members[] = {
      {"dl_nns", at.dl_nns, 8},
      {"dl_load_lock", at.dl_load_lock, 40},
      {"dl_load_write_lock", at.dl_load_write_lock, 40},
      {"dl_load_tls_lock", at.dl_load_tls_lock, 40},
      {"unique symbols' lock", unique, 40},
      {"dl_x86_feature_1", at.dl_x86_feature_1, 4},
      {"dl_x86_feature_control", at.dl_x86_feature_control, at.dl_x86_feature_control_size},
      {"dl_stack_cache_actsize", at.dl_stack_cache_actsize, 8},
      {"dl_in_flight_stack", at.dl_in_flight_stack, 8},
  };
  return compare(members, sizeof members / sizeof *members, global,
                 static_cast<const char*>(dlsym(RTLD_DEFAULT, "_rtld_global")));
}

// Pointers into the block become offsets, so that two blocks at different addresses can be the same.
void make_relative(char* copy, const Member& member, const char* base) {
  uint64_t value;
  memcpy(&value, copy + member.offset, 8);
  value -= reinterpret_cast<uint64_t>(base);
  memcpy(copy + member.offset, &value, 8);
}

int compare_thread(const Build& build, const AuxEntry* auxv, const Tunables& tunables) {
  const auto& at = build.layout.pthread;
  const auto& tcb = build.layout.tcb;
  static char theirs[8192];
  const char* self = reinterpret_cast<const char*>(pthread_self());
  memcpy(theirs, self, build.layout.pthread.size);
  void* stack_end = *static_cast<void**>(dlsym(RTLD_DEFAULT, "__libc_stack_end"));
  const MainThread thread = {block, reinterpret_cast<const uint64_t*>(getauxval(AT_RANDOM)), stack_end, 0, false};
  fill_thread_block(build, global, thread);
  const Member own_pointers[] = {{"tcb", tcb.tcb, 8},
                                 {"self", tcb.self, 8},
                                 {"specific", at.specific, 8},
                                 {"robust_prev", at.robust_prev, 8},
                                 {"robust_head", at.robust_head_list, 8}};
  for (const Member& member : own_pointers) {
    make_relative(block, member, block);
    make_relative(theirs, member, self);
  }
  int differences = compare(own_pointers, sizeof own_pointers / sizeof *own_pointers, block, theirs);
  const Member plain[] = {{"stack_guard", tcb.stack_guard, 8},
                          {"pointer_guard", tcb.pointer_guard, 8},
                          {"user_stack", at.user_stack, 1},
                          {"report_events", at.report_events, 1},
                          {"futex_offset", at.robust_head_futex_offset, 8},
                          {"stackblock", at.stackblock, 8},
                          {"stackblock_size", at.stackblock_size, 8},
                          {"guardsize", at.guardsize, 8},
                          {"multiple_threads", tcb.multiple_threads, 4},
                          {"feature_1", tcb.feature_1, 4}};
  differences += compare(plain, sizeof plain / sizeof *plain, block, theirs);

  // The registration itself, with calls that do nothing.
  static int calls;
  Rseq rseq;
  const ExtraTls extra = extra_tls(build, auxv, tunables);
  MainThread placed = thread;
  placed.extra_tls_offset = __rseq_offset;
  static char room[8192] __attribute__((aligned(64)));
  placed.block = room + 4096;
  // A kernel without rseq (qemu's) refuses ours as well.
  const SystemCall pretend = [](int64_t number, uint64_t, uint64_t, uint64_t, uint64_t) -> int64_t {
    calls++;
    return number == __NR_rseq && __rseq_size == 0 ? -ENOSYS : 0;
  };
  register_thread(build, auxv, tunables, placed, pretend, rseq);
  if (calls != 4 && tunables.number("glibc.pthread.rseq", 1)) differences++, printf("%d system calls\n", calls);
  if (rseq.size != __rseq_size)
    differences++, printf("rseq size %u, the genuine loader has %u\n", rseq.size, __rseq_size);
  if (rseq.offset != __rseq_offset)
    differences++, printf("rseq offset %ld, the genuine loader has %ld\n", rseq.offset, long{__rseq_offset});
  if (extra.align &&
      (__rseq_offset % static_cast<long>(extra.align) != 0 || -__rseq_offset < static_cast<long>(extra.size)))
    differences++, printf("extra TLS of %lu bytes does not fit at %ld\n", extra.size, long{__rseq_offset});
  return differences;
}

}  // namespace

int main(int, char**, char** environment) {
  const Build* build = build_of_this_libc();
  char** end = environment;
  while (*end) end++;
  auto* auxv = reinterpret_cast<AuxEntry*>(end + 1);
  Cpuid cpuid;
  static CpuFeatures cpu;
  Tunables tunables;
  if (!build || !detect(cpu, cpuid, build->minor, aux_value(auxv, kAuxHwcap2)) || tunables.read(*build, environment)) {
    puts("left to the genuine loader");
    return 2;
  }
  const int differences =
      compare_ro(*build, auxv, cpu, tunables) + compare_global(*build) + compare_thread(*build, auxv, tunables);
  printf("%s: %d differences\n", build->version, differences);
  return differences != 0;
}
