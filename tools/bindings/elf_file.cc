// The file is read whole; each table is walked once. A table that leaves the file makes the file unusable (null),
// nothing else: both loaders get the programs of a healthy system.
#include "elf_file.h"

#include <cstring>
#include <fstream>
#include <iterator>
#include <mutex>
#include <optional>
#include <stdexcept>

namespace pagefold::bindings {
namespace {

class Reader {
 public:
  explicit Reader(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    bytes_.assign(std::istreambuf_iterator<char>(in), {});
    header_ = at<Elf64_Ehdr>(0);
    if (std::memcmp(header_.e_ident, ELFMAG, SELFMAG) != 0 || header_.e_ident[EI_CLASS] != ELFCLASS64 ||
        header_.e_machine != EM_X86_64) {
      throw std::runtime_error("not an x86-64 file");
    }
    for (unsigned i = 0; i < header_.e_phnum; ++i) {
      segments_.push_back(at<Elf64_Phdr>(header_.e_phoff + i * sizeof(Elf64_Phdr)));
    }
  }

  template <class T>
  [[nodiscard]] T at(uint64_t offset) const {
    T value;
    if (offset > bytes_.size() || bytes_.size() - offset < sizeof value) throw std::out_of_range("beyond the end");
    std::memcpy(&value, bytes_.data() + offset, sizeof value);
    return value;
  }

  template <class T>
  [[nodiscard]] T at_address(uint64_t address) const {
    return at<T>(offset_of(address));
  }

  [[nodiscard]] std::string text(uint64_t offset) const {
    if (offset >= bytes_.size()) throw std::out_of_range("beyond the end");
    return {bytes_.c_str() + offset};
  }

  [[nodiscard]] uint64_t offset_of(uint64_t address) const {
    for (const Elf64_Phdr& one : segments_) {
      if (one.p_type == PT_LOAD && address >= one.p_vaddr && address < one.p_vaddr + one.p_filesz) {
        return address - one.p_vaddr + one.p_offset;
      }
    }
    throw std::out_of_range("no segment");
  }

  [[nodiscard]] const std::vector<Elf64_Phdr>& segments() const { return segments_; }
  [[nodiscard]] const Elf64_Phdr* segment(Elf64_Word type) const {
    for (const Elf64_Phdr& one : segments_) {
      if (one.p_type == type) return &one;
    }
    return nullptr;
  }

 private:
  std::string bytes_;
  Elf64_Ehdr header_{};
  std::vector<Elf64_Phdr> segments_;
};

using Dynamic = std::map<Elf64_Sxword, uint64_t>;

Dynamic dynamic_of(const Reader& reader) {
  Dynamic entries;
  const Elf64_Phdr* segment = reader.segment(PT_DYNAMIC);
  if (segment == nullptr) return entries;
  for (uint64_t at = segment->p_offset; at < segment->p_offset + segment->p_filesz; at += sizeof(Elf64_Dyn)) {
    const auto entry = reader.at<Elf64_Dyn>(at);
    if (entry.d_tag == DT_NULL) break;
    entries.emplace(entry.d_tag, entry.d_un.d_val);
  }
  return entries;
}

uint64_t value_of(const Dynamic& entries, Elf64_Sxword tag) {
  const auto found = entries.find(tag);
  return found == entries.end() ? 0 : found->second;
}

// The number of symbols stands nowhere but in the hash tables.
uint64_t symbol_count(const Reader& reader, const Dynamic& entries) {
  if (const uint64_t sysv = value_of(entries, DT_HASH); sysv != 0) return reader.at_address<uint32_t>(sysv + 4);
  const uint64_t table = value_of(entries, DT_GNU_HASH);
  if (table == 0) return 0;
  const auto buckets = reader.at_address<uint32_t>(table);
  const auto first = reader.at_address<uint32_t>(table + 4);
  const uint64_t bucket = table + 16 + reader.at_address<uint32_t>(table + 8) * 8ULL;
  uint32_t last = 0;
  for (uint32_t i = 0; i < buckets; ++i) last = std::max(last, reader.at_address<uint32_t>(bucket + i * 4ULL));
  if (last < first) return first;
  const uint64_t chain = bucket + buckets * 4ULL;
  while ((reader.at_address<uint32_t>(chain + (last - first) * 4ULL) & 1) == 0) ++last;
  return last + 1;
}

void read_symbols(const Reader& reader, const Dynamic& entries, ElfFile& file) {
  const uint64_t table = value_of(entries, DT_SYMTAB);
  if (table == 0) return;
  const uint64_t strings = reader.offset_of(value_of(entries, DT_STRTAB));
  const uint64_t count = symbol_count(reader, entries);
  for (uint64_t i = 0; i < count; ++i) {
    const auto symbol = reader.at_address<Elf64_Sym>(table + i * sizeof(Elf64_Sym));
    file.symbol_names.push_back(reader.text(strings + symbol.st_name));
    if (symbol.st_shndx == SHN_UNDEF || symbol.st_value == 0 || ELF64_ST_TYPE(symbol.st_info) == STT_TLS) continue;
    file.exported.emplace(symbol.st_value, file.symbol_names.back());
    file.address_of.emplace(file.symbol_names.back(), symbol.st_value);
  }
}

void read_rela(const Reader& reader, const Dynamic& entries, uint64_t table, uint64_t bytes, ElfFile& file) {
  for (uint64_t at = table; at + sizeof(Elf64_Rela) <= table + bytes; at += sizeof(Elf64_Rela)) {
    const auto one = reader.at_address<Elf64_Rela>(at);
    Site site{one.r_offset, 8, static_cast<uint32_t>(ELF64_R_TYPE(one.r_info)),
              static_cast<uint32_t>(ELF64_R_SYM(one.r_info))};
    if (site.type == R_X86_64_NONE) continue;
    if (site.type == R_X86_64_TLSDESC) site.bytes = 16;
    if (site.type == R_X86_64_32 || site.type == R_X86_64_32S || site.type == R_X86_64_PC32 ||
        site.type == R_X86_64_SIZE32) {
      site.bytes = 4;
    }
    if (site.type == R_X86_64_COPY) {
      site.bytes = reader.at_address<Elf64_Sym>(value_of(entries, DT_SYMTAB) + site.symbol * sizeof(Elf64_Sym)).st_size;
    }
    file.sites.push_back(site);
  }
}

// Each odd word is a bitmap of the 63 words after the current place, each even one a place.
void read_relr(const Reader& reader, uint64_t table, uint64_t bytes, ElfFile& file) {
  uint64_t place = 0;
  for (uint64_t at = table; at < table + bytes; at += 8) {
    const auto word = reader.at_address<uint64_t>(at);
    if ((word & 1) == 0) {
      file.sites.push_back({word, 8, R_X86_64_RELATIVE, 0});
      place = word + 8;
      continue;
    }
    for (unsigned bit = 1; bit < 64; ++bit) {
      if ((word >> bit & 1) != 0) file.sites.push_back({place + (bit - 1) * 8ULL, 8, R_X86_64_RELATIVE, 0});
    }
    place += 63 * 8ULL;
  }
}

void read_build_id(const Reader& reader, ElfFile& file) {
  for (const Elf64_Phdr& segment : reader.segments()) {
    if (segment.p_type != PT_NOTE) continue;
    for (uint64_t at = segment.p_offset; at + 12 <= segment.p_offset + segment.p_filesz;) {
      const auto note = reader.at<Elf64_Nhdr>(at);
      const uint64_t contents = at + 12 + (note.n_namesz + 3ULL) / 4 * 4;
      if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4) {
        for (uint64_t i = 0; i < note.n_descsz; ++i) file.build_id.push_back(reader.at<uint8_t>(contents + i));
        return;
      }
      at = contents + (note.n_descsz + 3ULL) / 4 * 4;
    }
  }
}

std::string interpreter(const Reader& reader) {
  const Elf64_Phdr* segment = reader.segment(PT_INTERP);
  return segment == nullptr ? "" : reader.text(segment->p_offset);
}

std::unique_ptr<ElfFile> read_file(const std::string& path) {
  const Reader reader(path);
  auto file = std::make_unique<ElfFile>();
  file->path = path;
  file->interpreter = interpreter(reader);
  file->start = ~0ULL;
  for (const Elf64_Phdr& one : reader.segments()) {
    if (one.p_type != PT_LOAD) continue;
    file->start = std::min<uint64_t>(file->start, one.p_vaddr / 4096 * 4096);
    file->end = std::max<uint64_t>(file->end, one.p_vaddr + one.p_memsz);
  }
  const Dynamic entries = dynamic_of(reader);
  read_symbols(reader, entries, *file);
  read_relr(reader, value_of(entries, DT_RELR), value_of(entries, DT_RELRSZ), *file);
  read_rela(reader, entries, value_of(entries, DT_RELA), value_of(entries, DT_RELASZ), *file);
  read_rela(reader, entries, value_of(entries, DT_JMPREL), value_of(entries, DT_PLTRELSZ), *file);
  file->init = value_of(entries, DT_INIT);
  file->init_array = value_of(entries, DT_INIT_ARRAY);
  file->init_entries = value_of(entries, DT_INIT_ARRAYSZ) / 8;
  file->preinit_array = value_of(entries, DT_PREINIT_ARRAY);
  file->preinit_entries = value_of(entries, DT_PREINIT_ARRAYSZ) / 8;
  read_build_id(reader, *file);
  return file;
}

}  // namespace

const ElfFile* elf_file(const std::string& path) {
  static std::mutex mutex;
  static std::map<std::string, std::unique_ptr<ElfFile>> known;
  const std::lock_guard lock(mutex);
  const auto found = known.find(path);
  if (found != known.end()) return found->second.get();
  std::unique_ptr<ElfFile> file;
  try {
    file = read_file(path);
  } catch (const std::exception&) {
    file = nullptr;
  }
  return known.emplace(path, std::move(file)).first->second.get();
}

std::string interpreter_of(const std::string& path) {
  try {
    return interpreter(Reader(path));
  } catch (const std::exception&) {
    return "";
  }
}

}  // namespace pagefold::bindings
