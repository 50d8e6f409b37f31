// Pages whose contents are in the swap get frames again: private ones, and those of shared memory. They are found, fetched without
// the locks, then put in if nothing has changed. A walk brings those behind it along, as far as one access to the swap has them.
#include <algorithm>
#include <utility>

#include "kernel/fault/fault_service.h"

namespace pagefold::kernel {
namespace {

// Pages brought back at once.
constexpr PageIndex kSwapBlock = 64;

}  // namespace

FaultService::Outcome FaultService::bring_back(vm::Vma& v, vm::Layer& layer, PageIndex page) {
  const Swapped out{*space_.swapped, layer.present(), page, v.layer_page(v.range.end - kPageSize) + 1};
  if (const auto not_yet = fetch(v, out)) return *not_yet;
  const auto is_guarded = [&](PageIndex p) { return layer.guarded().test(p) || layer.mirrors().test(p); };
  const bool guarded = is_guarded(page);
  const VirtRange r = fetched_range(v, out, [&](PageIndex p) { return is_guarded(p) == guarded; });
  const auto there = put_in(out, r, guarded ? pmap::Uffd::Guard::Yes : pmap::Uffd::Guard::No);
  if (!there) return give_up(there.error());
  if (!there->empty()) layer.note_touched(page);
  return Outcome::Done;
}

FaultService::Outcome FaultService::bring_back(vm::Vma& v, frame::SharedObject& shared, reclaim::SwappedFrames& frames, PageIndex page) {
  const Swapped out{frames, shared.resident, page, std::min(page_of(v.object_offset(v.range.end - kPageSize)) + 1, shared.pages())};
  if (const auto not_yet = fetch(v, out)) return *not_yet;
  const VirtRange r = fetched_range(v, out, [](PageIndex) { return true; });
  const auto there = put_in(out, r, pmap::Uffd::Guard::No);
  if (!there) return give_up(there.error());
  space_.mapped_pages[&shared].set_range(page, page + there->pages());
  return Outcome::Done;
}

// nullopt: contents_ are those of the pages that were found, as far as they are still out.
std::optional<FaultService::Outcome> FaultService::fetch(vm::Vma& v, const Swapped& out) {
  if (found_in_ != &out.frames || found_.first != out.page || out.frames.still_out(found_) == 0) return find_in_swap(v, out);
  if (fetched_) return std::nullopt;
  failed_to_read(std::exchange(found_, {}).pages(), fetched_.error());
  return unreadable_ ? give_up(*unreadable_) : find_in_swap(v, out);
}

FaultService::Outcome FaultService::find_in_swap(vm::Vma& v, const Swapped& out) {
  const VirtRange wish = window(v, 0);
  PageIndex most = v.grows_down ? 1 : std::min(kSwapBlock, page_of(wish.end - fault_.address));
  if (most == 1 && may_speculate() && !v.grows_down)
    most = std::min({out.frames.missed(out.page), room_, page_of(in_step(v).end - fault_.address)});
  if (alone_) most = 1;
  found_in_ = &out.frames;
  found_for_ = v.object;
  found_ = out.frames.find(out.page, out.page + most);
  // What lies between what is found and the next page that is out needs no fault.
  if (walk_ != nullptr) {
    const PageIndex end = out.page + found_.pages();
    const PageIndex next = std::min(out.frames.next_out(end, out.last), out.present.next_gap(end, out.last));
    walk_->expected = page_of(fault_.address) + (next - out.page);
  }
  fetching_ = true;
  return Outcome::Later;
}

template <class Alike>
VirtRange FaultService::fetched_range(const vm::Vma& v, const Swapped& out, Alike&& alike) const {
  const PageIndex most = std::min(out.frames.still_out(found_), page_of(in_step(v).end - fault_.address));
  PageIndex count = 1;
  while (count < most && alike(out.page + count)) ++count;
  return {fault_.address, fault_.address + bytes_of(count)};
}

// The pages that are there now.
Result<VirtRange> FaultService::put_in(const Swapped& out, VirtRange r, pmap::Uffd::Guard guard) {
  const VirtRange there = finish(r, PAGEFOLD_TRY(space_.uffd.copy(r, contents_, guard, later(r))));
  if (there.empty()) return there;
  // That the walk will come to those ahead is known well enough; they go when their turn comes.
  out.frames.filled(out.page, out.page + there.pages(), vm::FillReason::Needed);
  if (there.contains(fault_.address)) filled_until_ = there.end;
  record(FaultCause::SwapIn, there.size());
  return there;
}

}  // namespace pagefold::kernel
