// Taking pages of files away. A page that equals the host's file is released, and read again at the next touch. Of a
// fully owned file a page may be dirty: it is written back first, for nobody (the guest whose fault or call wants room did
// not ask for it). If that fails it stays, dirty, and the error is told by the next msync or fsync; others go.
//
// Locks: FullFile::contents(), exclusively to write back (Space::mutex is taken below it, one at a time), shared to evict:
// nobody copies between frames and file meanwhile. With patience only, since its holder may be waiting for a slow disk.
#include "kernel/fail/failures.h"
#include "kernel/pressure/evict.h"
#include "kernel/files/own_files.h"
#include "kernel/supervisor.h"

namespace pagefold::kernel {
namespace {

using reclaim::Kept;
using reclaim::Owner;
using reclaim::Patience;
using reclaim::Refusal;

class Pages final : public FilePages {
 public:
  Pages(Supervisor& supervisor, reclaim::Reclaimer& reclaimer, const std::shared_ptr<cache::FileObject>& file)
      : supervisor_(supervisor), reclaimer_(reclaimer), file_(file) {}
  ~Pages() override { reclaimer_.remove(id_); }
  void set_id(reclaim::OwnerId id) override { id_ = id; }
  [[nodiscard]] Kind kind() const override { return Kind::File; }

  std::vector<Kept> evict(const std::vector<PageIndex>& pages, Patience patience) override {
    const auto file = file_.lock();
    if (!file) return keep_all(pages, Refusal::Gone);
    auto* const full = dynamic_cast<cache::FullFile*>(file.get());
    // Why a dirty page will have to stay.
    const Refusal dirty = full != nullptr ? clean(*full, pages, patience) : Refusal::Failed;
    std::shared_lock<std::shared_mutex> contents;
    if (full != nullptr) {
      contents = std::shared_lock(full->contents(), std::defer_lock);
      if (!lock_within_patience(contents, patience)) return keep_all(pages, Refusal::Busy);
    }
    std::vector<Kept> kept;
    each_run(pages, [&](PageIndex first, PageIndex last) {
      const auto gone = file->evict(first, last);
      for (PageIndex page = first; page < last; ++page)
        if (!gone.test(page)) kept.push_back({page, !file->resident(page) ? Refusal::Gone : dirty});
    });
    return kept;
  }

  void came(PageIndex first, PageIndex last) override {
    reclaimer_.came(id_, first, last, reclaim::Coming::Ahead);
    if (evicted_.clear_range(first, last) > 0) reclaimer_.refaulted(id_);
  }
  void gone(PageIndex first, PageIndex last, Why why) override {
    if (why == Why::Evicted) evicted_.set_range(first, last);
    reclaimer_.gone(id_, first, last, why == Why::Evicted ? reclaim::Going::Evicted : reclaim::Going::Freed);
  }
  void touched(PageIndex page) override { reclaimer_.touched(id_, page); }

 private:
  // Writes the dirty ones among these pages back. Returns what keeps a page that is dirty afterwards.
  Refusal clean(cache::FullFile& file, const std::vector<PageIndex>& pages, Patience patience) const {
    if (pages.empty() || !file.any_dirty(pages.front(), pages.back() + 1)) return Refusal::Busy;
    if (patience == Patience::NoWait) return Refusal::Busy;
    if (file.any_pinned()) supervisor_.own_files()->settle_reads();
    std::unique_lock contents(file.contents(), std::defer_lock);
    if (!lock_within_patience(contents, patience)) return Refusal::Busy;
    const Failures::ForCaller for_nobody;
    Refusal why = Refusal::Busy;  // stored into again meanwhile
    each_run(pages, [&](PageIndex first, PageIndex last) {
      const auto done = supervisor_.own_files()->write_back_locked(file, first, last);
      if (done) return;
      file.keep_error(done.error().code);
      why = Refusal::Failed;
    });
    return why;
  }

  Supervisor& supervisor_;
  reclaim::Reclaimer& reclaimer_;
  std::weak_ptr<cache::FileObject> file_;
  reclaim::OwnerId id_ = 0;
  vm::PageSet evicted_;  // under the file's lock
};

}  // namespace

std::shared_ptr<FilePages> file_pages(Supervisor& supervisor, reclaim::Reclaimer& reclaimer,
                                      const std::shared_ptr<cache::FileObject>& file) {
  return std::make_shared<Pages>(supervisor, reclaimer, file);
}

}  // namespace pagefold::kernel
