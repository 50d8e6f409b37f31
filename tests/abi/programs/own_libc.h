// The table row of the libc that a probe runs on. Uses libc alone.
#pragma once

#include <link.h>
#include <string.h>

#include "ld/abi/glibc/layout.h"

inline const pagefold::ld::glibc::Build* build_of_this_libc() {
  using namespace pagefold::ld::glibc;
  const Build* found = nullptr;
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* out) {
        if (!strstr(info->dlpi_name, "/libc.so.6")) return 0;
        for (int i = 0; i < info->dlpi_phnum; i++) {
          const ElfW(Phdr)& header = info->dlpi_phdr[i];
          if (header.p_type != PT_NOTE) continue;
          const char* at = reinterpret_cast<const char*>(info->dlpi_addr + header.p_vaddr);
          const char* end = at + header.p_memsz;
          while (at + sizeof(ElfW(Nhdr)) < end) {
            const auto* note = reinterpret_cast<const ElfW(Nhdr)*>(at);
            const char* desc = at + sizeof *note + ((note->n_namesz + 3) & ~3U);
            if (note->n_type == NT_GNU_BUILD_ID)
              *static_cast<const Build**>(out) = find_build({reinterpret_cast<const uint8_t*>(desc), note->n_descsz});
            at = desc + ((note->n_descsz + 3) & ~3U);
          }
        }
        return 1;
      },
      &found);
  return found;
}

// CPUID 1 names in the highest byte of EBX the processor that was asked: another one if the kernel moved this process
// meanwhile.
inline void forget_processor_number(char* cpu_features, const pagefold::ld::glibc::Layout& layout) {
  cpu_features[layout.cpu_features.features + 7] = 0;
}
