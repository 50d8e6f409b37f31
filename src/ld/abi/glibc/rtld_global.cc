// Values in the order of glibc's elf/rtld.c and sysdeps/x86/dl-procinfo.c.
#include "ld/abi/glibc/rtld_global.h"

namespace pagefold::ld::glibc {
namespace {

constexpr uint64_t kPageSize = 4096;
constexpr uint16_t kFpuDefault = 0x37f;  // x87 control word: 64-bit mantissa, all exceptions masked
constexpr int kStandardError = 2, kDepthFirst = 1, kExecutable = 7;
constexpr char kProfileOutput[] = "/var/tmp";

// Names that ld.so used for directories; fields of nine bytes.
constexpr char kHwcapFlags[3][9] = {"sse2", "x86_64", "avx512_1"};
constexpr char kPlatforms[4][9] = {"i586", "i686", "haswell", "xeon_phi"};

class Writer {
 public:
  explicit Writer(void* to) : to_(static_cast<char*>(to)) {}
  template <class T>
  void operator()(uint32_t offset, T value) const {
    if (present(offset)) __builtin_memcpy(to_ + offset, &value, sizeof value);
  }
  void bytes(uint32_t offset, const void* from, size_t size) const {
    if (present(offset)) __builtin_memcpy(to_ + offset, from, size);
  }

 private:
  char* to_;
};

// A recursive mutex: its kind is the fifth word of pthread_mutex_t.
void make_recursive(const Writer& write, uint32_t lock) {
  constexpr uint32_t kKind = 16, kRecursive = 1;
  if (present(lock)) write(lock + kKind, kRecursive);
}

}  // namespace

void fill_rtld_global_ro(void* ro, const Build& build, AuxEntry* auxv, const CpuFeatures& cpu,
                         const Tunables& tunables) {
  const auto& at = build.layout.rtld_global_ro;
  const Writer write(ro);
  const char* platform = cpu.platform[0] ? cpu.platform : reinterpret_cast<const char*>(aux_value(auxv, kAuxPlatform));
  write(at.dl_platform, platform);
  write(at.dl_platformlen, platform ? __builtin_strlen(platform) : 0ul);
  write(at.dl_pagesize, aux_value(auxv, kAuxPageSize, kPageSize));
  const uint64_t signal_stack = aux_value(auxv, kAuxMinSignalStack);
  write(at.dl_minsigstacksize, signal_stack ? signal_stack : cpu.signal_stack);
  write(at.dl_clktck, static_cast<int>(aux_value(auxv, kAuxClockTick)));
  write(at.dl_debug_fd, kStandardError);
  write(at.dl_lazy, 1);
  write(at.dl_fpu_control, static_cast<uint16_t>(aux_value(auxv, kAuxFpuControl, kFpuDefault)));
  write(at.dl_hwcap, cpu.hwcap);
  write(at.dl_hwcap2, aux_value(auxv, kAuxHwcap2));
  write(at.dl_hwcap3, aux_value(auxv, kAuxHwcap3));
  write(at.dl_hwcap4, aux_value(auxv, kAuxHwcap4));
  write(at.dl_auxv, auxv);
  write(at.dl_sysinfo_dso, aux_value(auxv, kAuxSysinfoEhdr));
  write.bytes(at.dl_x86_hwcap_flags, kHwcapFlags, sizeof kHwcapFlags);
  write.bytes(at.dl_x86_platforms, kPlatforms, sizeof kPlatforms);
  write(at.dl_profile_output, static_cast<const char*>(kProfileOutput));
  write(at.dl_dso_sort_algo, kDepthFirst);
  write(at.dl_tls_static_surplus, tls_surplus(tunables).surplus);
  store(cpu, build.layout, static_cast<char*>(ro) + at.dl_x86_cpu_features);
}

void fill_rtld_global(void* global, const Build& build) {
  const auto& at = build.layout.rtld_global;
  const Writer write(global);
  write(at.dl_nns, uint64_t{1});
  make_recursive(write, at.dl_load_lock);
  make_recursive(write, at.dl_load_write_lock);
  make_recursive(write, at.dl_load_tls_lock);
  make_recursive(write, at.dl_ns + build.layout.link_namespaces.ns_unique_sym_table_lock);
  write(at.dl_stack_flags, kExecutable);  // until PT_GNU_STACK says otherwise
  for (const uint32_t list : {at.dl_stack_used, at.dl_stack_user, at.dl_stack_cache}) {
    char* head = static_cast<char*>(global) + list;
    write(list, head);
    write(list + 8, head);
  }
}

}  // namespace pagefold::ld::glibc
