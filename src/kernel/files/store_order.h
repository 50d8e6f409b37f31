// The order of stores through shared mappings, for who records them (event/file_watch.h). A fully owned page that is
// clean faults at its first store. Of the watched files one page at a time is open for stores: before the next is, the
// other is written back and protected, and the watch is told what it holds. So the watch has every page as it was each
// time the program went on to another one, in that order.
//
// An instruction may store across the end of a page and needs both open; threads take pages from each other before they
// have stored anything. Both show as a page that was closed unchanged and is wanted again, with nothing changed since:
// then pages that are unchanged stay open until something is. Pages that were open at the same time have no known
// order.
#pragma once

#include <memory>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "cache/full_file.h"
#include "event/file_watch.h"

namespace pagefold::kernel {

class OwnFiles;

class StoreOrder {
 public:
  StoreOrder(OwnFiles& files, event::FileWatch& watch) : files_(files), watch_(watch) {}

  // The page is about to be opened for stores; a Space::mutex may be held. False: close_others() first, and say where
  // the thread is.
  [[nodiscard]] bool may_open(const std::shared_ptr<cache::FullFile>& file, PageIndex page,
                              const event::FileWatch::Caller& caller);
  // Closes what is open. No lock may be held.
  void close_others();
  // A call is about to be made: whoever makes it is not held up.
  void forget_turns();
  // These pages are protected now, and about to be written back; contents() held.
  void closed(cache::FullFile& file, const vm::PageSet& pages);

 private:
  struct Open {
    std::shared_ptr<cache::FullFile> file;
    PageIndex page = 0;
    event::FileWatch::Caller caller;
    std::uint64_t opened = 0;       // when, by clock_
    bool kept = false;              // it was unchanged when another was wanted
    std::vector<std::byte> before;  // what it held
  };
  using Name = std::pair<const cache::FullFile*, PageIndex>;
  // Who opened the page, and when.
  event::FileWatch::Caller close(Name page, event::FileWatch::Stored& stored);

  OwnFiles& files_;
  event::FileWatch& watch_;
  std::mutex mutex_;  // below; innermost but for the watch's own
  std::vector<Open> open_;
  std::set<Name> closed_unchanged_;  // since something was last changed
  bool held_up_ = false;             // one of those is wanted again
  std::uint64_t clock_ = 0;
};

}  // namespace pagefold::kernel
