// CPUID with a memory. In a virtual machine every CPUID traps to the hypervisor and costs as much as hundreds of
// ordinary instructions; glibc's own start-up asks for some leaves a dozen times. Here the code may ask as it likes:
// each (leaf, subleaf) is executed once. The instruction is a function, so that a test can describe a processor that it
// does not run on.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pagefold::ld::glibc {

struct CpuidWords {
  uint32_t eax, ebx, ecx, edx;
};

CpuidWords execute_cpuid(uint32_t leaf, uint32_t subleaf, void* unused);
// XCR0, the register states that the kernel has switched on; only where CPUID reports OSXSAVE.
uint64_t execute_xgetbv(void* unused);

class Cpuid {
 public:
  using Read = CpuidWords (*)(uint32_t leaf, uint32_t subleaf, void* context);
  using ReadXcr0 = uint64_t (*)(void* context);
  Cpuid() : Cpuid(execute_cpuid, execute_xgetbv, nullptr) {}
  Cpuid(Read read, ReadXcr0 read_xcr0, void* context) : read_(read), read_xcr0_(read_xcr0), context_(context) {}

  CpuidWords operator()(uint32_t leaf, uint32_t subleaf = 0);
  uint64_t xcr0() const { return read_xcr0_(context_); }
  size_t executed() const { return executed_; }

 private:
  static constexpr size_t kRemembered =
      48;  // a full table asks again; no known processor has that many leaves of interest
  struct Entry {
    uint32_t leaf, subleaf;
    CpuidWords words;
  };
  Read read_;
  ReadXcr0 read_xcr0_;
  void* context_;
  size_t executed_ = 0;
  Entry entry_[kRemembered];
};

}  // namespace pagefold::ld::glibc
