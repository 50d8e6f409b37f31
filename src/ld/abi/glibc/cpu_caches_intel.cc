// Intel: leaf 2 lists one-byte descriptors (Intel SDM 2A, CPUID, table 3-12); 0xff, or a leaf 2 that is not one, means
// leaf 4, which describes each cache. How many threads share a cache comes from leaf 4 and, corrected, from leaf 11.
#include "ld/abi/glibc/cpu_caches.h"

namespace pagefold::ld::glibc {
namespace {

struct Descriptor {
  uint8_t code, ways, line;
  CacheName cache;
  uint32_t size;
};
constexpr uint32_t kKiB = 1024;
constexpr Descriptor kDescriptors[] = {
    {0x06, 4, 32, kLevel1Instruction, 8 * kKiB},  {0x08, 4, 32, kLevel1Instruction, 16 * kKiB},
    {0x09, 4, 32, kLevel1Instruction, 32 * kKiB}, {0x0a, 2, 32, kLevel1Data, 8 * kKiB},
    {0x0c, 4, 32, kLevel1Data, 16 * kKiB},        {0x0d, 4, 64, kLevel1Data, 16 * kKiB},
    {0x0e, 6, 64, kLevel1Data, 24 * kKiB},        {0x21, 8, 64, kLevel2, 256 * kKiB},
    {0x22, 4, 64, kLevel3, 512 * kKiB},           {0x23, 8, 64, kLevel3, 1024 * kKiB},
    {0x25, 8, 64, kLevel3, 2048 * kKiB},          {0x29, 8, 64, kLevel3, 4096 * kKiB},
    {0x2c, 8, 64, kLevel1Data, 32 * kKiB},        {0x30, 8, 64, kLevel1Instruction, 32 * kKiB},
    {0x39, 4, 64, kLevel2, 128 * kKiB},           {0x3a, 6, 64, kLevel2, 192 * kKiB},
    {0x3b, 2, 64, kLevel2, 128 * kKiB},           {0x3c, 4, 64, kLevel2, 256 * kKiB},
    {0x3d, 6, 64, kLevel2, 384 * kKiB},           {0x3e, 4, 64, kLevel2, 512 * kKiB},
    {0x3f, 2, 64, kLevel2, 256 * kKiB},           {0x41, 4, 32, kLevel2, 128 * kKiB},
    {0x42, 4, 32, kLevel2, 256 * kKiB},           {0x43, 4, 32, kLevel2, 512 * kKiB},
    {0x44, 4, 32, kLevel2, 1024 * kKiB},          {0x45, 4, 32, kLevel2, 2048 * kKiB},
    {0x46, 4, 64, kLevel3, 4096 * kKiB},          {0x47, 8, 64, kLevel3, 8192 * kKiB},
    {0x48, 12, 64, kLevel2, 3072 * kKiB},         {0x49, 16, 64, kLevel2, 4096 * kKiB},
    {0x4a, 12, 64, kLevel3, 6144 * kKiB},         {0x4b, 16, 64, kLevel3, 8192 * kKiB},
    {0x4c, 12, 64, kLevel3, 12288 * kKiB},        {0x4d, 16, 64, kLevel3, 16384 * kKiB},
    {0x4e, 24, 64, kLevel2, 6144 * kKiB},         {0x60, 8, 64, kLevel1Data, 16 * kKiB},
    {0x66, 4, 64, kLevel1Data, 8 * kKiB},         {0x67, 4, 64, kLevel1Data, 16 * kKiB},
    {0x68, 4, 64, kLevel1Data, 32 * kKiB},        {0x78, 8, 64, kLevel2, 1024 * kKiB},
    {0x79, 8, 64, kLevel2, 128 * kKiB},           {0x7a, 8, 64, kLevel2, 256 * kKiB},
    {0x7b, 8, 64, kLevel2, 512 * kKiB},           {0x7c, 8, 64, kLevel2, 1024 * kKiB},
    {0x7d, 8, 64, kLevel2, 2048 * kKiB},          {0x7f, 2, 64, kLevel2, 512 * kKiB},
    {0x80, 8, 64, kLevel2, 512 * kKiB},           {0x82, 8, 32, kLevel2, 256 * kKiB},
    {0x83, 8, 32, kLevel2, 512 * kKiB},           {0x84, 8, 32, kLevel2, 1024 * kKiB},
    {0x85, 8, 32, kLevel2, 2048 * kKiB},          {0x86, 4, 64, kLevel2, 512 * kKiB},
    {0x87, 8, 64, kLevel2, 1024 * kKiB},          {0xd0, 4, 64, kLevel3, 512 * kKiB},
    {0xd1, 4, 64, kLevel3, 1024 * kKiB},          {0xd2, 4, 64, kLevel3, 2048 * kKiB},
    {0xd6, 8, 64, kLevel3, 1024 * kKiB},          {0xd7, 8, 64, kLevel3, 2048 * kKiB},
    {0xd8, 8, 64, kLevel3, 4096 * kKiB},          {0xdc, 12, 64, kLevel3, 2048 * kKiB},
    {0xdd, 12, 64, kLevel3, 4096 * kKiB},         {0xde, 12, 64, kLevel3, 8192 * kKiB},
    {0xe2, 16, 64, kLevel3, 2048 * kKiB},         {0xe3, 16, 64, kLevel3, 4096 * kKiB},
    {0xe4, 16, 64, kLevel3, 8192 * kKiB},         {0xea, 24, 64, kLevel3, 12288 * kKiB},
    {0xeb, 24, 64, kLevel3, 18432 * kKiB},        {0xec, 24, 64, kLevel3, 24576 * kKiB},
};

const Descriptor* find(uint32_t code) {
  for (const Descriptor& d : kDescriptors)
    if (d.code == code) return &d;
  return nullptr;
}

// Leaf 4, one cache a subleaf.
constexpr uint32_t kNoCache = 0, kDataCache = 1, kInstructionCache = 2;
uint32_t type_of(const CpuidWords& w) { return w.eax & 0x1f; }
uint32_t level_of(const CpuidWords& w) { return w.eax >> 5 & 7; }
uint32_t threads_of(const CpuidWords& w) { return w.eax >> 14 & 0x3ff; }  // less one

bool describes(const CpuidWords& w, CacheName cache) {
  const uint32_t level = level_of(w), type = type_of(w);
  if (cache == kLevel1Instruction) return level == 1 && type == kInstructionCache;
  if (cache == kLevel1Data) return level == 1 && type == kDataCache;
  return level == static_cast<uint32_t>(cache);  // kLevel2 = 2, ...
}

int64_t leaf_4(Cpuid& cpuid, CacheName cache, CacheProperty property) {
  for (uint32_t i = 0;; i++) {
    const CpuidWords w = cpuid(4, i);
    if (type_of(w) == kNoCache) return -1;
    if (!describes(w, cache)) continue;
    const uint32_t ways = (w.ebx >> 22) + 1, partitions = (w.ebx >> 12 & 0x3ff) + 1, line = (w.ebx & 0xfff) + 1;
    return property == kWays ? ways : property == kLine ? line : ways * partitions * line * (w.ecx + 1);
  }
}

// One register of leaf 2. 0: nothing here; `none_above_1` notes the descriptor "no second level or, if there is one, no
// third".
int64_t one_register(const CpuFeatures& cpu, Cpuid& cpuid, uint32_t word, CacheName cache, CacheProperty property,
                     bool& none_above_1) {
  if (word >> 31) return 0;  // reserved
  for (; word != 0; word >>= 8) {
    const uint32_t code = word & 0xff;
    if (code == 0xff) return leaf_4(cpuid, cache, property);
    if (code == 0x40) {
      none_above_1 = true;
      if (cache == kLevel3) return 0;
      continue;
    }
    // One value means level 3 on a single model, level 2 on all others; from there on glibc looks for level 2.
    if (code == 0x49 && cache == kLevel3 && cpu.family == 15 && cpu.model == 6) cache = kLevel2;
    const Descriptor* d = find(code);
    if (d && d->cache == cache) return property == kWays ? d->ways : property == kLine ? d->line : d->size;
  }
  return 0;
}

// The mask below the highest set bit of `count` and that bit itself.
uint32_t mask_of(uint32_t count) { return ~(~0u << (32 - static_cast<uint32_t>(__builtin_clz(count)))); }

struct Threads {
  uint32_t level2 = 0, level3 = 0;
  bool inclusive = true, found = false;
};

// The ids that leaf 4 gives each cache, until both levels (or the second alone) are there. Not found: some Pentium D
// end early.
Threads sharing(Cpuid& cpuid, bool has_level3) {
  Threads t;
  bool want2 = true, want3 = has_level3;
  for (uint32_t i = 0; want2 || want3; i++) {
    const CpuidWords w = cpuid(4, i);
    if (type_of(w) == kNoCache) return t;
    if (level_of(w) == 2 && want2) {
      t.level2 = threads_of(w);
      want2 = false;
    } else if (level_of(w) == 3 && want3) {
      t.level3 = threads_of(w);
      t.inclusive = (w.edx & 2) != 0;
      want3 = false;
    }
  }
  t.found = true;
  return t;
}

// Leaf 4 counts addressable ids; leaf 11 knows how many of them are shipped.
void count_shipped(Cpuid& cpuid, Threads& t, bool has_level3) {
  constexpr uint32_t kSmt = 0x100, kCore = 0x200;
  bool smt = t.level2 > 0 && has_level3;
  bool core = t.level3 > 0 || (t.level2 > 0 && !has_level3);
  for (uint32_t i = 0; smt || core; i++) {
    const CpuidWords w = cpuid(11, i);
    const uint32_t shipped = w.ebx & 0xff, type = w.ecx & 0xff00;
    if (shipped == 0 || type == 0) return;
    if (type == kSmt && smt) {
      t.level2 = (shipped - 1) & mask_of(t.level2);
      smt = false;
    } else if (type == kCore && core) {
      uint32_t& threads = has_level3 ? t.level3 : t.level2;
      threads = (shipped - 1) & mask_of(threads);
      core = false;
    }
  }
}

bool is_silvermont_pair(const CpuFeatures& cpu) {
  constexpr uint8_t kModels[] = {0x37, 0x4a, 0x4d, 0x5a, 0x5d};
  for (const uint8_t model : kModels)
    if (cpu.family == 6 && cpu.model == model) return true;
  return false;
}

}  // namespace

int64_t intel_cache(const CpuFeatures& cpu, Cpuid& cpuid, CacheName cache, CacheProperty property) {
  if (cpu.max_leaf < 2) return -1;
  const CpuidWords w = cpuid(2);
  if ((w.eax & 0xff) != 1) return leaf_4(cpuid, cache, property);
  bool none_above_1 = false;
  const uint32_t registers[] = {w.eax & ~0xffu, w.ebx, w.ecx, w.edx};
  for (const uint32_t word : registers)
    if (const int64_t found = one_register(cpu, cpuid, word, cache, property, none_above_1)) return found;
  return none_above_1 && (cache == kLevel2 || cache == kLevel3) ? -1 : 0;
}

Share intel_share(const CpuFeatures& cpu, Cpuid& cpuid, int64_t level3, int64_t level2) {
  const bool has_level3 = level3 > 0;
  Share share = has_level3 ? Share{level3, level3} : Share{level2, level2};
  Threads t;
  if (cpu.present.has(kHtt)) {
    uint32_t threads = 0;
    if (cpu.max_leaf >= 4) t = sharing(cpuid, has_level3);
    if (t.found) {
      if (cpu.max_leaf >= 11) count_shipped(cpuid, t, has_level3);
      if (t.level2 > 0) t.level2++;
      if (t.level3 > 0) t.level3++;
      threads = has_level3 ? t.level3 : t.level2;
      if (!has_level3 && threads > 2 && is_silvermont_pair(cpu)) threads = 2;
    } else {
      threads = cpu.present.word[k1][kEbx] >> 16 & 0xff;
    }
    if (share.per_thread > 0 && threads > 0) share.per_thread /= threads;
  }
  if (!t.inclusive) {
    share.per_thread += t.level2 > 0 ? level2 / t.level2 : level2;
    share.shared += level2;
  }
  return share;
}

}  // namespace pagefold::ld::glibc
