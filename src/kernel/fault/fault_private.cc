// Private pages: those of the layer. They are pulled from an ancestor, copied from a file, or cleared.

#include <algorithm>

#include "base/scratch.h"
#include "kernel/fault/fault_service.h"

namespace pagefold::kernel {
namespace {

// Inherited pages copied at one touch: neighbours tend to be needed together.
constexpr PageIndex kPullBlock = 4;
// Private copies of a file's pages made at one touch, once a mapping has some: data segments are touched all over, by
// relocation first of all.
constexpr PageIndex kCopyBlock = 8, kSomeCopies = 2;

// Pages present right before this one: a walk that came from there.
PageIndex run_before(const vm::Layer& layer, PageIndex page) {
  PageIndex run = 0;
  while (run < vm::FaultAround::kMostRemembered && run < page && layer.present().test(page - run - 1)) ++run;
  return run;
}

}  // namespace

VirtRange fresh_run(const vm::Layer& layer, const vm::Vma& v, VirtRange r, VirtAddr at) {
  const PageIndex page = v.layer_page(at), first = v.layer_page(r.start), last = first + r.pages();
  const PageIndex end = std::min(layer.present().next(page, last), layer.inherited().next(page, last));
  PageIndex start = page;
  while (start > first && !layer.present().test(start - 1) && !layer.inherited().test(start - 1)) --start;
  return {r.start + bytes_of(start - first), r.start + bytes_of(end - first)};
}

FaultService::Outcome FaultService::serve_layer(vm::Vma& v) {
  const std::lock_guard family(space_.layer->mutex());
  vm::Layer& layer = *space_.layer;
  const PageIndex page = v.layer_page(fault_.address);
  if (layer.present().test(page) && layer.frames().is_out(page)) return bring_back(v, layer, page);
  if (fault_.guarded) return layer.mirrors().test(page) ? stop_following(page) : break_sharing(page);
  if (layer.present().test(page)) return map_again(page);
  if (layer.inherited().test(page)) return pull(v, page);
  if (auto* file = dynamic_cast<cache::FileObject*>(v.object.get())) return fill_from_file(v, *file);
  return clear(v);
}

// The page has a frame. If it is not in the page tables, then because it is watched, or was filled by the supervisor.
FaultService::Outcome FaultService::map_again(PageIndex page) {
  const VirtRange here{fault_.address, fault_.address + kPageSize};
  vm::Layer& layer = *space_.layer;
  if (pressure() == nullptr) {
    space_.uffd.wake(here);
    return Outcome::Done;
  }
  if (layer.guarded().test(page)) {  // mapped anew it would not be protected
    const auto copies = layer.push(page);
    if (!copies) return give_up(copies.error());
    layer.unguard(page);
  }
  const auto guard = layer.mirrors().test(page) ? pmap::Uffd::Guard::Yes : pmap::Uffd::Guard::No;
  layer.frames().stay(page, page + 1);
  const auto done = space_.uffd.map_present(here, later(here), guard);
  if (!done) return give_up(done.error());
  finish(here, *done);
  layer.note_touched(page);
  layer.frames().touched(page);
  record(FaultCause::FileCached, kPageSize);
  return Outcome::Done;
}

FaultService::Outcome FaultService::break_sharing(PageIndex page) {
  const VirtRange here{fault_.address, fault_.address + kPageSize};
  vm::Layer& layer = *space_.layer;
  layer.frames().stay(page, page + 1);
  if (!layer.guarded().test(page)) {  // an eviction held the store back
    const auto allowed = space_.uffd.allow_writes(here, later(here));
    return allowed ? Outcome::Done : give_up(allowed.error());
  }
  const auto copies = layer.push(page);
  if (!copies) return give_up(copies.error());
  layer.unguard(page);
  layer.note_touched(page);
  layer.note_hot(page);
  const auto allowed = space_.uffd.allow_writes(here, later(here));
  if (!allowed) return give_up(allowed.error());
  record(FaultCause::CopyOnWrite, bytes_of(*copies));
  return Outcome::Done;
}

FaultService::Outcome FaultService::stop_following(PageIndex page) {
  vm::Layer& layer = *space_.layer;
  layer.unmirror(page);
  layer.note_touched(page);
  layer.frames().stay(page, page + 1);
  const auto allowed = space_.uffd.allow_writes({fault_.address, fault_.address + kPageSize});
  if (!allowed) return give_up(allowed.error());
  record(FaultCause::CopyOnWrite, 0);
  return Outcome::Done;
}

// Inherited pages, from the touched one on: copied from the nearest ancestors that hold them.
FaultService::Outcome FaultService::pull(vm::Vma& v, PageIndex page) {
  vm::Layer& layer = *space_.layer;
  Bytes copied = 0;
  bool guard = layer.has_heirs(page);
  if (guard && fault_.write) {
    const auto copies = layer.push(page);
    if (!copies) return give_up(copies.error());
    copied += bytes_of(*copies);
    guard = false;
  }
  const Bytes ahead = v.range.end - fault_.address;
  const PageIndex wish =
      std::max(window(v, run_before(layer, page)).pages(), std::min<PageIndex>(kPullBlock, supervisor_.fault_around()));
  PageIndex last = std::min({page + std::min(wish, room_), page + page_of(ahead), layer.inherited().next_gap(page, page + wish)});
  if (guard || v.grows_down) last = page + 1;
  std::byte* contents = scratch(bytes_of(last - page));
  PageIndex end = page;
  for (; end < last && (end == page || !layer.has_heirs(end)); ++end) {
    const auto fetched = layer.fetch(end, contents + bytes_of(end - page));
    if (fetched) continue;
    if (end == page) return give_up(fetched.error());
    break;
  }
  const VirtRange r{fault_.address, fault_.address + bytes_of(end - page)};
  const auto done =
      space_.uffd.copy(r, contents, guard ? pmap::Uffd::Guard::Yes : pmap::Uffd::Guard::No, later(r));
  if (!done) return give_up(done.error());
  const VirtRange filled = finish(r, *done);
  if (filled.empty()) return Outcome::Done;
  for (PageIndex p = page; p < page + filled.pages(); ++p) layer.note_filled(p, p != page);
  if (space_.swapped) tell_reclaimer(page, page + filled.pages(), page);
  layer.note_pulled(page);
  if (guard) layer.guard(page, page + 1);
  installed(v, r);
  record(FaultCause::CopyOnWrite, copied + r.size());
  return Outcome::Done;
}

FaultService::Outcome FaultService::fill_from_file(vm::Vma& v, cache::FileObject& file) {
  const PageIndex file_page = page_of(v.object_offset(fault_.address));
  if (file_page >= file.pages()) return beyond_end(v);
  if (const auto failed = meet_failure(file, file_page)) return *failed;
  auto* const full = dynamic_cast<cache::FullFile*>(&file);
  const auto unchanged = file.steady(cache::FileObject::Patience::NoWait);
  if (!unchanged) return wait_for_file(v, file_page, file_page + 1);
  VirtRange wish = window(v, run_before(*space_.layer, v.layer_page(fault_.address)));
  const PageIndex first_page = page_of(v.layer),
                  copies = space_.layer->present().count_range(first_page, first_page + v.range.pages());
  const bool all_over = may_speculate() && copies >= kSomeCopies;
  const Bytes block = bytes_of(all_over ? std::min<PageIndex>(kCopyBlock, supervisor_.fault_around()) : 1);
  if (wish.size() < block) {
    const VirtAddr start = fault_.address / block * block;
    wish = within_room(VirtRange{start, start + block}.intersect(in_step(v)));
  }
  const VirtRange fresh = fresh_run(*space_.layer, v, wish, fault_.address);
  const PageIndex before = page_of(fault_.address - fresh.start), behind = page_of(fresh.end - fault_.address);
  const VirtRange around{fault_.address - bytes_of(file_page - armed_before(file, file_page - before, file_page)),
                         fault_.address + bytes_of(armed_behind(file, file_page + 1, file_page + behind) - file_page)};
  // What lies around can wait for its own touch if it is not to be had at once; the touched page cannot.
  std::byte* contents = scratch(around.size());
  VirtRange r{around.start, around.start};
  for (VirtAddr at = around.start; at < around.end; at += kPageSize) {
    const PageIndex source = page_of(v.object_offset(at));
    if (source >= file.pages()) break;
    const bool follows = full == nullptr || full->follow(source);
    if (!follows && at == fault_.address && !as_it_is_ && !fault_.write) return first(Before::WriteBack, v, source);
    if (!follows && at > fault_.address) break;
    if (!follows && at < fault_.address) {
      r = {at + kPageSize, at + kPageSize};
      continue;
    }
    const auto copied = file.copy_page(source, contents + (at - around.start), cache::FileObject::Patience::NoWait);
    if (copied) {
      r.end = at + kPageSize;
    } else if (at < fault_.address) {
      r = {at + kPageSize, at + kPageSize};
    } else if (at > fault_.address) {
      break;
    } else {
      return wait_for_file(v, file_page, file_page + 1);
    }
  }
  if (asked_.empty())
    file.note_copied(page_of(v.object_offset(r.start)), page_of(v.object_offset(r.start)) + r.pages());
  if (full != nullptr) return fill_mirrors(v, r, contents + (r.start - around.start));
  const auto done = space_.uffd.copy(r, contents + (r.start - around.start), pmap::Uffd::Guard::No, later(r));
  if (done && fault_.write) {
    const VirtRange stored = asked_.empty() ? VirtRange{fault_.address, fault_.address + kPageSize} : r;
    space_.layer->note_stored(v.layer_page(stored.start), v.layer_page(stored.end));
  }
  return filled(v, r, done, FaultCause::CopyOnWrite);
}

// Copies that follow the file until they are stored into. The thread is woken last: until then its page is no mirror yet.
FaultService::Outcome FaultService::fill_mirrors(vm::Vma& v, VirtRange r, const std::byte* contents) {
  // Pages asked for as by stores (MAP_POPULATE, mlock) are the program's own at once.
  const bool own = fault_.write && !asked_.empty();
  const auto done = space_.uffd.copy(r, contents, own ? pmap::Uffd::Guard::No : pmap::Uffd::Guard::Yes, pmap::Uffd::Wake::No);
  if (!done) return give_up(done.error());
  const VirtRange there{r.start, r.start + done->reached};
  note_filled(v, there);
  if (!there.empty() && !own) space_.layer->note_mirrors(v.layer_page(r.start), v.layer_page(r.start) + there.pages());
  installed(v, there);
  const PageIndex page = v.layer_page(fault_.address);
  if (!own && there.contains(fault_.address) && (fault_.write || as_it_is_)) return stop_following(page);
  space_.uffd.wake({fault_.address, fault_.address + kPageSize});
  record(FaultCause::CopyOnWrite, there.size());
  return Outcome::Done;
}

void FaultService::tell_reclaimer(PageIndex first, PageIndex last, PageIndex touched) const {
  const auto ahead = asked_.empty() ? vm::FillReason::Ahead : vm::FillReason::Needed;
  vm::FrameSource& frames = space_.layer->frames();
  frames.filled(first, std::min(touched, last), ahead);
  frames.filled(touched, touched + 1, vm::FillReason::Needed);
  frames.filled(std::min(touched + 1, last), last, ahead);
}

FaultService::Outcome FaultService::clear(vm::Vma& v) {
  const VirtRange r =
      fresh_run(*space_.layer, v, window(v, run_before(*space_.layer, v.layer_page(fault_.address))), fault_.address);
  const auto done = space_.uffd.zero(r, later(r));
  if (done) note_cleared(v, {r.start, r.start + done->reached});
  return filled(v, r, done, FaultCause::ZeroFill);
}

FaultService::Outcome FaultService::filled(vm::Vma& v, VirtRange r, const Result<pmap::Filled>& done,
                                           FaultCause cause) {
  if (!done) return give_up(done.error());
  const VirtRange there = finish(r, *done);
  note_filled(v, there);
  installed(v, there);
  record(cause, there.size());
  return Outcome::Done;
}

}  // namespace pagefold::kernel
