#include "vm/page_set.h"

#include <algorithm>
#include <cassert>

namespace pagefold::vm {
namespace {

// Bits [from, to) of a word; 0 <= from < to <= 64.
constexpr std::uint64_t bits(unsigned from, unsigned to) {
  const std::uint64_t upper = to == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << to) - 1;
  return upper & ~((std::uint64_t{1} << from) - 1);
}

// The part of word `word` that lies within pages [first, last) of a chunk; 0 when none does.
constexpr std::uint64_t word_mask(unsigned word, PageIndex first, PageIndex last) {
  const PageIndex lo = word * PageIndex{64};
  const PageIndex from = std::max(first, lo);
  const PageIndex to = std::min(last, lo + 64);
  return from < to ? bits(static_cast<unsigned>(from - lo), static_cast<unsigned>(to - lo)) : 0;
}

}  // namespace

bool PageSet::test(PageIndex page) const {
  const auto it = chunks_.find(page / kChunkPages);
  if (it == chunks_.end()) return false;
  const PageIndex in = page % kChunkPages;
  return (it->second[in / 64] >> (in % 64)) & 1;
}

bool PageSet::set(PageIndex page) {
  const PageIndex in = page % kChunkPages;
  std::uint64_t& word = chunks_[page / kChunkPages][in / 64];
  const std::uint64_t bit = std::uint64_t{1} << (in % 64);
  const bool fresh = (word & bit) == 0;
  word |= bit;
  count_ += fresh;
  return fresh;
}

bool PageSet::clear(PageIndex page) { return clear_range(page, page + 1) == 1; }

void PageSet::set_range(PageIndex first, PageIndex last) {
  for (PageIndex at = first; at < last;) {
    const PageIndex base = at / kChunkPages * kChunkPages;
    const PageIndex end = std::min(last, base + kChunkPages);
    Chunk& chunk = chunks_[base / kChunkPages];
    for (unsigned word = 0; word < kWords; ++word) {
      const std::uint64_t add = word_mask(word, at - base, end - base) & ~chunk[word];
      chunk[word] |= add;
      count_ += static_cast<PageIndex>(std::popcount(add));
    }
    at = end;
  }
}

PageIndex PageSet::clear_range(PageIndex first, PageIndex last) {
  PageIndex removed = 0;
  if (first >= last) return 0;
  for (auto it = chunks_.lower_bound(first / kChunkPages); it != chunks_.end();) {
    const PageIndex base = it->first * kChunkPages;
    if (base >= last) break;
    bool empty = true;
    for (unsigned word = 0; word < kWords; ++word) {
      const PageIndex from = first > base ? first - base : 0;
      const std::uint64_t drop = word_mask(word, from, last - base) & it->second[word];
      it->second[word] &= ~drop;
      removed += static_cast<PageIndex>(std::popcount(drop));
      empty = empty && it->second[word] == 0;
    }
    it = empty ? chunks_.erase(it) : std::next(it);
  }
  count_ -= removed;
  return removed;
}

PageIndex PageSet::count_range(PageIndex first, PageIndex last) const {
  PageIndex total = 0;
  if (first >= last) return 0;
  for (auto it = chunks_.lower_bound(first / kChunkPages); it != chunks_.end(); ++it) {
    const PageIndex base = it->first * kChunkPages;
    if (base >= last) break;
    const PageIndex from = first > base ? first - base : 0;
    for (unsigned word = 0; word < kWords; ++word)
      total += static_cast<PageIndex>(std::popcount(word_mask(word, from, last - base) & it->second[word]));
  }
  return total;
}

PageIndex PageSet::next(PageIndex first, PageIndex last) const {
  if (first >= last) return last;
  for (auto it = chunks_.lower_bound(first / kChunkPages); it != chunks_.end(); ++it) {
    const PageIndex base = it->first * kChunkPages;
    if (base >= last) break;
    const PageIndex from = first > base ? first - base : 0;
    for (unsigned word = static_cast<unsigned>(from / 64); word < kWords; ++word) {
      const std::uint64_t found = word_mask(word, from, last - base) & it->second[word];
      if (found != 0) return base + word * PageIndex{64} + static_cast<PageIndex>(std::countr_zero(found));
    }
  }
  return last;
}

PageIndex PageSet::next_gap(PageIndex first, PageIndex last) const {
  PageIndex at = first;
  while (at < last) {
    const auto it = chunks_.find(at / kChunkPages);
    if (it == chunks_.end()) return at;
    const PageIndex base = it->first * kChunkPages;
    for (auto word = static_cast<unsigned>((at - base) / 64); word < kWords; ++word) {
      const std::uint64_t gap = word_mask(word, at - base, kChunkPages) & ~it->second[word];
      if (gap != 0) return std::min(last, base + word * PageIndex{64} + static_cast<PageIndex>(std::countr_zero(gap)));
    }
    at = base + kChunkPages;
  }
  return last;
}

void PageSet::check_invariants() const {
  PageIndex total = 0;
  for (const auto& [index, chunk] : chunks_) {
    PageIndex here = 0;
    for (const std::uint64_t word : chunk) here += static_cast<PageIndex>(std::popcount(word));
    assert(here > 0);
    total += here;
  }
  assert(total == count_);
  (void)total;
}

}  // namespace pagefold::vm
