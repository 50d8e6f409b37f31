// What earlier guests of the run needed of a file comes with a guest's first touch of it: pages to be shown as they are, private
// copies (data segments, which relocation touches all over), and the pages of the anonymous mapping that lies right behind the
// file's own (its .bss). A program that is started again has its faults taken out of its way; frames filled like this count
// as put in ahead of need. Nothing here waits: what cannot be had at once is left to its touch.

#include <algorithm>

#include "base/scratch.h"
#include "kernel/fault/fault_service.h"
#include "kernel/sync/host_plan.h"

namespace pagefold::kernel {
namespace {

// Segments that are larger are left to their touches.
constexpr PageIndex kMostMapped = 1024, kMostCopied = 64, kMostCleared = 64;

// The file whose private mapping ends where v begins: v holds what the file leaves out.
cache::FileObject* file_below(const Space& space, const vm::Vma& v, const vm::Vma*& below) {
  below = v.anonymous() && !v.shared ? space.map.find(v.range.start - 1) : nullptr;
  return below != nullptr && below->layered ? dynamic_cast<cache::FileObject*>(below->object.get()) : nullptr;
}

}  // namespace

// Where the host lags behind the model, the page tables belong to something else.
template <class Visit>
void FaultService::in_step_of(const vm::Vma& v, Visit&& visit) const {
  const pmap::HostPiece want = wanted(v);
  space_.host.visit(v.range, [&](const pmap::HostPiece& have) {
    if (have.same_source(want)) visit(vm::clip(v, have.range));
  });
}

void FaultService::map_history() {
  if (!may_speculate()) return;
  for (const auto& [start, v] : space_.map.all()) {
    auto* const file = dynamic_cast<cache::FileObject*>(v.object.get());
    if (file != nullptr && !space_.mapped_pages.contains(file)) map_history(*file);
  }
}

void FaultService::map_history(cache::FileObject& file) {
  if (armed_behind(file, 0, file.pages()) < file.pages()) return;
  const bool full = dynamic_cast<cache::FullFile*>(&file) != nullptr;
  for (const auto& [start, v] : space_.map.all()) {
    if (v.object.get() != &file || (full && v.layered)) continue;
    in_step_of(v, [&](const vm::Vma& part) { part.layered ? copy_history(part, file) : map_history_of(part, file); });
    if (v.layered) clear_history(v, file);
  }
}

void FaultService::map_history_of(const vm::Vma& v, cache::FileObject& file) {
  const PageIndex first = page_of(v.offset);
  for (const auto& [from, to] : file.usually_mapped(first, first + v.range.pages(), kMostMapped)) {
    const VirtAddr at = v.range.start + bytes_of(from - first);
    const auto done = space_.uffd.map_present({at, at + bytes_of(to - from)}, pmap::Uffd::Wake::No,
                                              tracked(v) ? pmap::Uffd::Guard::Yes : pmap::Uffd::Guard::No);
    if (done) space_.mapped_pages[&file].set_range(from, from + page_of(done->reached));
  }
}

void FaultService::copy_history(const vm::Vma& v, cache::FileObject& file) {
  if (pressure() != nullptr) return;
  const std::lock_guard family(space_.layer->mutex());
  const PageIndex first = page_of(v.offset), last = std::min(first + v.range.pages(), file.pages());
  for (const auto& [from, to] : file.usually_copied(first, last, kMostCopied)) {
    const VirtAddr at = v.range.start + bytes_of(from - first);
    const VirtRange r = fresh_run(*space_.layer, v, {at, at + bytes_of(to - from)}, at);
    if (r.empty()) continue;
    std::byte* contents = scratch(r.size());
    for (VirtAddr a = r.start; a < r.end; a += kPageSize)
      if (!file.copy_page(page_of(v.object_offset(a)), contents + (a - r.start), cache::FileObject::Patience::NoWait))
        return;
    const auto done = space_.uffd.copy(r, contents, pmap::Uffd::Guard::No, pmap::Uffd::Wake::No);
    if (!done) return;
    note_put_in(v, {r.start, r.start + done->reached});
  }
}

void FaultService::clear_history(const vm::Vma& data, const cache::FileObject& file) {
  const vm::Vma* const behind = space_.map.find(data.range.end);
  if (pressure() != nullptr || behind == nullptr || behind->range.start != data.range.end || !behind->anonymous() ||
      behind->shared || !behind->writable())
    return;
  const std::lock_guard family(space_.layer->mutex());
  in_step_of(*behind, [&](const vm::Vma& v) {
    const PageIndex first = page_of(data.object_offset(v.range.start));
    for (const auto& [from, to] : file.usually_cleared(first, first + v.range.pages(), kMostCleared)) {
      const VirtAddr at = v.range.start + bytes_of(from - first);
      const VirtRange r = fresh_run(*space_.layer, v, {at, at + bytes_of(to - from)}, at);
      if (r.empty()) continue;
      const auto done = space_.uffd.zero(r, pmap::Uffd::Wake::No);
      if (!done) return;
      note_put_in(v, {r.start, r.start + done->reached});
    }
  });
}

void FaultService::note_put_in(const vm::Vma& v, VirtRange r) const {
  for (VirtAddr at = r.start; at < r.end; at += kPageSize) space_.layer->note_filled(v.layer_page(at), true);
}

void FaultService::note_cleared(const vm::Vma& v, VirtRange r) const {
  const vm::Vma* below = nullptr;
  cache::FileObject* const file = may_speculate() ? file_below(space_, v, below) : nullptr;
  if (file == nullptr || page_of(r.start - v.range.start) >= kMostCleared) return;
  const PageIndex first = page_of(below->object_offset(r.start));
  file->note_cleared(first, first + r.pages());
}

void put_in_history(Supervisor& supervisor, Space& space) { FaultService(supervisor, space, {}, Patience::NoWait).map_history(); }

}  // namespace pagefold::kernel
