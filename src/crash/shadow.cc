#include "crash/shadow.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <set>

namespace pagefold::crash {
namespace {

constexpr Shadow::Page kZeros{};

// The page as the data has it.
Shadow::Page page_in(const Data& data, PageIndex index) {
  Shadow::Page page{};
  const Bytes start = bytes_of(index), end = start + kPageSize;
  auto run = std::ranges::upper_bound(data.runs(), start, {}, &Data::Run::end);
  for (; run != data.runs().end() && run->offset < end; ++run) {
    const Bytes from = std::max(start, run->offset), to = std::min(end, run->end());
    std::memcpy(page.data() + (from - start), run->bytes.data() + (from - run->offset), to - from);
  }
  return page;
}

}  // namespace

Result<Data> Data::read(int fd, Bytes from, Bytes to) {
  Data data;
  while (from < to) {
    const off_t start = ::lseek(fd, static_cast<off_t>(from), SEEK_DATA);
    if (start < 0 && errno == ENXIO) break;  // holes up to the end
    if (start < 0) return fail_errno("find a recorded file's data");
    if (static_cast<Bytes>(start) >= to) break;
    const off_t hole = ::lseek(fd, start, SEEK_HOLE);
    Run run{static_cast<Bytes>(start),
            std::vector<std::byte>(std::min(hole < 0 ? to : static_cast<Bytes>(hole), to) - static_cast<Bytes>(start))};
    std::size_t done = 0;
    while (done < run.bytes.size()) {
      const ssize_t n = ::pread(fd, run.bytes.data() + done, run.bytes.size() - done, start + static_cast<off_t>(done));
      if (n < 0) return fail_errno("read a recorded file");
      if (n == 0) break;
      done += static_cast<std::size_t>(n);
    }
    if (done == 0) break;
    run.bytes.resize(done);
    from = run.end();
    data.runs_.push_back(std::move(run));
  }
  return data;
}

void Shadow::resize(Bytes size) {
  if (size < size_) {
    pages_.erase(pages_.lower_bound(page_of(page_up(size))), pages_.end());
    const auto last = pages_.find(page_of(size));
    if (last != pages_.end())
      std::fill(last->second->begin() + static_cast<std::ptrdiff_t>(size & kPageMask), last->second->end(),
                std::byte{0});
  }
  size_ = size;
}

const std::byte* Shadow::page(PageIndex index) const {
  const auto it = pages_.find(index);
  return it == pages_.end() ? kZeros.data() : it->second->data();
}

Shadow::Patch Shadow::take(const Data& data, Bytes from, Bytes to) {
  std::set<PageIndex> candidates;
  for (const Data::Run& run : data.runs())
    for (Bytes at = std::max(run.offset, from); at < std::min(run.end(), to); at = bytes_of(page_of(at) + 1))
      candidates.insert(page_of(at));
  for (auto it = pages_.lower_bound(page_of(from)); it != pages_.end() && bytes_of(it->first) < to; ++it)
    candidates.insert(it->first);
  Patch patch;
  for (const PageIndex index : candidates) {
    const Bytes start = std::max(from, bytes_of(index)), end = std::min(to, bytes_of(index + 1));
    const Page now = page_in(data, index);
    const std::span<const std::byte> bytes = std::span(now).subspan(start & kPageMask, end - start);
    if (std::memcmp(bytes.data(), page(index) + (start & kPageMask), bytes.size()) == 0) continue;
    auto& kept = pages_[index];
    if (!kept) kept = std::make_unique<Page>();
    std::ranges::copy(bytes, kept->begin() + static_cast<std::ptrdiff_t>(start & kPageMask));
    if (std::ranges::all_of(bytes, [](std::byte b) { return b == std::byte{0}; })) {
      patch.pieces.push_back({start, {}, bytes.size()});
    } else {
      patch.memory.push_back(now);
      patch.pieces.push_back(
          {start, std::span<const std::byte>(patch.memory.back()).subspan(start & kPageMask, bytes.size()), 0});
    }
  }
  return patch;
}

std::span<const std::byte> Shadow::take_page(PageIndex index, std::span<const std::byte> bytes) {
  const std::byte* const known = page(index);
  std::size_t first = 0, last = bytes.size();
  while (first < last && bytes[first] == known[first]) ++first;
  while (last > first && bytes[last - 1] == known[last - 1]) --last;
  const auto fresh = bytes.subspan(first, last - first);
  if (fresh.empty()) return fresh;
  auto& kept = pages_[index];
  if (!kept) kept = std::make_unique<Page>();
  std::ranges::copy(fresh, kept->begin() + static_cast<std::ptrdiff_t>(first));
  return fresh;
}

}  // namespace pagefold::crash
