// A recorded file as it was last seen: its size, and its pages where they are not zeros. Holes cost nothing, neither
// here nor to compare, however large the file is.
#pragma once

#include <array>
#include <deque>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "base/error.h"
#include "base/page.h"
#include "crash/event.h"

namespace pagefold::crash {

// What a file holds between two offsets, without its holes.
class Data {
 public:
  // Errors: of reading. A file that has just become shorter holds less.
  static Result<Data> read(int fd, Bytes from, Bytes to);

  struct Run {
    Bytes offset = 0;
    std::vector<std::byte> bytes;
    [[nodiscard]] Bytes end() const { return offset + bytes.size(); }
  };
  [[nodiscard]] const std::vector<Run>& runs() const { return runs_; }

 private:
  std::vector<Run> runs_;  // ascending
};

class Shadow {
 public:
  using Page = std::array<std::byte, kPageSize>;
  // Changes, for an event, with the memory that they point into.
  struct Patch {
    std::vector<Piece> pieces;  // one a page, ascending
    std::deque<Page> memory;
    [[nodiscard]] bool empty() const { return pieces.empty(); }
  };

  [[nodiscard]] Bytes size() const { return size_; }
  // What is cut off is gone: should the file grow again, zeros are there.
  void resize(Bytes size);

  // [from, to) is as in the data from now on, which covers that range; what that changes.
  Patch take(const Data& data, Bytes from, Bytes to);
  // A page's first bytes are these from now on. What of them is new: from the first such byte to the last; empty,
  // nothing.
  std::span<const std::byte> take_page(PageIndex page, std::span<const std::byte> bytes);

 private:
  [[nodiscard]] const std::byte* page(PageIndex index) const;

  Bytes size_ = 0;
  std::map<PageIndex, std::unique_ptr<Page>> pages_;
};

}  // namespace pagefold::crash
