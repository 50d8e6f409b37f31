#include "ld/start/libc.h"

#include "elf/notes.h"
#include "ld/abi/glibc/cross_check.h"
#include "ld/base/arena.h"
#include "ld/find/load.h"
#include "ld/find/open_file.h"

namespace pagefold::ld {
namespace {

constexpr uint64_t kLargestNotes = 512;

// The notes lie within the bytes that were read, or are read now.
elf::Bytes notes_of(const OpenFile& file, const Elf64_Phdr& segment, char* buffer) {
  if (file.bytes().holds(segment.p_offset, segment.p_filesz))
    return elf::Bytes(file.head + segment.p_offset, segment.p_filesz);
  const uint64_t size = segment.p_filesz < kLargestNotes ? segment.p_filesz : kLargestNotes;
  const int64_t got = sys::read_at(file.fd, buffer, size, segment.p_offset);
  return got <= 0 ? elf::Bytes() : elf::Bytes(buffer, static_cast<uint64_t>(got));
}

[[gnu::noinline]] const glibc::Build* build_of(const OpenFile& file) {
  alignas(8) char buffer[kLargestNotes];
  for (const Elf64_Phdr& segment : file.segments) {
    if (segment.p_type != PT_NOTE) continue;
    const elf::Bytes id = elf::build_id(notes_of(file, segment, buffer), segment.p_align);
    if (id.empty()) continue;
    return glibc::find_build({reinterpret_cast<const uint8_t*>(id.data()), id.size()});
  }
  return nullptr;
}

// The buffers must not lie on the stack below the search for files.
[[gnu::noinline]] bool is_contradicted(const OpenFile& file, const glibc::Layout& layout) {
  const glibc::DescriptorRange range = glibc::descriptor_range(layout);
  if (range.size == 0) return false;
  uint8_t bytes[glibc::kLargestDescriptorRange];
  if (range.size > sizeof(bytes)) return true;
  const int64_t got = sys::read_at(file.fd, bytes, range.size, range.offset);
  if (got != static_cast<int64_t>(range.size)) return true;
  return glibc::contradicted_descriptor(layout, {bytes, range.size}) != nullptr;
}

}  // namespace

LibcFound find_libc() {
  OpenFile file;
  char* path = nullptr;
  if (const Status failure = find_file(world.main, kLibcName, file, path); failure != nullptr) {
    forget(failure);
    return {nullptr, "libc.so.6 was not found"};
  }
  LibcFound found;
  found.build = build_of(file);
  if (found.build == nullptr)
    found.reason = "this libc.so.6 is not known (pagefold doctor tells how to add it)";
  else if (is_contradicted(file, found.build->layout))
    found.reason = "this libc.so.6 contradicts its layout table";
  if (found.reason == nullptr) {
    if (const Status failure = know_identity(file, path); failure != nullptr) {
      forget(failure);
      found.reason = "libc.so.6 cannot be examined";
    }
  }
  if (found.reason != nullptr) {
    file.close();
    return found;
  }
  found.device = file.stat.device;
  found.inode = file.stat.inode;
  keep_open(file, path);
  return found;
}

}  // namespace pagefold::ld
