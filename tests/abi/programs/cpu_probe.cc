// Fills cpu_features as ld-pagefold.so would and compares it with what the loader of this very process has filled: one
// line a difference, exit code 0 if there is none, 2 if this processor or libc is one for the genuine loader. Uses libc
// alone, so that it runs on any glibc and processor (under another loader, or under qemu-user with -cpu).
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>

#include "abi/programs/own_libc.h"
#include "ld/abi/glibc/cpu_features.h"

using namespace pagefold::ld::glibc;

int main() {
  const Build* build = build_of_this_libc();
  const char* ro = static_cast<const char*>(dlsym(RTLD_DEFAULT, "_rtld_global_ro"));
  if (!build || !ro) {
    puts(build ? "no _rtld_global_ro" : "no table for this libc");
    return 2;
  }
  const Layout& layout = build->layout;
  Cpuid cpuid;
  CpuFeatures cpu;
  if (!detect(cpu, cpuid, build->minor, getauxval(AT_HWCAP2))) {
    printf("%s: left to the genuine loader: vendor %d, family %u\n", build->version, static_cast<int>(cpu.vendor),
           cpu.family);
    return 2;
  }
  static char ours[4096];
  if (layout.cpu_features.size > sizeof ours) return 1;
  store(cpu, layout, ours);
  static char theirs[sizeof ours];
  memcpy(theirs, ro + layout.rtld_global_ro.dl_x86_cpu_features, layout.cpu_features.size);
  forget_processor_number(ours, layout);
  forget_processor_number(theirs, layout);
  int differences = 0;
  for (uint32_t i = 0; i < layout.cpu_features.size; i += 4) {
    uint32_t a, b;
    memcpy(&a, ours + i, 4);
    memcpy(&b, theirs + i, 4);
    if (a == b) continue;
    printf("cpu_features + %u: %#x, the genuine loader has %#x\n", i, a, b);
    differences++;
  }
  const char* platform;
  uint64_t hwcap;
  memcpy(&platform, ro + layout.rtld_global_ro.dl_platform, sizeof platform);
  memcpy(&hwcap, ro + layout.rtld_global_ro.dl_hwcap, sizeof hwcap);
  const char* our_platform = cpu.platform[0] ? cpu.platform : reinterpret_cast<const char*>(getauxval(AT_PLATFORM));
  if (!our_platform) our_platform = "";
  if (strcmp(our_platform, platform ? platform : "") != 0)
    differences++, printf("platform %s, the genuine loader has %s\n", our_platform, platform ? platform : "none");
  if (hwcap != cpu.hwcap) differences++, printf("hwcap %#lx, the genuine loader has %#lx\n", cpu.hwcap, hwcap);
  if (!getauxval(AT_MINSIGSTKSZ)) {
    uint64_t size;
    memcpy(&size, ro + layout.rtld_global_ro.dl_minsigstacksize, sizeof size);
    if (size != cpu.signal_stack)
      differences++, printf("minsigstacksize %u, the genuine loader has %lu\n", cpu.signal_stack, size);
  }
  printf("%s: family %u model %u: %d differences, %zu CPUID instructions\n", build->version, cpu.family, cpu.model,
         differences, cpuid.executed());
  return differences != 0;
}
