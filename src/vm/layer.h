// The private pages of one address space: anonymous memory, and private copies of file pages. Page p of the layer is page p
// of the FrameSource behind it, so mappings stay linear however pages come and go.
//
// Fork makes an heir: an empty layer that inherits every page its source has. Copies are made late, one page at a time:
//   pull - the heir touches an inherited page: it is copied from the nearest ancestor that holds it;
//   push - the source is about to change or drop a page: the heirs that still inherit it get their copy first.
// "Inherited" is positive knowledge: a page that appears in the source after the fork is never seen by the heir.
//
// All layers that descend from one exec form a family and share its mutex; every function here but the constructors and
// destructor wants it held. The functions that move contents can fail only as the FrameSource fails (ENOMEM, EIO).
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "base/error.h"
#include "vm/frame_source.h"
#include "vm/page_set.h"
#include "vm/pinned.h"

namespace pagefold::vm {

struct Family {
  std::mutex mutex;
};

class Layer : public Pinnable {
 public:
  explicit Layer(std::shared_ptr<FrameSource> frames);
  ~Layer() override;
  Layer(const Layer&) = delete;
  Layer& operator=(const Layer&) = delete;

  [[nodiscard]] std::mutex& mutex() const { return family_->mutex; }
  [[nodiscard]] FrameSource& frames() const { return *frames_; }

  // How a fork treats pages that earlier forks have shown to be touched at once on either side (the stack, the allocator's
  // heads): copying them now costs less than two faults later.
  enum class Hot { Copy, Leave };

  // An heir of source, with frames of its own. Every page that source has or inherits is inherited; the caller must then
  // write-protect source's present pages that are not guarded yet, and note it with guard().
  // Layers that are no longer needed are put in `dropped`, to be released without the mutex (their destructor takes it).
  static std::shared_ptr<Layer> fork(const std::shared_ptr<Layer>& source, std::shared_ptr<FrameSource> frames,
                                     Hot hot, std::vector<std::shared_ptr<Layer>>& dropped);
  // Pages that the last fork copied at once, so that nobody depends on them: they need no guard.
  [[nodiscard]] const PageSet& given() const { return given_; }
  void forget_given() { given_.clear_all(); }
  // The page was stored to while guarded; a later fork may copy it at once.
  void note_hot(PageIndex page);
  // The page was copied from an ancestor; the next fork of the source may copy it at once.
  void note_pulled(PageIndex page);

  [[nodiscard]] const PageSet& present() const { return present_; }
  [[nodiscard]] const PageSet& inherited() const { return inherited_; }
  // Present pages that the host's page tables write-protect, because heirs may inherit them.
  [[nodiscard]] const PageSet& guarded() const { return guarded_; }
  [[nodiscard]] const PageSet& speculative() const { return speculative_; }
  // Present pages that still show what their file holds, because nobody has stored into them: copies that must be given up
  // when the file changes. The host write-protects them. No heir may inherit one: they are dropped before a fork.
  [[nodiscard]] const PageSet& mirrors() const { return mirrors_; }
  void note_mirrors(PageIndex first, PageIndex last) { mirrors_.set_range(first, last); }
  // The page is about to be stored into: it is the program's own from now on.
  void unmirror(PageIndex page) { mirrors_.clear(page); }
  // The next touch of them asks the file again.
  Result<void> drop_mirrors(PageIndex first, PageIndex last);
  // Pages of a private file mapping, present or inherited, that are known to have been stored into, or were asked for as by stores:
  // they no longer follow the file, even where they equal it. (Of pages that were first read and then stored into it is not known.)
  [[nodiscard]] const PageSet& stored() const { return stored_; }
  void note_stored(PageIndex first, PageIndex last) { stored_.set_range(first, last); }
  // True when some heir still inherits the page, so that this layer must not change it without a push.
  [[nodiscard]] bool has_heirs(PageIndex page) const;
  [[nodiscard]] bool has_heirs() const { return !heirs_.empty(); }

  // Copies the page's contents, wherever they are; zeros when nobody has it.
  Result<void> fetch(PageIndex page, void* to) const;
  // Gives every heir that inherits the page its own copy. Returns the number of copies made.
  Result<PageIndex> push(PageIndex page);
  // The page now has a frame of this layer (filled by the caller).
  void note_filled(PageIndex page, bool speculative);
  void note_touched(PageIndex page) { speculative_.clear(page); }
  void guard(PageIndex first, PageIndex last);
  void unguard(PageIndex page) { guarded_.clear(page); }
  // Forgets [first, last): heirs get their copies, frames are released, nothing is inherited there any more.
  Result<void> discard(PageIndex first, PageIndex last);
  // The address space is gone: only pages that heirs inherit are kept.
  void retire();

  void check_invariants() const;

 private:
  // The layer that holds the page for this one (itself included), or null.
  [[nodiscard]] const Layer* holder(PageIndex page) const;
  Result<PageIndex> push_copy(PageIndex page, const void* contents);
  void give_hot_pages(Layer& heir);
  void absorb_retired_source(std::vector<std::shared_ptr<Layer>>& dropped);

  std::shared_ptr<FrameSource> frames_;
  std::shared_ptr<Family> family_;
  std::shared_ptr<Layer> source_;
  std::vector<Layer*> heirs_;
  PageSet present_, inherited_, guarded_, speculative_, mirrors_, stored_;
  PageSet hot_, given_;
  bool retired_ = false;
};

}  // namespace pagefold::vm
