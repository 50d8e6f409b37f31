// Layout (glibc, sysdeps/generic/dl-cache.h): "glibc-ld.so.cache" "1.1", counts, entries sorted by name in descending
// natural order, strings; since 2.33 an extension with the names of glibc-hwcaps directories. Offsets count from the
// magic.
#include "ld/find/cache.h"

#include "elf/bytes.h"
#include "ld/base/sys.h"
#include "ld/base/text.h"
#include "ld/find/search_path.h"

namespace pagefold::ld {
namespace {

constexpr const char* kCachePath = "/etc/ld.so.cache";
constexpr const char* kMagic = "glibc-ld.so.cache1.1";
constexpr const char* kOldMagic = "ld.so-1.7.0";
constexpr uint32_t kLibc6ForX8664 = 0x0303;
constexpr uint64_t kNamedHwcap = uint64_t{1} << 62;
constexpr uint32_t kExtensionMagic = 0xeaa42174, kHwcapsTag = 1;

struct Header {
  char magic[20];
  uint32_t count, string_size;
  uint8_t flags, padding[3];
  uint32_t extension, unused[3];
};
static_assert(sizeof(Header) == 48);

struct Entry {
  uint32_t flags, key, value, os_version;
  uint64_t hwcap;
} __attribute__((packed));
static_assert(sizeof(Entry) == 24);

struct OldHeader {
  char magic[11];
  uint8_t padding;
  uint32_t count;
};

struct Section {
  uint32_t tag, flags, offset, size;
};

// So many names are looked up by reading the few entries that a search passes. A mapping, its first touch and its end cost as
// much as many reads - in a guest of Pagefold as hundreds -, and most programs ask for one name or two.
constexpr unsigned kLookupsByReading = 3;

bool tried = false;
int64_t file = -1;  // until it is mapped
uint64_t file_size = 0;
unsigned lookups = 0;
elf::Bytes mapping, cache;
const Header* header = nullptr;
elf::Table<uint32_t> hwcap_names;  // offsets of strings

void read_extension() {
  hwcap_names = {};
  if (header->extension == 0) return;
  const elf::Table<uint32_t> words = cache.table<uint32_t>(header->extension, 2);
  if (words.data == nullptr || words[0] != kExtensionMagic) return;
  const elf::Table<Section> sections = cache.table<Section>(uint64_t{header->extension} + 8, words[1]);
  for (const Section& section : sections)
    if (section.tag == kHwcapsTag) hwcap_names = cache.table<uint32_t>(section.offset, section.size / 4);
}

void find_start() {
  uint64_t start = 0;
  if (mapping.size() > sizeof(OldHeader) && memcmp(mapping.data(), kOldMagic, 11) == 0) {
    const auto* old = mapping.at<OldHeader>(0);
    start = (sizeof(OldHeader) + uint64_t{old->count} * 12 + 7) & ~uint64_t{7};
  }
  cache = mapping.from(start);
  header = cache.at<Header>(0);
  if (header != nullptr && memcmp(header->magic, kMagic, sizeof(header->magic)) != 0) header = nullptr;
  if (header != nullptr) read_extension();
}

void close_file() {
  if (file >= 0) sys::close(file);
  file = -1;
}

void open_cache() {
  tried = true;
  lookups = 0;
  file = sys::open(kCachePath, sys::kReadOnly | sys::kCloseOnExec);
  sys::Stat stat;
  if (file >= 0 && !sys::failed(sys::fstat(file, &stat)) && stat.size >= static_cast<int64_t>(sizeof(Header)))
    file_size = static_cast<uint64_t>(stat.size);
  else
    close_file();
}

void map_cache() {
  if (file < 0) return;
  const int64_t at = sys::map(0, file_size, sys::kProtRead, sys::kMapPrivate, file, 0);
  close_file();
  if (sys::failed(at)) return;
  mapping = elf::Bytes(reinterpret_cast<const void*>(at), file_size);
  find_start();
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// ldconfig's order: runs of digits compare as numbers, and count above everything else.
int compare(const char* a, const char* b) {
  while (*a != '\0') {
    if (is_digit(*a)) {
      if (!is_digit(*b)) return 1;
      uint64_t x = 0, y = 0;
      while (is_digit(*a)) x = x * 10 + static_cast<uint64_t>(*a++ - '0');
      while (is_digit(*b)) y = y * 10 + static_cast<uint64_t>(*b++ - '0');
      if (x != y) return x < y ? -1 : 1;
    } else if (is_digit(*b)) {
      return -1;
    } else if (*a != *b) {
      return static_cast<unsigned char>(*a) - static_cast<unsigned char>(*b);
    } else {
      ++a, ++b;
    }
  }
  return -static_cast<int>(static_cast<unsigned char>(*b));
}

// 0: not for this processor; otherwise the smaller the better. An entry without named hwcap comes last.
unsigned priority(const Entry& entry) {
  if ((entry.hwcap & kNamedHwcap) == 0) return entry.hwcap == 0 ? kMaxSubdirectories + 1 : 0;
  const auto index = static_cast<uint32_t>(entry.hwcap);
  const char* name = index < hwcap_names.count ? cache.string(hwcap_names[index]) : nullptr;
  if (name == nullptr) return 0;
  const Subdirectories& subs = subdirectories();
  constexpr size_t kPrefix = 13;  // "glibc-hwcaps/"
  for (unsigned i = 0; i < subs.hwcaps; ++i) {
    const char* level = subs.name[i] + kPrefix;
    if (equal(level, strlen(level) - 1, name)) return i + 1;
  }
  return 0;
}

// The whole file, mapped.
class Mapped {
 public:
  bool ready() {
    if (header != nullptr) entries_ = cache.table<Entry>(sizeof(Header), header->count);
    return entries_.data != nullptr;
  }
  uint64_t count() const { return entries_.count; }
  bool entry(uint64_t i, Entry& out) {
    out = entries_[i];
    return true;
  }
  const char* string(uint32_t offset) { return cache.string(offset); }
  const char* keep(const char* path) { return path; }
  unsigned rank(const Entry& entry) { return priority(entry); }

 private:
  elf::Table<Entry> entries_{};
};

// What the search asks for, read piece by piece. Anything out of the ordinary - the old format in front, an entry for a kind of processor,
// a long name, a read that fails - is left to the mapping: useless().
class Reading {
 public:
  bool ready() {
    useless_ = !read(&header_, sizeof header_, 0) || memcmp(header_.magic, kMagic, sizeof(header_.magic)) != 0 ||
               (file_size - sizeof header_) / sizeof(Entry) < header_.count;
    return !useless_;
  }
  bool useless() const { return useless_; }
  uint64_t count() const { return header_.count; }
  bool entry(uint64_t i, Entry& out) {
    if (!useless_ && read(&out, sizeof out, sizeof(Header) + i * sizeof(Entry))) return true;
    useless_ = true;
    return false;
  }
  const char* string(uint32_t offset) {
    const int64_t got = offset < file_size ? sys::read_at(file, text_, sizeof text_, offset) : 0;
    for (int64_t i = 0; i < got; ++i)
      if (text_[i] == '\0') return text_;
    useless_ = true;
    return nullptr;
  }
  const char* keep(const char* path) {
    memcpy(kept_, path, strlen(path) + 1);
    return kept_;
  }
  unsigned rank(const Entry&) {
    useless_ = true;
    return 0;
  }

 private:
  static bool read(void* to, uint64_t size, uint64_t offset) {
    return sys::read_at(file, to, size, offset) == static_cast<int64_t>(size);
  }

  static constexpr uint64_t kLongest = 256;
  static inline char kept_[kLongest];
  Header header_;
  char text_[kLongest];
  bool useless_ = false;
};

template <class Table>
const char* search(Table& table, const char* name) {
  if (!table.ready()) return nullptr;
  Entry entry;
  const auto order = [&](uint64_t i) {
    const char* key = table.entry(i, entry) ? table.string(entry.key) : nullptr;
    return key == nullptr ? 1 : compare(name, key);
  };
  uint64_t low = 0, high = table.count();  // the first entry that is not above `name`
  while (low < high) {
    const uint64_t middle = low + (high - low) / 2;
    if (order(middle) < 0)
      low = middle + 1;
    else
      high = middle;
  }
  const char* best = nullptr;
  unsigned best_priority = ~0u;
  for (; low < table.count() && order(low) == 0; ++low) {
    if (entry.flags != kLibc6ForX8664) continue;
    const unsigned rank = entry.hwcap == 0 ? kMaxSubdirectories + 1 : table.rank(entry);
    if (rank == 0 || rank >= best_priority) continue;
    if (const char* path = table.string(entry.value); path != nullptr) {
      best = table.keep(path);
      best_priority = rank;
    }
  }
  return best;
}

// The C library is looked for twice: first to see whether it is one that this loader knows.
struct ReadLast {
  char name[32];
  const char* path;

  bool is(const char* other) const { return name[0] != '\0' && equal(name, other); }
  void set(const char* to, const char* its_path) {
    path = its_path;
    name[0] = '\0';
    if (strlen(to) < sizeof name) memcpy(name, to, strlen(to) + 1);
  }
};
ReadLast read_last{};

}  // namespace

const char* look_up_cache(const char* name) {
  if (!tried) open_cache();
  if (file >= 0 && read_last.is(name)) return read_last.path;
  if (file >= 0 && lookups++ < kLookupsByReading) {
    Reading reading;
    const char* path = search(reading, name);
    if (!reading.useless()) {
      read_last.set(name, path);
      return path;
    }
  }
  map_cache();
  Mapped mapped;
  return search(mapped, name);
}

void close_cache() {
  close_file();
  if (mapping.data() != nullptr) sys::unmap(sys::word(mapping.data()), mapping.size());
  mapping = cache = elf::Bytes();
  header = nullptr;
  read_last = {};
  tried = false;
}

}  // namespace pagefold::ld
