// Changes a 64-bit ELF file that a scene has built, to make what no linker makes: other flags, absurd counts, cyclic
// chains. Positions are file offsets. Knows only as much of ELF as the tests need, and nothing from src/elf: that is
// what is tested.
#pragma once

#include <elf.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

namespace pagefold::ld_test {

class ElfPatch {
 public:
  explicit ElfPatch(std::string path) : path_(std::move(path)) {
    std::ifstream in(path_, std::ios::binary);
    bytes_.assign(std::istreambuf_iterator<char>(in), {});
    if (bytes_.size() < sizeof(Elf64_Ehdr)) throw std::runtime_error("no ELF file: " + path_);
  }

  void save() const { std::ofstream(path_, std::ios::binary) << bytes_; }

  template <class T>
  T get(std::size_t at) const {
    T value;
    if (at + sizeof value > bytes_.size()) throw std::out_of_range("beyond the end of " + path_);
    std::memcpy(&value, bytes_.data() + at, sizeof value);
    return value;
  }

  template <class T>
  void put(std::size_t at, T value) {
    if (at + sizeof value > bytes_.size()) throw std::out_of_range("beyond the end of " + path_);
    std::memcpy(bytes_.data() + at, &value, sizeof value);
  }

  void truncate(std::size_t size) { bytes_.resize(size); }
  [[nodiscard]] std::size_t size() const { return bytes_.size(); }

  // Where the first program header of this type stands.
  [[nodiscard]] std::size_t program_header(Elf64_Word type) const {
    const auto header = get<Elf64_Ehdr>(0);
    for (std::size_t i = 0; i < header.e_phnum; ++i) {
      const std::size_t at = header.e_phoff + i * sizeof(Elf64_Phdr);
      if (get<Elf64_Phdr>(at).p_type == type) return at;
    }
    throw std::runtime_error("no such program header in " + path_);
  }

  // Where the entry of the dynamic section with this tag stands.
  [[nodiscard]] std::size_t dynamic(Elf64_Sxword tag) const {
    const auto segment = get<Elf64_Phdr>(program_header(PT_DYNAMIC));
    for (std::size_t at = segment.p_offset; at < segment.p_offset + segment.p_filesz; at += sizeof(Elf64_Dyn)) {
      if (get<Elf64_Dyn>(at).d_tag == tag) return at;
    }
    throw std::runtime_error("no such dynamic entry in " + path_);
  }

  // Where in the file the address stands that this dynamic entry holds.
  [[nodiscard]] std::size_t table(Elf64_Sxword tag) const { return offset_of(get<Elf64_Dyn>(dynamic(tag)).d_un.d_ptr); }

  void set_dynamic(Elf64_Sxword tag, Elf64_Xword value) { put(dynamic(tag) + offsetof(Elf64_Dyn, d_un), value); }

  void mark_needed_version_weak(const std::string& version) {
    const std::size_t strings = table(DT_STRTAB);
    for (std::size_t need = table(DT_VERNEED);; need += get<Elf64_Verneed>(need).vn_next) {
      for (std::size_t one = need + get<Elf64_Verneed>(need).vn_aux;; one += get<Elf64_Vernaux>(one).vna_next) {
        const auto aux = get<Elf64_Vernaux>(one);
        if (bytes_.c_str() + strings + aux.vna_name == version) {
          put<Elf64_Half>(one + offsetof(Elf64_Vernaux, vna_flags), VER_FLG_WEAK);
          return;
        }
        if (aux.vna_next == 0) break;
      }
      if (get<Elf64_Verneed>(need).vn_next == 0)
        throw std::runtime_error("no needed version " + version + " in " + path_);
    }
  }

 private:
  [[nodiscard]] std::size_t offset_of(Elf64_Addr address) const {
    const auto header = get<Elf64_Ehdr>(0);
    for (std::size_t i = 0; i < header.e_phnum; ++i) {
      const auto segment = get<Elf64_Phdr>(header.e_phoff + i * sizeof(Elf64_Phdr));
      if (segment.p_type == PT_LOAD && address >= segment.p_vaddr && address < segment.p_vaddr + segment.p_filesz) {
        return address - segment.p_vaddr + segment.p_offset;
      }
    }
    throw std::runtime_error("address outside of " + path_);
  }

  std::string path_;
  std::string bytes_;
};

}  // namespace pagefold::ld_test
