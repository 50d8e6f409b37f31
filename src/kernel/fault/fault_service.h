// One fault on its way through fault.cc (what is it?), fault_private.cc (pages of the layer) and fault_object.cc (pages
// of files and shared memory). What comes with a first touch: fault_history.cc. Pages in the swap: fault_swap.cc. Touches that fail:
// fault_failure.cc. Internal to these six.
//
// Space::mutex is held in every step, except while a file or the swap is read; then the attempt starts again.
#pragma once

#include <chrono>
#include <memory>
#include <optional>

#include "cache/file_object.h"
#include "cache/full_file.h"
#include "frame/shared_object.h"
#include "kernel/fail/failures.h"
#include "kernel/fault/fault.h"
#include "kernel/pressure/pressure.h"

namespace pagefold::kernel {

// The run of pages around `at`, within r, that have neither a frame nor an ancestor's. The layer's mutex held.
VirtRange fresh_run(const vm::Layer& layer, const vm::Vma& v, VirtRange r, VirtAddr at);

class FaultService {
 public:
  // asked: what the program wants filled, and no more; empty when it just touched the page.
  FaultService(Supervisor& supervisor, Space& space, const Fault& fault, Patience patience, VirtRange asked = {})
      : supervisor_(supervisor),
        space_(space),
        fault_(fault),
        patience_(patience),
        asked_(asked),
        started_(clock_ns()) {}

  Served serve();
  // What earlier guests needed of all files of a new program.
  void map_history();
  // All pages from the fault's to here are filled.
  [[nodiscard]] VirtAddr filled_until() const { return filled_until_; }

 private:
  enum class Outcome { Done, Later };
  enum class Before { WriteBack, Expel, CloseOthers };

  static std::uint64_t clock_ns() {
    return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
  }

  Served serve_once_possible();
  Outcome attempt();
  bool try_lock(std::unique_lock<std::mutex>& lock) const;
  [[nodiscard]] PageIndex wish() const;  // frames that would be welcome
  Outcome serve_layer(vm::Vma& v);
  Outcome fill_from_file(vm::Vma& v, cache::FileObject& file);
  Outcome fill_mirrors(vm::Vma& v, VirtRange r, const std::byte* contents);
  Outcome map_again(PageIndex page);
  Outcome break_sharing(PageIndex page);
  Outcome pull(vm::Vma& v, PageIndex page);
  Outcome clear(vm::Vma& v);
  Outcome serve_file(vm::Vma& v, cache::FileObject& file);
  // Stores are recorded, and others must be told first.
  [[nodiscard]] bool out_of_order(const vm::Vma& v, PageIndex page) const;
  // The first store to a clean page of a fully owned file.
  Outcome make_dirty(const vm::Vma& v, cache::FullFile& file, PageIndex page);
  Outcome serve_shared(vm::Vma& v, frame::SharedObject& shared);
  // Failures on demand (fault_failure.cc). nullopt: the touch succeeds.
  std::optional<Outcome> meet_failure(const cache::FileObject& file, PageIndex page);
  Result<void> show_nothing();
  Outcome refuse();
  [[nodiscard]] bool must_suffer() const { return touch_ != nullptr && !touch_->decision.hits.empty(); }
  bool suffer();
  void raise();
  // [page, armed_behind) and [armed_before, page) hold no page whose touches must come one by one.
  [[nodiscard]] PageIndex armed_behind(const cache::FileObject& file, PageIndex page, PageIndex last) const;
  [[nodiscard]] PageIndex armed_before(const cache::FileObject& file, PageIndex first, PageIndex page) const;
  Outcome violation(VirtRange r, bool mapped);
  Outcome beyond_end(vm::Vma& v);
  Outcome first(Before what, const vm::Vma& v, PageIndex page);
  // The private page is the program's own from now on.
  Outcome stop_following(PageIndex page);
  Outcome give_up(const Error& error);
  Outcome wait_for_file(const vm::Vma& v, PageIndex first, PageIndex last);
  void failed_to_read(PageIndex pages, const Error& why);
  Outcome want_more_room(const Error& error);
  // Pages that are out (fault_swap.cc): the touched one, and where the mapping ends.
  struct Swapped {
    reclaim::SwappedFrames& frames;
    const vm::PageSet& present;
    PageIndex page, last;
  };
  Outcome bring_back(vm::Vma& v, vm::Layer& layer, PageIndex page);
  Outcome bring_back(vm::Vma& v, frame::SharedObject& shared, reclaim::SwappedFrames& frames, PageIndex page);
  std::optional<Outcome> fetch(vm::Vma& v, const Swapped& out);
  Outcome find_in_swap(vm::Vma& v, const Swapped& out);
  template <class Alike>
  [[nodiscard]] VirtRange fetched_range(const vm::Vma& v, const Swapped& out, Alike&& alike) const;
  Result<VirtRange> put_in(const Swapped& out, VirtRange r, pmap::Uffd::Guard guard);
  vm::Vma* grow_stack();
  // What earlier guests needed of this file, put in at this guest's first touch of it (fault_history.cc).
  void map_history(cache::FileObject& file);
  void map_history_of(const vm::Vma& v, cache::FileObject& file);
  void copy_history(const vm::Vma& v, cache::FileObject& file);
  void clear_history(const vm::Vma& data, const cache::FileObject& file);
  template <class Visit>
  void in_step_of(const vm::Vma& v, Visit&& visit) const;
  void note_put_in(const vm::Vma& v, VirtRange r) const;
  // The pages of r were cleared for a guest: part of that history if v lies right behind a file's mapping.
  void note_cleared(const vm::Vma& v, VirtRange r) const;

  // What to install: around the fault, as far as the mapping and the window reach.
  // before: pages that are present right before the touched one.
  VirtRange window(vm::Vma& v, PageIndex before);
  // The part of the mapping around the fault where the host follows the model as it does at the fault; elsewhere it may lag.
  [[nodiscard]] VirtRange in_step(const vm::Vma& v) const;
  // No more than there is room for, the touched page first of all.
  [[nodiscard]] VirtRange within_room(VirtRange r) const {
    if (r.pages() <= room_) return r;
    return {fault_.address, std::min(r.end, fault_.address + bytes_of(room_))};
  }
  [[nodiscard]] bool may_speculate() const { return asked_.empty() && supervisor_.fault_around() > 1; }
  void installed(vm::Vma& v, VirtRange r) {
    if (r.contains(fault_.address)) filled_until_ = r.end;
    if (walk_ != nullptr) walk_->expected = page_of(v.grows_down ? r.start - kPageSize : r.end);
  }
  void note_filled(const vm::Vma& v, VirtRange r) const {
    for (VirtAddr at = r.start; at < r.end; at += kPageSize)
      space_.layer->note_filled(v.layer_page(at), asked_.empty() && at != fault_.address);
    if (space_.swapped) tell_reclaimer(v.layer_page(r.start), v.layer_page(r.start) + r.pages(), v.layer_page(fault_.address));
  }
  // Pages [first, last) have frames now, `touched` among them because it is needed.
  void tell_reclaimer(PageIndex first, PageIndex last, PageIndex touched) const;
  void record(FaultCause cause, Bytes bytes) {
    stats().fault(cause, clock_ns() - started_, bytes);
    ++(cause == FaultCause::FileCold || cause == FaultCause::SwapIn ? space_.major_faults : space_.minor_faults);
  }
  // Who waits for pages of r goes on when the locks have been let go (serve()): a thread that was woken before tends to call at once,
  // on this very processor, and to find the space locked.
  pmap::Uffd::Wake later(VirtRange r) {
    wake_ = wake_.empty() ? r : VirtRange{std::min(wake_.start, r.start), std::max(wake_.end, r.end)};
    return pmap::Uffd::Wake::No;
  }
  // The pages that are there now; the faulting thread goes on even if it was not this operation that installed its
  // page.
  VirtRange finish(VirtRange r, const pmap::Filled& done) {
    if (done.installed < r.size()) later({fault_.address, fault_.address + kPageSize});
    return {r.start, r.start + done.reached};
  }
  // The layer's pages of r have their contents now; the first touch was of one of them, the others are speculative.
  Outcome filled(vm::Vma& v, VirtRange r, const Result<pmap::Filled>& done, FaultCause cause);

  Supervisor& supervisor_;
  Space& space_;
  Fault fault_;
  Patience patience_;
  VirtRange asked_;
  std::uint64_t started_;
  VirtAddr filled_until_ = 0;
  VirtRange wake_;                // whose threads are still to be woken
  PageIndex need_ = 1;            // frames without which the attempt is in vain
  PageIndex room_ = ~PageIndex{0};  // frames it may fill
  vm::FaultAround::Walk* walk_ = nullptr;    // of this attempt
  std::shared_ptr<cache::FileObject> cold_;  // must be read before the next attempt
  PageIndex cold_first_ = 0, cold_last_ = 0;
  bool was_cold_ = false;
  // Pages that are out: found, to be fetched without the locks (fetching_), then there if nothing has changed.
  bool fetching_ = false;
  const reclaim::SwappedFrames* found_in_ = nullptr;
  vm::ObjectRef found_for_;  // whose frames they may be: they live as long
  reclaim::Found found_;
  Result<void> fetched_;
  std::byte* contents_ = nullptr;
  int reads_in_vain_ = 0;
  // Pages of a fully owned file that must be written back, or rid of their mirrors, before the next attempt.
  Before before_ = Before::WriteBack;
  std::shared_ptr<cache::FullFile> changing_;
  PageIndex changing_page_ = 0;
  bool alone_ = false;                // a read of more than the touched page has failed
  std::optional<Error> unreadable_;   // so has one of the touched page
  std::optional<Error> refused_;      // why the page cannot be had
  bool met_ = false, raise_ = false;  // a failure on demand has been asked about; SIGBUS is to be raised
  std::unique_ptr<Failures::Touch> touch_;
  std::shared_ptr<const event::CodeSnapshot> code_;  // where the thread is, if stores are recorded
  bool as_it_is_ = false;  // the page could not be written back: its copy will not follow the file
};

}  // namespace pagefold::kernel
