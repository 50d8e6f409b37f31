// The two hash tables of dynamic symbols. `candidates` walks the symbols whose hash fits and stops when the visitor
// accepts one. Every index is compared with what lies inside the image, and a chain is left after as many steps as
// there are symbols: tables that loop or point outside find nothing. Sources: gABI chapter 5 (SysV); the GNU table as
// binutils writes and glibc reads it.
#pragma once

#include "elf/bytes.h"
#include "elf/format.h"
#include "elf/image.h"

namespace pagefold::elf {

// hash = hash * 33 + byte, four bytes a step: C++ names are long, and one multiplication after the other is what takes
// the time.
inline uint32_t gnu_hash(const char* name) {
  constexpr uint32_t k33 = 33, k33_2 = k33 * k33, k33_3 = k33_2 * k33, k33_4 = k33_3 * k33;
  const auto* bytes = reinterpret_cast<const unsigned char*>(name);
  for (uint32_t hash = 5381;; bytes += 4) {
    const uint32_t a = bytes[0];
    if (a == 0) return hash;
    const uint32_t b = bytes[1];
    if (b == 0) return hash * k33 + a;
    const uint32_t c = bytes[2];
    if (c == 0) return hash * k33_2 + a * k33 + b;
    const uint32_t d = bytes[3];
    if (d == 0) return hash * k33_3 + a * k33_2 + b * k33 + c;
    hash = hash * k33_4 + (a * k33_3 + b * k33_2) + (c * k33 + d);
  }
}

inline uint32_t sysv_hash(const char* name) {
  uint32_t hash = 0;
  for (; *name != '\0'; ++name) {
    hash = (hash << 4) + static_cast<unsigned char>(*name);
    hash ^= (hash >> 24) & 0xf0;
    hash &= 0x0fffffff;
  }
  return hash;
}

// 64-bit GNU hash table; empty (no buckets) when absent. Arranged so that a refusal by the filter, the usual answer,
// reads the first 16 bytes and one word of the filter.
struct GnuHash {
  const uint64_t* bloom = nullptr;
  uint32_t bloom_mask = 0;
  uint32_t bloom_shift = 0;
  const uint32_t* buckets = nullptr;
  const uint32_t* chains = nullptr;  // of symbol `first`
  uint32_t bucket_count = 0;
  uint32_t first = 0;        // first symbol in the table
  uint32_t chain_count = 0;  // hash values that lie inside the image

  bool maybe_has(uint32_t hash) const {
    const uint64_t word = bloom[(hash >> 6) & bloom_mask];
    return ((word >> (hash & 63)) & (word >> ((hash >> bloom_shift) & 63)) & 1) != 0;
  }

  // The bucket points outside, or its chain has no end: asked when a name was not found, to say why.
  bool is_broken_for(uint32_t hash) const {
    const uint32_t index = buckets[hash % bucket_count];
    if (index == 0) return false;
    if (index < first) return true;
    for (uint32_t i = index - first; i < chain_count; ++i)
      if ((chains[i] & 1) != 0) return false;
    return true;
  }

  // visit(symbol index) -> true to stop. Returns the index that was accepted, or 0.
  template <class Visit>
  uint32_t candidates(uint32_t hash, Visit&& visit) const {
    const uint32_t index = buckets[hash % bucket_count];
    if (index < first || index == 0) return 0;
    for (uint32_t i = index - first; i < chain_count; ++i) {
      const uint32_t value = chains[i];
      if (((value ^ hash) >> 1) == 0 && visit(first + i)) return first + i;
      if ((value & 1) != 0) break;
    }
    return 0;
  }
};

// Reads the table at `address`. Returns false if it does not lie inside the image.
template <class E>
bool read_gnu_hash(const Image<E>& image, uint64_t address, GnuHash& out) {
  const Bytes rest = image.rest(address);
  const Table<uint32_t> head = rest.table<uint32_t>(0, 4);
  if (head.data == nullptr) return false;
  const uint32_t buckets = head[0], words = head[2];
  if (buckets == 0 || words == 0 || (words & (words - 1)) != 0 || head[3] > 31) return false;
  const uint64_t bloom_at = 16, buckets_at = bloom_at + uint64_t{words} * 8,
                 chains_at = buckets_at + uint64_t{buckets} * 4;
  const Table<uint64_t> bloom = rest.table<uint64_t>(bloom_at, words);
  const Table<uint32_t> bucket = rest.table<uint32_t>(buckets_at, buckets);
  if (bloom.data == nullptr || bucket.data == nullptr) return false;
  out.bloom = bloom.data;
  out.bloom_mask = words - 1;
  out.bloom_shift = head[3];
  out.buckets = bucket.data;
  out.bucket_count = buckets;
  out.first = head[1];
  const uint64_t chains = rest.size() > chains_at ? (rest.size() - chains_at) / 4 : 0;
  out.chains = reinterpret_cast<const uint32_t*>(rest.data() + chains_at);
  out.chain_count = chains > 0xffffffff - out.first ? 0xffffffff - out.first : static_cast<uint32_t>(chains);
  return true;
}

struct SysvHash {
  const uint32_t* buckets = nullptr;
  const uint32_t* chains = nullptr;
  uint32_t bucket_count = 0;
  uint32_t chain_count = 0;  // equals the number of symbols

  bool is_broken_for(uint32_t hash) const {
    uint32_t index = buckets[hash % bucket_count], steps = 0;
    for (; steps < chain_count && index != 0 && index < chain_count; ++steps) index = chains[index];
    return index != 0;
  }

  template <class Visit>
  uint32_t candidates(uint32_t hash, Visit&& visit) const {
    uint32_t index = buckets[hash % bucket_count];
    for (uint32_t steps = 0; steps < chain_count && index != 0 && index < chain_count; ++steps, index = chains[index]) {
      if (visit(index)) return index;
    }
    return 0;
  }
};

template <class E>
bool read_sysv_hash(const Image<E>& image, uint64_t address, SysvHash& out) {
  const Bytes rest = image.rest(address);
  const Table<uint32_t> head = rest.table<uint32_t>(0, 2);
  if (head.data == nullptr) return false;
  const Table<uint32_t> words = rest.table<uint32_t>(8, uint64_t{head[0]} + head[1]);
  if (words.data == nullptr) return false;
  if (head[0] == 0) return true;
  out = {words.data, words.data + head[0], head[0], head[1]};
  return true;
}

}  // namespace pagefold::elf
