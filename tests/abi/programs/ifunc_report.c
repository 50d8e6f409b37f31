/* What every IFUNC symbol of libc and libm was resolved to: name, library and offset (some are resolved to the vDSO). Only by public means (dlsym runs the
 * resolver), so that it may run under any loader. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <stdio.h>
#include <string.h>

static int is_one_of_ours(const char* path) {
  const char* name = strrchr(path, '/');
  return name && (strcmp(name, "/libc.so.6") == 0 || strcmp(name, "/libm.so.6") == 0);
}

static uint32_t symbol_count(const uint32_t* gnu_hash) {
  const uint32_t buckets = gnu_hash[0], first = gnu_hash[1], bloom = gnu_hash[2];
  const uint32_t* bucket = gnu_hash + 4 + bloom * 2;
  const uint32_t* chain = bucket + buckets;
  uint32_t last = 0;
  for (uint32_t i = 0; i < buckets; i++)
    if (bucket[i] > last) last = bucket[i];
  if (last < first) return first;
  while (!(chain[last - first] & 1)) last++;
  return last + 1;
}

static int report(struct dl_phdr_info* info, size_t size, void* found) {
  (void)size;
  if (!is_one_of_ours(info->dlpi_name)) return 0;
  const ElfW(Dyn)* dynamic = NULL;
  for (int i = 0; i < info->dlpi_phnum; i++)
    if (info->dlpi_phdr[i].p_type == PT_DYNAMIC) dynamic = (const void*)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
  const ElfW(Sym)* symbols = NULL;
  const char* strings = NULL;
  const uint32_t* hash = NULL;
  for (; dynamic && dynamic->d_tag != DT_NULL; dynamic++) {
    if (dynamic->d_tag == DT_SYMTAB) symbols = (const void*)dynamic->d_un.d_ptr;
    if (dynamic->d_tag == DT_STRTAB) strings = (const void*)dynamic->d_un.d_ptr;
    if (dynamic->d_tag == DT_GNU_HASH) hash = (const void*)dynamic->d_un.d_ptr;
  }
  void* handle = dlopen(info->dlpi_name, RTLD_NOW | RTLD_NOLOAD);
  if (!handle || !symbols || !strings || !hash) return 1;
  for (uint32_t i = 1, n = symbol_count(hash); i < n; i++) {
    if (ELF64_ST_TYPE(symbols[i].st_info) != STT_GNU_IFUNC || symbols[i].st_shndx == SHN_UNDEF) continue;
    const char* name = strings + symbols[i].st_name;
    const char* address = dlsym(handle, name);
    Dl_info place = {0};
    if (!address || !dladdr(address, &place)) place.dli_fname = "nowhere", place.dli_fbase = (void*)address;
    const char* base = strrchr(place.dli_fname, '/');
    printf("%s %s -> %s %lx\n", strrchr(info->dlpi_name, '/') + 1, name, base ? base + 1 : place.dli_fname,
           (unsigned long)(address - (const char*)place.dli_fbase));
    ++*(int*)found;
  }
  dlclose(handle);
  return 0;
}

int main(void) {
  int found = 0;
  if (!dlopen("libm.so.6", RTLD_NOW)) return 1;
  dl_iterate_phdr(report, &found);
  return found == 0;
}
