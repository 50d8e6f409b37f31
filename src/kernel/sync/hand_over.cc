// A file gets a writer: the mappings of it become the host's, so that they go on showing what the file holds. Shared ones and
// private ones without copies are simply mapped again. A private mapping with copies is rebuilt aside,
// at an unused address: the host maps the file there, the copies are stored into it, and mremap puts it in place at once. Its
// old pages are write-protected meanwhile; a thread that stores there waits, and then stores into the new mapping.
//
// Which pages are copies is told by the layer, if their first touch was a store, or else by comparing them with the file, which
// nobody has changed yet: its writer is held back by the lease. So a page that was read, and then written with the very bytes it
// had, counts as never written; POSIX leaves open what it shows.

#include "kernel/sync/hand_over.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <map>
#include <vector>

#include "base/fd.h"
#include "cache/file_cache.h"
#include "cache/file_object.h"
#include "kernel/fault/fault.h"
#include "kernel/sync/host_sync.h"

namespace pagefold::kernel {
namespace {

using PageBuffer = std::array<std::byte, kPageSize>;

struct Copy {
  Bytes offset = 0;  // in the mapping
  PageBuffer contents;
};

enum class Copies : bool { None, Possible };

// Mappings of files that get a writer; by value, as the map changes while they are gone through.
std::vector<vm::Vma> leaving(const Space& space, Copies copies) {
  std::vector<vm::Vma> found;
  for (const auto& [start, v] : space.map.all()) {
    const auto* file = dynamic_cast<const cache::FileObject*>(v.object.get());
    if (file != nullptr && file->given_up() && v.layered == (copies == Copies::Possible)) found.push_back(v);
  }
  return found;
}

Result<void> hold_writers(const Space& space, VirtRange r) {
  Result<void> done;
  space.host.visit(r, [&](const pmap::HostPiece& piece) {
    if (done && piece.kind == pmap::HostPiece::Kind::Layer) done = space.uffd.write_protect(piece.range);
  });
  return done;
}

Result<std::vector<Copy>> copies_of(const Space& space, const vm::Vma& v, cache::FileObject& file) {
  std::vector<Copy> copies;
  const std::lock_guard family(space.layer->mutex());
  const vm::Layer& layer = *space.layer;
  const PageIndex first = page_of(v.layer), last = first + v.range.pages();
  const auto next = [&](PageIndex page) { return std::min(layer.present().next(page, last), layer.inherited().next(page, last)); };
  for (PageIndex page = next(first); page < last; page = next(page + 1)) {
    Copy copy;
    copy.offset = bytes_of(page - first);
    PAGEFOLD_CHECK(layer.fetch(page, copy.contents.data()));
    PageBuffer original;
    PAGEFOLD_CHECK(file.copy_page(page_of(v.offset + copy.offset), original.data(), cache::FileObject::Patience::Wait));
    if (layer.stored().test(page) || copy.contents != original) copies.push_back(copy);
  }
  return copies;
}

Result<void> store_copies(const Space& space, VirtAddr at, const std::vector<Copy>& copies) {
  const UniqueFd memory(::open(fmt::format("/proc/{}/mem", space.pid).c_str(), O_RDWR | O_CLOEXEC));
  if (!memory) return fail_errno("open a guest's memory");
  for (const Copy& copy : copies)
    if (::pwrite(memory.get(), copy.contents.data(), kPageSize, static_cast<off_t>(at + copy.offset)) != static_cast<ssize_t>(kPageSize))
      return fail_errno("store private pages");
  return {};
}

HostOp map_by_host(const vm::Vma& v, const cache::FileObject& file, VirtAddr at) {
  HostOp op;
  op.piece = {{at, at + v.range.size()}, pmap::HostPiece::Kind::Host, v.prot, v.offset, nullptr};
  op.fd = file.file();
  op.flags = v.shared ? MAP_SHARED : MAP_PRIVATE;
  op.file_offset = v.offset;
  op.keep_alive = v.object;
  return op;
}

// The host maps v's file in v's place, with these pages changed.
Result<void> put_in_place(Space& space, const Listener& listener, const vm::Vma& v, const cache::FileObject& file,
                          const std::vector<Copy>& copies) {
  if (copies.empty()) return carry_out(space, listener, {map_by_host(v, file, v.range.start)});
  const auto aside = space.map.find_gap(v.range.size());
  if (!aside) return fail(ENOMEM, "room to rebuild a mapping");
  const VirtRange scratch{*aside, *aside + v.range.size()};
  PAGEFOLD_CHECK(carry_out(space, listener, {map_by_host(v, file, scratch.start)}));
  PAGEFOLD_CHECK(store_copies(space, scratch.start, copies));
  constexpr std::uint64_t kFlags = MREMAP_MAYMOVE | MREMAP_FIXED;
  PAGEFOLD_TRY(call_in_guest(space, listener, {SYS_mremap, {scratch.start, scratch.size(), scratch.size(), kFlags, v.range.start, 0}, 0, 0}));
  space.host.erase(scratch);
  space.host.set({v.range, pmap::HostPiece::Kind::Host, v.prot, v.offset, nullptr});
  return synchronise(space, listener, scratch, Urgency::Lazy);
}

Result<void> hand_over_private(Space& space, const Listener& listener, const vm::Vma& v, const vm::ObjectRef& successor) {
  auto& file = static_cast<cache::FileObject&>(*v.object);
  PAGEFOLD_CHECK(hold_writers(space, v.range));
  const auto copies = PAGEFOLD_TRY(copies_of(space, v, file));
  PAGEFOLD_CHECK(put_in_place(space, listener, v, file, copies));
  {
    const std::lock_guard family(space.layer->mutex());
    PAGEFOLD_CHECK(space.layer->discard(page_of(v.layer), page_of(v.layer + v.range.size())));
  }
  space.reclaim_layer(v);
  space.map.modify(v.range, [&](vm::Vma& piece) {
    piece.object = successor;
    piece.layered = false;
    piece.accounted = true;
    piece.layer = piece.range.start;
  });
  space.uffd.wake(v.range);
  account(space);
  return {};
}

}  // namespace

std::vector<HostOp> hand_over_shared(Space& space) {
  std::vector<HostOp> ops;
  std::map<const vm::Object*, vm::ObjectRef> successors;
  for (const vm::Vma& v : leaving(space, Copies::None)) {
    const auto& file = static_cast<const cache::FileObject&>(*v.object);
    auto& successor = successors[&file];
    if (!successor) successor = cache::successor_of(file);
    ops.push_back(map_by_host(v, file, v.range.start));
    space.map.modify(v.range, [&](vm::Vma& piece) { piece.object = successor; });
    space.mapped_pages.erase(&file);
  }
  return ops;
}

Result<void> give_back(Space& space, const Listener& listener) {
  PAGEFOLD_CHECK(carry_out(space, listener, hand_over_shared(space)));
  for (const vm::Vma& v : leaving(space, Copies::Possible)) {
    const auto successor = cache::successor_of(static_cast<const cache::FileObject&>(*v.object));
    PAGEFOLD_CHECK(hand_over_private(space, listener, v, successor));
  }
  return {};
}

}  // namespace pagefold::kernel
