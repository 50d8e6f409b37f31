#include "kernel/process/own_loader.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <map>

#include "elf/header.h"

namespace pagefold::kernel {
namespace {

constexpr std::string_view kSystemLoader = "/ld-linux-x86-64.so.2";
constexpr const char* kFileName = "ld-pagefold.so";

// The values of the auxiliary vector, by type; 0 for what it has not got.
std::map<std::uint64_t, std::uint64_t> auxiliary(pid_t pid) {
  const auto vector = read_host_file(fmt::format("/proc/{}/auxv", pid));
  std::map<std::uint64_t, std::uint64_t> values;
  std::array<std::uint64_t, 2> entry{};
  for (std::size_t at = 0; vector && at + sizeof entry <= vector->size(); at += sizeof entry) {
    std::memcpy(entry.data(), vector->data() + at, sizeof entry);
    values.emplace(entry[0], entry[1]);
  }
  return values;
}

vm::Prot protection(const elf::LoadSegment& segment) {
  return static_cast<vm::Prot>(((segment.flags & PF_R) != 0 ? vm::kRead : 0) |
                               ((segment.flags & PF_W) != 0 ? vm::kWrite : 0) |
                               ((segment.flags & PF_X) != 0 ? vm::kExec : 0));
}

// Zeros begin inside a page that also has contents of the file: the page becomes the space's own.
Result<void> clear_rest_of_page(Space& space, const vm::Vma& v, int file, VirtAddr zeros) {
  const VirtAddr page = page_down(zeros);
  if (zeros == page) return {};
  std::array<std::byte, kPageSize> contents{};
  const auto wanted = static_cast<std::size_t>(zeros - page);
  if (::pread(file, contents.data(), wanted, static_cast<off_t>(v.object_offset(page))) != static_cast<ssize_t>(wanted))
    return fail_errno("read the loader");
  const std::lock_guard family(space.layer->mutex());
  PAGEFOLD_CHECK(space.layer->frames().write(v.layer_offset(page), contents.data(), kPageSize));
  space.layer->note_filled(v.layer_page(page), false);
  return {};
}

}  // namespace

bool is_system_loader(std::string_view path) { return path.ends_with(kSystemLoader); }

Result<std::string> OwnLoader::find() {
  std::error_code error;
  const auto command = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return fail(error.value(), "/proc/self/exe");
  const auto beside = command.parent_path();
  for (const auto& candidate : {beside / kFileName, beside.parent_path() / "lib/pagefold" / kFileName})
    if (std::filesystem::is_regular_file(candidate, error)) return candidate.string();
  return fail(ELIBACC, fmt::format("{} beside {}, or in ../lib/pagefold", kFileName, command.string()));
}

Result<std::unique_ptr<OwnLoader>> OwnLoader::open(const std::string& path) {
  constexpr std::size_t kHeaders = 4096;  // the program headers follow the file's header
  auto loader = std::make_unique<OwnLoader>();
  loader->path_ = path;
  loader->file_.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status {};
  if (!loader->file_ || ::fstat(loader->file_.get(), &status) != 0) return fail(ELIBACC, "open " + path);
  alignas(elf::Elf64::Header) std::array<char, kHeaders> start{};
  const ssize_t got = ::pread(loader->file_.get(), start.data(), start.size(), 0);
  if (got < 0) return fail(ELIBACC, "read " + path);
  const elf::Bytes bytes(start.data(), static_cast<std::uint64_t>(got));
  if (const auto check = elf::check_header<elf::Elf64>(bytes, EM_X86_64); check.verdict != elf::Verdict::kGood)
    return fail(ELIBBAD, path + ": " + (check.defect.what != nullptr ? check.defect.what : "not for this machine"));
  const auto* header = bytes.at<elf::Elf64::Header>(0);
  const auto table = bytes.table<elf::Elf64::Segment>(header->e_phoff, header->e_phnum);
  const elf::LoadPlanner<elf::Elf64> planner(*header, table, static_cast<std::uint64_t>(status.st_size), kPageSize);
  elf::LoadPlan plan;
  if (const elf::Defect defect = planner.make(plan)) return fail(ELIBBAD, path + ": " + defect.what);
  if (plan.position_fixed || plan.has_interpreter || plan.start != 0 || plan.align != kPageSize)
    return fail(ELIBBAD, path + ": not a loader that can be put anywhere");
  planner.for_each_load([&](const elf::LoadSegment& segment) { loader->segments_.push_back(segment); });
  loader->size_ = plan.end;
  loader->entry_ = plan.entry;
  return loader;
}

VirtRange OwnLoader::place_in(pid_t pid, const std::vector<HostMapping>& mappings) const {
  const auto first = std::ranges::find_if(mappings, [](const HostMapping& m) { return is_system_loader(m.name); });
  if (first == mappings.end()) return {};
  auto values = auxiliary(pid);
  if (values[AT_BASE] != first->range.start || values[AT_SECURE] != 0) return {};
  VirtRange there = first->range;
  for (const HostMapping& m : mappings) {
    const bool its_bss = m.inode == 0 && m.name.empty() && m.range.start == there.end;
    if (m.inode == first->inode || its_bss) there.end = std::max(there.end, m.range.end);
  }
  const VirtRange needed{there.start, there.start + size_};
  const bool room = std::ranges::none_of(
      mappings, [&](const HostMapping& m) { return m.range.overlaps(needed) && !there.contains(m.range); });
  return room && needed.end <= kUserTop ? there : VirtRange{};
}

Result<void> OwnLoader::map(Space& space, cache::FileCache& files, VirtAddr base) const {
  const vm::ObjectRef object = PAGEFOLD_TRY(files.lookup(file_.get(), path_));
  if (object->kind() != vm::Object::Kind::File) return fail(EAGAIN, path_ + " is being written");
  for (const elf::LoadSegment& segment : segments_) {
    vm::Vma v;
    v.prot = protection(segment);
    v.range = {base + segment.start, base + segment.file_end};
    v.layer = v.range.start;
    v.offset = segment.file_offset;
    v.object = object;
    v.layered = v.writable();
    v.around.expect(page_of(v.range.start));
    if (v.writable() && segment.memory_end > segment.data_end)
      PAGEFOLD_CHECK(clear_rest_of_page(space, v, file_.get(), base + segment.data_end));
    const vm::Vma anonymous = [&] {
      vm::Vma rest = v;
      rest.object = nullptr;
      rest.offset = 0;
      rest.layered = true;
      rest.range = {v.range.end, base + segment.end};
      rest.layer = rest.range.start;
      return rest;
    }();
    if (!v.range.empty()) space.map.insert(std::move(v));
    if (!anonymous.range.empty()) space.map.insert(anonymous);
  }
  return {};
}

}  // namespace pagefold::kernel
