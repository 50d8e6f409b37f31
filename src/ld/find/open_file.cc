#include "ld/find/open_file.h"

#include <new>

#include "elf/header.h"
#include "ld/base/arena.h"
#include "ld/base/text.h"

namespace pagefold::ld {
namespace {

int64_t read_fully(int64_t fd, char* to, uint64_t size, uint64_t offset) {
  uint64_t done = 0;
  while (done < size) {
    const int64_t got = sys::read_at(fd, to + done, size - done, offset + done);
    if (got == -4) continue;
    if (got < 0) return got;
    if (got == 0) break;
    done += static_cast<uint64_t>(got);
  }
  return static_cast<int64_t>(done);
}

// The first read takes what there is; a file shorter than kHead answers with one more read of nothing.
int64_t read_head(int64_t fd, char* to) {
  int64_t got;
  do got = sys::read(fd, to, OpenFile::kHead);
  while (got == -4);
  return got;
}

Status read_segments(const char* path, OpenFile& file) {
  const Elf64_Ehdr& header = file.header();
  file.segments = file.bytes().table<Elf64_Phdr>(header.e_phoff, header.e_phnum);
  if (file.segments.data != nullptr) return nullptr;
  const uint64_t size = uint64_t{header.e_phnum} * sizeof(Elf64_Phdr);
  if (header.e_phoff > INT64_MAX - size) return fail_at(path, "program headers outside the file", header.e_phoff);
  auto* segments = static_cast<Elf64_Phdr*>(allocate(size));
  const int64_t got = read_fully(file.fd, reinterpret_cast<char*>(segments), size, header.e_phoff);
  file.segments = {segments, header.e_phnum};
  file.segments_allocated = true;
  if (got == static_cast<int64_t>(size)) return nullptr;
  return fail(path, "cannot read file data", got < 0 ? sys::error_of(got) : 0);
}

OpenFile* kept = nullptr;
const char* kept_path = nullptr;

void move(OpenFile& from, OpenFile& to) {
  to = from;
  if (!to.segments_allocated) to.segments = to.bytes().table<Elf64_Phdr>(to.header().e_phoff, to.header().e_phnum);
  from.fd = -1;
  from.segments_allocated = false;
}

}  // namespace

void keep_open(OpenFile& file, const char* path) {
  kept = new (allocate(sizeof(OpenFile))) OpenFile;
  move(file, *kept);
  kept_path = path;
}

void close_kept() {
  if (kept == nullptr) return;
  kept->close();
  release(kept, sizeof(OpenFile));
  kept = nullptr;
}

void OpenFile::close() {
  if (fd >= 0) sys::close(fd);
  fd = -1;
  if (segments_allocated) release(const_cast<Elf64_Phdr*>(segments.data), segments.count * sizeof(Elf64_Phdr));
  segments_allocated = false;
}

Status open_object(const char* path, OpenFile& file) {
  if (kept != nullptr && equal(path, kept_path)) {
    move(*kept, file);
    close_kept();
    return nullptr;
  }
  file.fd = sys::open(path, sys::kReadOnly | sys::kCloseOnExec);
  if (file.fd < 0) {
    file.error = sys::error_of(file.fd);
    file.fd = -1;
    return nullptr;
  }
  const int64_t got = read_head(file.fd, file.head);
  if (got < static_cast<int64_t>(sizeof(Elf64_Ehdr))) {
    file.close();
    return fail(path, got < 0 ? "cannot read file data" : "file too short", got < 0 ? sys::error_of(got) : 0);
  }
  file.head_size = static_cast<uint64_t>(got);
  const elf::HeaderCheck check = elf::check_header<elf::Elf64>(file.bytes(), EM_X86_64);
  switch (check.verdict) {
    case elf::Verdict::kGood:
      break;
    case elf::Verdict::kOtherClass:
      file.other_class = true;
      [[fallthrough]];
    case elf::Verdict::kOtherMachine:
      file.close();
      file.error = sys::kEnoent;
      return nullptr;
    case elf::Verdict::kBad:
      file.close();
      return fail(path, check.defect.what);
  }
  if (const Status status = read_segments(path, file); status != nullptr) {
    file.close();
    return status;
  }
  return nullptr;
}

Status know_identity(OpenFile& file, const char* path) {
  if (file.stat_known) return nullptr;
  const int64_t result = sys::fstat(file.fd, &file.stat);
  if (sys::failed(result)) return fail(path, "cannot stat shared object", sys::error_of(result));
  file.stat_known = true;
  return nullptr;
}

}  // namespace pagefold::ld
