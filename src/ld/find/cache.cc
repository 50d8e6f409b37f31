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

bool tried = false;
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

void open_cache() {
  tried = true;
  const int64_t fd = sys::open(kCachePath, sys::kReadOnly | sys::kCloseOnExec);
  if (fd < 0) return;
  sys::Stat stat;
  if (!sys::failed(sys::fstat(fd, &stat)) && stat.size >= static_cast<int64_t>(sizeof(Header))) {
    const auto size = static_cast<uint64_t>(stat.size);
    const int64_t at = sys::map(0, size, sys::kProtRead, sys::kMapPrivate, fd, 0);
    if (!sys::failed(at)) {
      mapping = elf::Bytes(reinterpret_cast<const void*>(at), size);
      find_start();
    }
  }
  sys::close(fd);
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

}  // namespace

const char* look_up_cache(const char* name) {
  if (!tried) open_cache();
  if (header == nullptr) return nullptr;
  const elf::Table<Entry> entries = cache.table<Entry>(sizeof(Header), header->count);
  if (entries.data == nullptr) return nullptr;
  const auto order = [&](uint64_t i) {
    const char* key = cache.string(entries[i].key);
    return key == nullptr ? 1 : compare(name, key);
  };
  uint64_t low = 0, high = entries.count;  // the first entry that is not above `name`
  while (low < high) {
    const uint64_t middle = low + (high - low) / 2;
    if (order(middle) < 0)
      low = middle + 1;
    else
      high = middle;
  }
  const char* best = nullptr;
  unsigned best_priority = ~0u;
  for (; low < entries.count && order(low) == 0; ++low) {
    const Entry& entry = entries[low];
    if (entry.flags != kLibc6ForX8664) continue;
    const unsigned rank = entry.hwcap == 0 ? kMaxSubdirectories + 1 : priority(entry);
    if (rank == 0 || rank >= best_priority) continue;
    if (const char* path = cache.string(entry.value); path != nullptr) {
      best = path;
      best_priority = rank;
    }
  }
  return best;
}

void close_cache() {
  if (mapping.data() != nullptr) sys::unmap(sys::word(mapping.data()), mapping.size());
  mapping = cache = elf::Bytes();
  header = nullptr;
  tried = false;
}

}  // namespace pagefold::ld
