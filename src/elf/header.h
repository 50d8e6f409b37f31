// Is this a file that can be loaded at all? The questions and their order are glibc's (elf/dl-load.c, open_verify),
// because users know the answers by heart: "invalid ELF header", "file too short", ...
#pragma once

#include "elf/bytes.h"
#include "elf/format.h"

namespace pagefold::elf {

enum class Verdict : uint8_t {
  kGood,
  kOtherClass,    // 32-bit file for a 64-bit program: a search goes on, and remembers that there was one
  kOtherMachine,  // a search goes on
  kBad,
};

struct HeaderCheck {
  Verdict verdict = Verdict::kGood;
  Defect defect;
};

inline constexpr uint64_t kElfMagicSize = 4;
inline constexpr unsigned kLargestGnuAbiVersion = 4;  // LIBC_ABI_UNIQUE, IFUNC, absolute symbols, DT_GNU_HASH only

template <class E>
bool plain_identification(const unsigned char* ident) {
  if (ident[EI_MAG0] != ELFMAG0 || ident[EI_MAG1] != ELFMAG1 || ident[EI_MAG2] != ELFMAG2 || ident[EI_MAG3] != ELFMAG3)
    return false;
  if (ident[EI_CLASS] != E::kClass || ident[EI_DATA] != ELFDATA2LSB || ident[EI_VERSION] != EV_CURRENT) return false;
  const bool system_v = ident[EI_OSABI] == ELFOSABI_SYSV && ident[EI_ABIVERSION] == 0;
  const bool gnu = ident[EI_OSABI] == ELFOSABI_GNU && ident[EI_ABIVERSION] < kLargestGnuAbiVersion;
  if (!system_v && !gnu) return false;
  for (unsigned i = EI_PAD; i < EI_NIDENT; ++i)
    if (ident[i] != 0) return false;
  return true;
}

// Why `plain_identification` said no.
template <class E>
HeaderCheck explain_identification(const unsigned char* ident) {
  const auto bad = [](const char* what, uint64_t where) { return HeaderCheck{Verdict::kBad, {what, where}}; };
  if (ident[EI_MAG0] != ELFMAG0 || ident[EI_MAG1] != ELFMAG1 || ident[EI_MAG2] != ELFMAG2 || ident[EI_MAG3] != ELFMAG3)
    return bad("invalid ELF header", EI_MAG0);
  if (ident[EI_CLASS] != E::kClass) return {Verdict::kOtherClass, {"wrong ELF class", EI_CLASS}};
  if (ident[EI_DATA] != ELFDATA2LSB) return bad("ELF file data encoding not little-endian", EI_DATA);
  if (ident[EI_VERSION] != EV_CURRENT) return bad("ELF file version ident does not match current one", EI_VERSION);
  if (ident[EI_OSABI] != ELFOSABI_SYSV && ident[EI_OSABI] != ELFOSABI_GNU)
    return bad("ELF file OS ABI invalid", EI_OSABI);
  for (unsigned i = EI_PAD; i < EI_NIDENT; ++i)
    if (ident[i] != 0) return bad("nonzero padding in e_ident", i);
  return bad("ELF file ABI version invalid", EI_ABIVERSION);
}

// `file` is the beginning of the file, as much as was read (at least a header, or the file is too short). Says nothing
// about the program headers yet: those may lie further on.
template <class E>
HeaderCheck check_header(Bytes file, unsigned machine) {
  const auto* header = file.at<typename E::Header>(0);
  if (header == nullptr) return {Verdict::kBad, {"file too short", file.size()}};
  if (!plain_identification<E>(header->e_ident)) return explain_identification<E>(header->e_ident);
  const auto bad = [](const char* what, uint64_t where) { return HeaderCheck{Verdict::kBad, {what, where}}; };
  using H = typename E::Header;
  if (header->e_version != EV_CURRENT)
    return bad("ELF file version does not match current one", offsetof(H, e_version));
  if (header->e_machine != machine) return {Verdict::kOtherMachine, {"wrong machine", offsetof(H, e_machine)}};
  if (header->e_type != ET_DYN && header->e_type != ET_EXEC)
    return bad("only ET_DYN and ET_EXEC can be loaded", offsetof(H, e_type));
  if (header->e_phentsize != sizeof(typename E::Segment))
    return bad("ELF file's phentsize not the expected size", offsetof(H, e_phentsize));
  return {};
}

}  // namespace pagefold::elf
