// The two instructions, and the memory: a short array searched from its start.
#include "ld/abi/glibc/cpuid.h"

namespace pagefold::ld::glibc {

CpuidWords execute_cpuid(uint32_t leaf, uint32_t subleaf, void*) {
  CpuidWords w;
  asm volatile("cpuid" : "=a"(w.eax), "=b"(w.ebx), "=c"(w.ecx), "=d"(w.edx) : "a"(leaf), "c"(subleaf));
  return w;
}

uint64_t execute_xgetbv(void*) {
  uint32_t low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return static_cast<uint64_t>(high) << 32 | low;
}

CpuidWords Cpuid::operator()(uint32_t leaf, uint32_t subleaf) {
  const size_t known = executed_ < kRemembered ? executed_ : kRemembered;
  for (size_t i = 0; i < known; i++)
    if (entry_[i].leaf == leaf && entry_[i].subleaf == subleaf) return entry_[i].words;
  const CpuidWords words = read_(leaf, subleaf, context_);
  if (executed_ < kRemembered) entry_[executed_] = {leaf, subleaf, words};
  executed_++;
  return words;
}

}  // namespace pagefold::ld::glibc
