// The two classes of ELF as bundles of types, so that whatever does not depend on the class is written once. Fields are
// read as they lie: a file of the other byte order is refused by `check_header`, not converted. Source of all names and
// numbers: gABI chapters 4 and 5, <elf.h>.
#pragma once

#include <elf.h>

#include <cstdint>

namespace pagefold::elf {

struct Elf64 {
  using Header = Elf64_Ehdr;
  using Segment = Elf64_Phdr;
  using Dynamic = Elf64_Dyn;
  using Symbol = Elf64_Sym;
  using Rela = Elf64_Rela;
  using Address = uint64_t;
  static constexpr unsigned char kClass = ELFCLASS64;
};

struct Elf32 {
  using Header = Elf32_Ehdr;
  using Segment = Elf32_Phdr;
  using Dynamic = Elf32_Dyn;
  using Symbol = Elf32_Sym;
  using Rela = Elf32_Rela;
  using Address = uint32_t;
  static constexpr unsigned char kClass = ELFCLASS32;
};

// What is wrong with a file: a sentence without full stop (glibc's own where it has one) and the byte of the file, or
// of the image, that shows it. A null `what` means nothing is wrong.
struct Defect {
  const char* what = nullptr;
  uint64_t where = 0;

  explicit operator bool() const { return what != nullptr; }
};

}  // namespace pagefold::elf
