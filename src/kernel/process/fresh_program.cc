#include "kernel/process/fresh_program.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>

#include "kernel/files/own_files.h"
#include "kernel/pressure/pressure.h"
#include "kernel/process/host_proc.h"
#include "kernel/process/own_loader.h"
#include "kernel/sync/host_plan.h"

namespace pagefold::kernel {
namespace {

// Position-independent programs, libraries and stacks lie above this; one background covers it up to the stack.
constexpr VirtAddr kHighBackground = 0x500000000000;
// Programs at fixed low addresses get a background of their own, with this much room for the heap.
constexpr Bytes kLowHeapRoom = Bytes{64} << 30;
// Where mappings without an address may be placed at the lowest.
constexpr VirtAddr kLowestPlacement = 0x100000000;

std::string link_target(const std::string& link) {
  std::array<char, PATH_MAX> target{};
  return ::readlink(link.c_str(), target.data(), target.size() - 1) < 0 ? std::string() : std::string(target.data());
}

vm::Prot protection(const HostMapping& m) {
  return static_cast<vm::Prot>((m.read ? vm::kRead : 0) | (m.write ? vm::kWrite : 0) | (m.execute ? vm::kExec : 0));
}

// The very file that is mapped there, whatever its name means by now.
UniqueFd open_mapped(pid_t pid, const HostMapping& m) {
  UniqueFd fd(::open(fmt::format("/proc/{}/map_files/{:x}-{:x}", pid, m.range.start, m.range.end).c_str(), O_RDONLY | O_CLOEXEC));
  if (fd) return fd;
  // Without CAP_CHECKPOINT_RESTORE: by name, if that still is the same file.
  fd.reset(::open(fmt::format("/proc/{}/root{}", pid, m.name).c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status {};
  if (fd && ::fstat(fd.get(), &status) == 0 && status.st_ino == m.inode) return fd;
  return {};
}

class Builder {
 public:
  Builder(Supervisor& supervisor, pid_t pid, VirtAddr stack_pointer)
      : supervisor_(supervisor), pid_(pid), stack_pointer_(stack_pointer) {}

  Result<FreshProgram> build() {
    space_ = PAGEFOLD_TRY(Space::create(pid_));
    if (Pressure* limit = pressure()) limit->adopt(supervisor_, space_);
    space_->pidfd.reset(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
    if (!space_->pidfd) return fail_errno("pidfd_open");
    space_->memory = open_memory(pid_);
    if (!space_->memory) return fail_errno("open a guest's memory");
    const auto mappings = PAGEFOLD_TRY(host_mappings(pid_));
    const VirtRange interpreter = PAGEFOLD_TRY(replace_loader(mappings));
    for (const HostMapping& m : mappings) {
      if (interpreter.contains(m.range)) continue;
      if (m.range.overlaps({stub::kReservedStart, stub::kReservedEnd}))
        return fail(ENOEXEC, "the program wants the addresses Pagefold keeps for itself");
      PAGEFOLD_CHECK(adopt(m));
    }
    space_->brk_start = space_->brk = host_stat_field(pid_, 47).value_or(0);
    if (space_->brk_start == 0) space_->brk_start = space_->brk = program_end_;
    lay_background();
    space_->program = link_target(fmt::format("/proc/{}/exe", pid_));
    return FreshProgram{space_, other_entry_};
  }

 private:
  // What of the host's mappings is left out of the model because Pagefold's loader stands there instead; empty: nothing.
  Result<VirtRange> replace_loader(const std::vector<HostMapping>& mappings) {
    const OwnLoader* own = supervisor_.own_loader();
    const VirtRange interpreter = own != nullptr ? own->place_in(pid_, mappings) : VirtRange{};
    if (!interpreter.empty()) {
      const Result<void> mapped = own->map(*space_, supervisor_.files(), interpreter.start);
      if (!mapped && mapped.error().code != EAGAIN) return tl::unexpected(mapped.error());
      if (mapped) {
        other_entry_ = own->entry(interpreter.start);
        space_->own_loader = true;
        stats().own_loader.fetch_add(1, std::memory_order_relaxed);
        return interpreter;
      }
    }
    if (std::ranges::any_of(mappings, [](const HostMapping& m) { return is_system_loader(m.name); }))
      stats().system_loader.fetch_add(1, std::memory_order_relaxed);
    return VirtRange{};
  }

  Result<void> adopt(const HostMapping& m) {
    if (m.name == "[stack]") return adopt_stack(m);
    vm::Vma v;
    v.range = m.range;
    v.prot = protection(m);
    v.shared = m.shared;
    v.layer = m.range.start;
    v.offset = m.offset;
    v.around.expect(page_of(m.range.start));
    if (m.inode == 0 && m.name.starts_with("[v")) {
      v.tag = vm::Tag::Special;
      v.object = std::make_shared<cache::HostObject>(m.name, 0, 0);
    } else if (m.inode == 0) {
      v.offset = 0;
      v.layered = true;
      if (m.name == "[heap]") v.tag = vm::Tag::Heap;
    } else {
      v.object = PAGEFOLD_TRY(object_of(m));
      v.layered = !v.host() && v.writable();
      if (v.layered) PAGEFOLD_CHECK(keep_last_page(v));
    }
    if (v.tag != vm::Tag::Special) {
      program_end_ = std::max(program_end_, m.range.end);
      if (m.range.start < kHighBackground) low_ = {std::min(low_.start, m.range.start), std::max(low_.end, m.range.end)};
    }
    if (v.host()) space_->host.set(wanted(v));
    space_->map.insert(std::move(v));
    return {};
  }

  // One look-up a file: its mappings follow each other.
  Result<vm::ObjectRef> object_of(const HostMapping& m) {
    if (last_object_ && last_object_->inode() == m.inode && last_object_->name() == m.name) return last_object_;
    const UniqueFd fd = open_mapped(pid_, m);
    last_object_ = fd ? PAGEFOLD_TRY(supervisor_.files().lookup(fd.get(), m.name))
                      : std::make_shared<cache::HostObject>(m.name, 0, m.inode);
    if (const auto full = std::dynamic_pointer_cast<cache::FullFile>(last_object_)) supervisor_.own_files()->refresh(*full);
    return last_object_;
  }

  // The kernel clears the part of a program's last data page that belongs to its bss.
  Result<void> keep_last_page(const vm::Vma& v) {
    const VirtAddr last = v.range.end - kPageSize;
    std::array<std::byte, kPageSize> contents;
    iovec here{contents.data(), kPageSize}, there{reinterpret_cast<void*>(last), kPageSize};
    if (::process_vm_readv(pid_, &here, 1, &there, 1, 0) != static_cast<ssize_t>(kPageSize)) return {};
    const std::lock_guard family(space_->layer->mutex());
    PAGEFOLD_CHECK(space_->layer->frames().write(v.layer_offset(last), contents.data(), kPageSize));
    space_->layer->note_filled(v.layer_page(last), false);
    return {};
  }

  Result<void> adopt_stack(const HostMapping& m) {
    const VirtAddr split = page_down(stack_pointer_);
    space_->stack_top = m.range.end;
    vm::Vma v;
    v.prot = protection(m);
    v.tag = vm::Tag::Stack;
    if (m.range.start < split) {
      vm::Vma lower = v;
      lower.range = {m.range.start, split};
      lower.layer = m.range.start;
      lower.layered = true;
      lower.grows_down = true;
      lower.around.expect(page_of(split - kPageSize));
      space_->map.insert(std::move(lower));
    }
    v.range = {split, m.range.end};
    v.layer = split;
    v.object = std::make_shared<cache::HostObject>("[stack]", 0, 0);
    space_->host.set(wanted(v));
    stack_ = split;
    space_->map.insert(std::move(v));
    return {};
  }

  void lay_background() {
    std::vector<VirtRange> areas{{kHighBackground, stack_}};
    if (low_.start < low_.end) {
      const VirtAddr end = std::min(kHighBackground, std::max(low_.end, page_up(space_->brk_start)) + kLowHeapRoom);
      areas.insert(areas.begin(), {low_.start, end});
    }
    VirtAddr top = 0;
    for (const auto& [start, v] : space_->map.all())
      if (v.tag != vm::Tag::Stack && v.range.end <= stack_) top = std::max(top, v.range.end);
    for (const VirtRange area : areas)
      for (const VirtRange gap : space_->host.gaps(area)) space_->background.push_back(gap);
    space_->map.set_placement({kLowestPlacement, top > kHighBackground ? top : stack_ - kStackRoom});
  }

  static constexpr Bytes kStackRoom = Bytes{256} << 20;

  Supervisor& supervisor_;
  pid_t pid_;
  VirtAddr stack_pointer_;
  SpaceRef space_;
  vm::ObjectRef last_object_;
  VirtRange low_{kHighBackground, 0};
  VirtAddr stack_ = 0, program_end_ = 0, other_entry_ = 0;
};

}  // namespace

Result<FreshProgram> fresh_program(Supervisor& supervisor, pid_t pid, VirtAddr stack_pointer) {
  return Builder(supervisor, pid, stack_pointer).build();
}

}  // namespace pagefold::kernel
