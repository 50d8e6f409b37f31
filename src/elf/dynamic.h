// The dynamic section of a loaded object, understood once: every table it names is looked up in the image and kept as a
// bounded view; whatever does not lie inside is a defect, and so is a string table that does not end with a zero (after
// that check, any offset below its size is a string). Read before anybody relocates the section in place.
// Sources: gABI chapter 5, psABI x86-64, binutils' GNU extensions.
#pragma once

#include "elf/bytes.h"
#include "elf/format.h"
#include "elf/hash.h"
#include "elf/image.h"

namespace pagefold::elf {

inline constexpr uint64_t kDtRelrSize = 35, kDtRelr = 36, kDtRelrEntry = 37;  // gABI; not in every <elf.h>

struct StringTable {
  const char* data = nullptr;
  uint64_t size = 0;

  // The string at `offset`, or null.
  const char* at(uint64_t offset) const { return offset < size ? data + offset : nullptr; }
};

struct AddressRange {
  uint64_t address = 0;  // as the file states it
  uint64_t size = 0;     // bytes
};

template <class E>
struct ObjectView {
  using Symbol = typename E::Symbol;
  using Rela = typename E::Rela;

  GnuHash gnu;            // first, with the symbols: one cache line answers most lookups
  Table<Symbol> symbols;  // an upper bound of the count: what fits into the segment
  StringTable strings;
  Table<uint16_t> versyms;  // null without versions
  SysvHash sysv;
  Table<typename E::Dynamic> entries;  // without the terminating DT_NULL
  Bytes verneed, verdef;               // to the end of their segment
  uint64_t verneed_count = 0, verdef_count = 0;
  Table<Rela> rela, plt_rela;
  uint64_t relative_count = 0;  // the first so many of `rela` are R_*_RELATIVE, says the file
  Table<uint64_t> relr;
  AddressRange init_array, fini_array, preinit_array;
  uint64_t init = 0, fini = 0, plt_got = 0;  // addresses, 0: absent
  const char* soname = nullptr;
  const char* rpath = nullptr;
  const char* runpath = nullptr;
  uint64_t flags = 0, flags_1 = 0;
  uint64_t tlsdesc_plt = 0, tlsdesc_got = 0;
  bool symbolic = false, text_relocations = false, bind_now = false, has_debug = false;
  uint64_t machine_plt = 0;  // DT_X86_64_PLT and friends, newer binutils

  // The string at an offset, or null.
  const char* string(uint64_t offset) const { return strings.at(offset); }
};

template <class E>
class DynamicReader {
 public:
  DynamicReader(const Image<E>& image, ObjectView<E>& out) : image_(image), out_(out) {}

  // `section`: PT_DYNAMIC.
  Defect read(uint64_t address, uint64_t size) {
    where_ = address;
    const Bytes rest = image_.rest(address);
    if (!rest.empty() && size > rest.size()) return {"dynamic section larger than its segment", address};
    uint64_t room = size < rest.size() ? size : rest.size();
    Table<Entry> all = rest.table<Entry>(0, room / sizeof(Entry));
    if (all.data == nullptr) return {"dynamic section outside the loaded segments", address};
    for (uint64_t i = 0; i < all.count && all[i].d_tag != DT_NULL; ++i) {
      note(all[i]);
      out_.entries = {all.data, i + 1};
    }
    if (const Defect defect = strings()) return defect;
    if (const Defect defect = names()) return defect;
    if (const Defect defect = symbols()) return defect;
    if (const Defect defect = relocations()) return defect;
    return arrays();
  }

 private:
  using Entry = typename E::Dynamic;
  static constexpr unsigned kPlainTags = 38;  // DT_NULL .. DT_RELRENT

  void note(const Entry& e) {
    const auto tag = static_cast<uint64_t>(e.d_tag);
    const uint64_t value = e.d_un.d_val;
    if (tag < kPlainTags) {
      plain_[tag] = value;
      seen_ |= uint64_t{1} << tag;
      return;
    }
    switch (tag) {
      case DT_GNU_HASH:
        gnu_hash_ = value;
        break;
      case DT_VERSYM:
        versym_ = value;
        break;
      case DT_VERNEED:
        verneed_ = value;
        break;
      case DT_VERNEEDNUM:
        out_.verneed_count = value;
        break;
      case DT_VERDEF:
        verdef_ = value;
        break;
      case DT_VERDEFNUM:
        out_.verdef_count = value;
        break;
      case DT_RELACOUNT:
        out_.relative_count = value;
        break;
      case DT_FLAGS_1:
        out_.flags_1 = value;
        break;
      case DT_TLSDESC_PLT:
        out_.tlsdesc_plt = value;
        break;
      case DT_TLSDESC_GOT:
        out_.tlsdesc_got = value;
        break;
      default:
        break;
    }
  }

  bool has(unsigned tag) const { return (seen_ >> tag & 1) != 0; }
  uint64_t value(unsigned tag) const { return plain_[tag]; }

  Defect strings() {
    if (!has(DT_STRTAB)) return {};
    const Bytes rest = image_.rest(value(DT_STRTAB));
    if (rest.empty()) return {"string table outside the loaded segments", value(DT_STRTAB)};
    uint64_t size = has(DT_STRSZ) ? value(DT_STRSZ) : rest.size();
    if (size > rest.size()) return {"string table larger than its segment", value(DT_STRTAB)};
    while (size > 0 && rest.data()[size - 1] != '\0') --size;
    out_.strings = {rest.data(), size};
    return {};
  }

  Defect name(unsigned tag, const char*& out, const char* what) {
    if (!has(tag)) return {};
    out = out_.string(value(tag));
    return out == nullptr ? Defect{what, value(tag)} : Defect{};
  }

  Defect names() {
    if (const Defect d = name(DT_SONAME, out_.soname, "SONAME outside the string table")) return d;
    if (const Defect d = name(DT_RPATH, out_.rpath, "RPATH outside the string table")) return d;
    if (const Defect d = name(DT_RUNPATH, out_.runpath, "RUNPATH outside the string table")) return d;
    for (const Entry& e : out_.entries) {
      const bool is_name = e.d_tag == DT_NEEDED || e.d_tag == static_cast<decltype(e.d_tag)>(DT_AUXILIARY) ||
                           e.d_tag == static_cast<decltype(e.d_tag)>(DT_FILTER);
      if (is_name && out_.string(e.d_un.d_val) == nullptr) return {"NEEDED outside the string table", e.d_un.d_val};
    }
    out_.flags = value(DT_FLAGS);
    out_.symbolic = has(DT_SYMBOLIC) || (out_.flags & DF_SYMBOLIC) != 0;
    out_.text_relocations = has(DT_TEXTREL) || (out_.flags & DF_TEXTREL) != 0;
    out_.bind_now = has(DT_BIND_NOW) || (out_.flags & DF_BIND_NOW) != 0 || (out_.flags_1 & DF_1_NOW) != 0;
    out_.has_debug = has(DT_DEBUG);
    out_.init = value(DT_INIT);
    out_.fini = value(DT_FINI);
    out_.plt_got = value(DT_PLTGOT);
    return {};
  }

  Defect symbols() {
    if (has(DT_SYMTAB)) {
      const Bytes rest = image_.rest(value(DT_SYMTAB));
      out_.symbols = rest.template table<typename E::Symbol>(0, rest.size() / sizeof(typename E::Symbol));
      if (out_.symbols.data == nullptr) return {"symbol table outside the loaded segments", value(DT_SYMTAB)};
    }
    if (gnu_hash_ != 0 && !read_gnu_hash(image_, gnu_hash_, out_.gnu)) return {"invalid GNU hash table", gnu_hash_};
    if (gnu_hash_ == 0 && has(DT_HASH) && !read_sysv_hash(image_, value(DT_HASH), out_.sysv))
      return {"invalid hash table", value(DT_HASH)};
    if (versym_ != 0) {
      const Bytes rest = image_.rest(versym_);
      out_.versyms = rest.table<uint16_t>(0, rest.size() / 2);
      if (out_.versyms.data == nullptr) return {"version table outside the loaded segments", versym_};
    }
    if (verneed_ != 0 && (out_.verneed = image_.rest(verneed_)).empty())
      return {"version requirements outside the loaded segments", verneed_};
    if (verdef_ != 0 && (out_.verdef = image_.rest(verdef_)).empty())
      return {"version definitions outside the loaded segments", verdef_};
    return {};
  }

  Defect relocations() {
    if (has(DT_REL) && value(DT_RELSZ) != 0) return {"REL relocations are not used on this machine", value(DT_REL)};
    if (has(DT_RELA) && value(DT_RELASZ) != 0) {
      if (has(DT_RELAENT) && value(DT_RELAENT) != sizeof(Rela))
        return {"relocation entries of unknown size", value(DT_RELA)};
      out_.rela = image_.template table<Rela>(value(DT_RELA), value(DT_RELASZ) / sizeof(Rela));
      if (out_.rela.data == nullptr) return {"relocations outside the loaded segments", value(DT_RELA)};
    }
    if (has(DT_JMPREL) && value(DT_PLTRELSZ) != 0) {
      if (has(DT_PLTREL) && value(DT_PLTREL) != DT_RELA) return {"PLT relocations of unknown kind", value(DT_JMPREL)};
      out_.plt_rela = image_.template table<Rela>(value(DT_JMPREL), value(DT_PLTRELSZ) / sizeof(Rela));
      if (out_.plt_rela.data == nullptr) return {"PLT relocations outside the loaded segments", value(DT_JMPREL)};
    }
    trim_shared_plt();
    if (has(kDtRelr) && value(kDtRelrSize) != 0) {
      if (has(kDtRelrEntry) && value(kDtRelrEntry) != 8) return {"RELR entries of unknown size", value(kDtRelr)};
      out_.relr = image_.template table<uint64_t>(value(kDtRelr), value(kDtRelrSize) / 8);
      if (out_.relr.data == nullptr) return {"RELR relocations outside the loaded segments", value(kDtRelr)};
    }
    if (out_.relative_count > out_.rela.count) out_.relative_count = out_.rela.count;
    return {};
  }

  // DT_RELASZ may or may not count the PLT's relocations that follow; they are processed once.
  void trim_shared_plt() {
    if (out_.plt_rela.empty() || out_.rela.empty()) return;
    if (out_.plt_rela.begin() >= out_.rela.begin() && out_.plt_rela.begin() < out_.rela.end())
      out_.rela.count = static_cast<uint64_t>(reinterpret_cast<const char*>(out_.plt_rela.begin()) -
                                              reinterpret_cast<const char*>(out_.rela.begin())) /
                        sizeof(Rela);
  }

  Defect array(unsigned tag, unsigned size_tag, AddressRange& out, const char* what) {
    if (!has(tag) || !has(size_tag)) return {};
    out = {value(tag), value(size_tag) / sizeof(typename E::Address) * sizeof(typename E::Address)};
    if (out.size != 0 && !image_.inside(out.address, out.size, 0)) return {what, out.address};
    return {};
  }

  Defect arrays() {
    if (out_.init != 0 && !image_.inside(out_.init, 1, PF_X)) return {"constructor outside the code", out_.init};
    if (out_.fini != 0 && !image_.inside(out_.fini, 1, PF_X)) return {"destructor outside the code", out_.fini};
    if (const Defect d =
            array(DT_INIT_ARRAY, DT_INIT_ARRAYSZ, out_.init_array, "constructor array outside the segments"))
      return d;
    if (const Defect d =
            array(DT_FINI_ARRAY, DT_FINI_ARRAYSZ, out_.fini_array, "destructor array outside the segments"))
      return d;
    return array(DT_PREINIT_ARRAY, DT_PREINIT_ARRAYSZ, out_.preinit_array,
                 "pre-constructor array outside the segments");
  }

  using Rela = typename E::Rela;
  const Image<E>& image_;
  ObjectView<E>& out_;
  uint64_t where_ = 0;
  uint64_t plain_[kPlainTags] = {};
  uint64_t seen_ = 0;
  uint64_t gnu_hash_ = 0, versym_ = 0, verneed_ = 0, verdef_ = 0;
};

}  // namespace pagefold::elf
