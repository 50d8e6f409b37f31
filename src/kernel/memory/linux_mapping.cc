#include "kernel/memory/linux_mapping.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>

#include "cache/file_cache.h"
#include "cache/file_object.h"

namespace pagefold::kernel {
namespace {

bool same_backing(const vm::Vma& a, const vm::Vma& b) {
  if (a.object == b.object) return true;
  if (!a.object || !b.object) return false;
  const auto is_file = [](const vm::Object& o) { return o.kind() != vm::Object::Kind::Shared && o.inode() != 0; };
  return is_file(*a.object) && is_file(*b.object) && a.object->device() == b.object->device() && a.object->inode() == b.object->inode();
}

// b goes on where a ends, as one mapping of Linux.
bool continues(const vm::Vma& a, const vm::Vma& b) {
  const bool accounted = (a.layered || a.accounted) == (b.layered || b.accounted);
  return a.range.end == b.range.start && a.prot == b.prot && a.may == b.may && a.shared == b.shared && a.tag == b.tag &&
         a.locked == b.locked && a.grows_down == b.grows_down && a.dont_fork == b.dont_fork && a.wipe_on_fork == b.wipe_on_fork &&
         a.dont_dump == b.dont_dump && a.no_reserve == b.no_reserve && a.advice == b.advice && accounted && same_backing(a, b) &&
         (!a.object || a.object_offset(b.range.start) == b.offset);
}

// A descriptor through which the file behind the mapping can be mapped; empty for memory and devices.
UniqueFd reopen(const vm::Vma& v) {
  const auto* file = dynamic_cast<const cache::FileObject*>(v.object.get());
  const auto* host = dynamic_cast<const cache::HostObject*>(v.object.get());
  const int fd = file != nullptr ? file->file() : host != nullptr ? host->place() : -1;
  if (fd < 0) return {};
  return UniqueFd(::open(fmt::format("/proc/self/fd/{}", fd).c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
}

}  // namespace

std::vector<Pieces> mappings_of(const Space& space, VirtRange r) {
  std::vector<Pieces> all;
  space.map.visit(r, [&](const vm::Vma& v) {
    if (all.empty() || !continues(all.back().back(), v)) all.emplace_back();
    all.back().push_back(v);
  });
  for (Pieces& pieces : all)
    for (vm::Vma& piece : pieces) piece = vm::clip(piece, r);
  return all;
}

VirtRange whole_mapping(const Space& space, VirtAddr at) {
  const vm::Vma* first = space.map.find(at);
  if (first == nullptr) return {};
  const vm::Vma* last = first;
  while (const vm::Vma* below = first->range.start == 0 ? nullptr : space.map.find(first->range.start - 1)) {
    if (!continues(*below, *first)) break;
    first = below;
  }
  while (const vm::Vma* above = space.map.find(last->range.end)) {
    if (!continues(*last, *above)) break;
    last = above;
  }
  return {first->range.start, last->range.end};
}

bool moves_with_others(const vm::Vma& v) {
  const UniqueFd file = reopen(v);
  const int flags = MAP_PRIVATE | (file ? 0 : MAP_ANONYMOUS);
  void* const from = ::mmap(nullptr, 2 * kPageSize, PROT_READ, flags, file.get(), 0);
  void* const to = ::mmap(nullptr, 2 * kPageSize, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (from == MAP_FAILED || to == MAP_FAILED) return false;
  (void)::mprotect(from, kPageSize, PROT_NONE);
  const bool moves = ::mremap(from, 2 * kPageSize, 2 * kPageSize, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to;
  ::munmap(to, 2 * kPageSize);
  if (!moves) ::munmap(from, 2 * kPageSize);
  return moves;
}

}  // namespace pagefold::kernel
