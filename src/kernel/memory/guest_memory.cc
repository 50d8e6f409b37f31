#include "kernel/memory/guest_memory.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "cache/file_object.h"
#include "cache/full_file.h"
#include "frame/shared_object.h"
#include "kernel/fault/fault.h"
#include "kernel/sync/host_plan.h"
#include "kernel/files/own_files.h"
#include "kernel/pressure/pressure.h"

namespace pagefold::kernel {
namespace {

using cache::FileObject;
using PageBuffer = std::array<std::byte, kPageSize>;

// A file page that must be read first, with Space::mutex released.
struct ColdPage {
  std::shared_ptr<FileObject> file;
  PageIndex page = 0;
  bool followed = false;  // and mirrors of it must go
};

// Host-mapped memory is ordinary memory of the host; reading it cannot come back to us. Never by process id: the
// process may have exec'ed a set-uid program since, while a thread of another process still lives in this space.
Result<void> copy_host(const Space& space, VirtAddr address, void* local, Bytes length, bool write) {
  const auto at = static_cast<off_t>(address);
  const ssize_t n =
      write ? ::pwrite(space.memory.get(), local, length, at) : ::pread(space.memory.get(), local, length, at);
  return n == static_cast<ssize_t>(length) ? Result<void>{} : fail(EFAULT);
}

Result<void> copy_page(const std::shared_ptr<FileObject>& file, PageIndex page, void* to, ColdPage& cold) {
  const auto unchanged = file->steady(FileObject::Patience::NoWait);
  auto copied = unchanged ? file->copy_page(page, to, FileObject::Patience::NoWait) : fail(EAGAIN);
  if (!copied && copied.error().code == EAGAIN) cold = {file, page};
  return copied;
}

// The contents of the page of a layered mapping that lies at `page_address`. Family lock held.
Result<void> layered_page(const Space& space, const vm::Vma& v, VirtAddr page_address, void* to, ColdPage& cold) {
  const PageIndex page = v.layer_page(page_address);
  const vm::Layer& layer = *space.layer;
  if (layer.present().test(page) || layer.inherited().test(page) || !v.object) return layer.fetch(page, to);
  const auto file = std::dynamic_pointer_cast<FileObject>(v.object);
  const PageIndex source = page_of(v.object_offset(page_address));
  if (!file || source >= file->pages()) return fail(EFAULT);
  return copy_page(file, source, to, cold);
}

// One piece that lies within one page. Space::mutex held.
Result<void> read_piece(Space& space, VirtAddr address, void* to, Bytes length, ColdPage& cold) {
  const vm::Vma* v = space.map.find(address);
  if (v == nullptr || v->prot == vm::kNone) return fail(EFAULT);
  if (v->host()) return copy_host(space, address, to, length, false);
  const VirtAddr page = page_down(address);
  PageBuffer contents;
  if (!v->object || v->layered) {
    const std::lock_guard family(space.layer->mutex());
    PAGEFOLD_CHECK(layered_page(space, *v, page, contents.data(), cold));
  } else if (const auto file = std::dynamic_pointer_cast<FileObject>(v->object)) {
    const PageIndex source = page_of(v->object_offset(page));
    if (source >= file->pages()) return fail(EFAULT);
    PAGEFOLD_CHECK(copy_page(file, source, contents.data(), cold));
  } else {
    auto* shared = dynamic_cast<frame::SharedObject*>(v->object.get());
    if (shared == nullptr) return fail(EFAULT);
    if (page_of(v->object_offset(page)) >= shared->pages()) return fail(EFAULT);
    const std::lock_guard lock(shared->mutex);
    PAGEFOLD_CHECK(shared->frames().read(v->object_offset(page), contents.data(), kPageSize));
  }
  std::memcpy(to, contents.data() + (address - page), length);
  return {};
}

// A store into a fully owned file, as the guest would make it.
Result<void> write_tracked(const vm::Vma& v, VirtAddr address, const void* from, Bytes length, ColdPage& cold) {
  const auto file = std::static_pointer_cast<cache::FullFile>(v.object);
  const PageIndex page = page_of(v.object_offset(address));
  if (page >= file->pages()) return fail(EFAULT);
  if (const auto mark = file->mark_dirty(page); mark != cache::FullFile::Mark::Done) {
    cold = {file, page, mark == cache::FullFile::Mark::Followed};
    return fail(EAGAIN);
  }
  return file->store_bytes(v.object_offset(address), from, length);
}

Result<void> write_piece(Space& space, VirtAddr address, const void* from, Bytes length, ColdPage& cold) {
  vm::Vma* v = space.map.find(address);
  if (v == nullptr || !v->writable()) return fail(EFAULT);
  if (v->host()) return copy_host(space, address, const_cast<void*>(from), length, true);
  if (auto* shared = dynamic_cast<frame::SharedObject*>(v->object.get()); shared != nullptr && v->shared) {
    if (page_of(v->object_offset(address)) >= shared->pages()) return fail(EFAULT);
    const std::lock_guard lock(shared->mutex);
    if (shared->resident.set(page_of(v->object_offset(address)))) stats().frames(kPageSize);
    return shared->frames().write(v->object_offset(address), from, length);
  }
  if (tracked(*v)) return write_tracked(*v, address, from, length, cold);
  if (v->object && !v->layered) return fail(EFAULT);
  const std::lock_guard family(space.layer->mutex());
  const PageIndex page = v->layer_page(address);
  PAGEFOLD_TRY(space.layer->push(page));
  space.layer->unmirror(page);
  if (!space.layer->present().test(page)) {
    PageBuffer contents;
    PAGEFOLD_CHECK(layered_page(space, *v, page_down(address), contents.data(), cold));
    PAGEFOLD_CHECK(space.layer->frames().write(bytes_of(page), contents.data(), kPageSize));
    space.layer->note_filled(page, false);
  }
  return space.layer->frames().write(v->layer_offset(address), from, length);
}

// Runs piece over [address, address + length) page by page, reading cold file pages with the lock released.
template <class Piece>
Result<void> each_piece(Space& space, VirtAddr address, Bytes length, Piece&& piece) {
  for (Bytes done = 0; done < length;) {
    const VirtAddr at = address + done;
    const Bytes n = std::min(length - done, kPageSize - (at & kPageMask));
    ColdPage cold;
    Result<void> result;
    {
      const std::lock_guard lock(space.mutex);
      result = piece(at, done, n, cold);
      account(space);
    }
    if (!result && cold.followed) {
      space.own_files->expel(static_cast<cache::FullFile&>(*cold.file), cold.page, cold.page + 1);
      continue;
    }
    if (!result && cold.file) {
      Room room;
      PAGEFOLD_CHECK(room.ask(1, 0, reclaim::Patience::Wait));
      PAGEFOLD_TRY(cold.file->ensure(cold.page, cold.page + 1, FileObject::Patience::Wait));
      continue;
    }
    PAGEFOLD_CHECK(std::move(result));
    done += n;
  }
  return {};
}

}  // namespace

Result<void> read_guest(Space& space, VirtAddr address, void* to, Bytes length) {
  return each_piece(space, address, length, [&](VirtAddr at, Bytes done, Bytes n, ColdPage& cold) {
    return read_piece(space, at, static_cast<std::byte*>(to) + done, n, cold);
  });
}

Result<void> write_guest(Space& space, VirtAddr address, const void* from, Bytes length) {
  return each_piece(space, address, length, [&](VirtAddr at, Bytes done, Bytes n, ColdPage& cold) {
    return write_piece(space, at, static_cast<const std::byte*>(from) + done, n, cold);
  });
}

Result<std::string> read_guest_string(Space& space, VirtAddr address, Bytes most) {
  std::string text;
  std::array<char, 256> part;
  while (text.size() < most) {
    const VirtAddr at = address + text.size();
    const Bytes n = std::min<Bytes>(part.size(), kPageSize - (at & kPageMask));
    PAGEFOLD_CHECK(read_guest(space, at, part.data(), n));
    const auto* end = static_cast<const char*>(std::memchr(part.data(), 0, n));
    if (end != nullptr) return text.append(part.data(), static_cast<std::size_t>(end - part.data()));
    text.append(part.data(), n);
  }
  return fail(ENAMETOOLONG);
}

}  // namespace pagefold::kernel
