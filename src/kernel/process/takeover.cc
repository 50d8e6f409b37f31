// exec: the host kernel carries it out natively - permissions, set-uid, scripts, argument strings, auxiliary vector, ASLR are
// all its own - and the fresh process is taken over before its first instruction:
//
//   1. execve is let through with the thread interrupted (redirect.h); it stops at the new program's entry, or after a
//      failed call, where it simply goes on.
//   2. From /proc the mappings are read into a new Space; bootstrap code is written over the entry point.
//   3. The bootstrap code says hello, receives descriptors, maps the stub; the stub maps the shared area, creates the
//      userfaultfd and hands it over.
//   4. The program's host mappings are replaced: the background covers everything, file mappings go to the page cache.
//      What stays the host's: vdso, and the top of the stack with the argument strings (so that /proc/PID/cmdline and
//      environ, which the kernel reads from ordinary memory only, keep telling the truth).
//   5. The stub restores the registers; the program starts.

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <cstring>

#include "kernel/calls.h"
#include "kernel/process/host_proc.h"
#include "kernel/sync/host_sync.h"
#include "kernel/memory/mm_limits.h"
#include "kernel/files/own_files.h"
#include "kernel/process/own_loader.h"
#include "kernel/pressure/pressure.h"
#include "kernel/process/redirect.h"

namespace pagefold::kernel {
namespace {

// Position-independent programs, libraries and stacks lie above this; one background covers it up to the stack.
constexpr VirtAddr kHighBackground = 0x500000000000;
// Programs at fixed low addresses get a background of their own, with this much room for the heap.
constexpr Bytes kLowHeapRoom = Bytes{64} << 30;
// Where mappings without an address may be placed at the lowest.
constexpr VirtAddr kLowestPlacement = 0x100000000;
constexpr std::uint64_t kCompatCodeSegment = 0x23;

// Frames that taking over a program fills at once.
constexpr PageIndex kRoomForExec = 4;

// hello -> descriptors; map the stub text from the first; jump there.
std::array<unsigned char, 64> bootstrap_code() {
  std::array<unsigned char, 64> code{};
  std::size_t at = 0;
  const auto bytes = [&](std::initializer_list<unsigned> list) {
    for (const unsigned b : list) code[at++] = static_cast<unsigned char>(b);
  };
  const auto word = [&](std::uint64_t value) {
    const auto low = static_cast<std::uint32_t>(value);
    std::memcpy(&code[at], &low, sizeof low);
    at += sizeof low;
  };
  bytes({0xb8}), word(stub::kHello);           // mov $kHello, %eax
  bytes({0x0f, 0x05});                         // syscall
  bytes({0x49, 0x89, 0xc4});                   // mov %rax, %r12
  bytes({0xb8}), word(SYS_mmap);               // mov $SYS_mmap, %eax
  bytes({0xbf}), word(stub::kTextBase);        // mov $kTextBase, %edi
  bytes({0xbe}), word(stub::kTextSize);        // mov $kTextSize, %esi
  bytes({0xba}), word(PROT_READ | PROT_EXEC);  // mov $prot, %edx
  bytes({0x41, 0xba}), word(MAP_SHARED | MAP_FIXED);     // mov $flags, %r10d
  bytes({0x45, 0x89, 0xe0});                   // mov %r12d, %r8d
  bytes({0x41, 0x81, 0xe0}), word(stub::kPackMask);      // and $kPackMask, %r8d
  bytes({0x45, 0x31, 0xc9});                   // xor %r9d, %r9d
  bytes({0x0f, 0x05});                         // syscall
  bytes({0xff, 0xe0});                         // jmp *%rax
  return code;
}

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

// Builds the model of a freshly exec'ed process from what the host has mapped.
class TakeOver {
 public:
  TakeOver(Supervisor& supervisor, pid_t pid, const user_regs_struct& registers)
      : supervisor_(supervisor), pid_(pid), registers_(registers) {}

  Result<SpaceRef> build() {
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
    return space_;
  }

  // Where the program starts, if not where the host put it.
  [[nodiscard]] VirtAddr other_entry() const { return other_entry_; }

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
    const VirtAddr split = page_down(registers_.rsp);
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
  const user_regs_struct& registers_;
  SpaceRef space_;
  vm::ObjectRef last_object_;
  VirtRange low_{kHighBackground, 0};
  VirtAddr stack_ = 0, program_end_ = 0, other_entry_ = 0;
};

Result<void> peek(pid_t pid, VirtAddr address, std::vector<std::byte>& to) {
  iovec here{to.data(), to.size()}, there{reinterpret_cast<void*>(address), to.size()};
  if (::process_vm_readv(pid, &here, 1, &there, 1, 0) != static_cast<ssize_t>(to.size())) return fail_errno("read the entry point");
  return {};
}

Result<void> restore_patch(const Space& space) {
  if (space.patched_bytes.empty()) return {};
  const auto length = static_cast<ssize_t>(space.patched_bytes.size());
  if (::pwrite(space.memory.get(), space.patched_bytes.data(), space.patched_bytes.size(), static_cast<off_t>(space.patched_at)) != length)
    return fail_errno("restore the entry point");
  return {};
}

MemoryLimits kept_limits(const Call& call) {
  const std::lock_guard lock(call.space().mutex);
  const MemoryLimits kept = memory_limits(call.space(), call.task.group);
  if (call.task.group != call.space().pid) call.space().limits.erase(call.task.group);
  return kept;
}

Result<void> take_over(const Call& call, Stop& stop, const user_regs_struct& registers) {
  Supervisor& supervisor = call.supervisor;
  const pid_t pid = stop.tid();
  const MemoryLimits limits = call.task.space ? kept_limits(call) : own_memory_limits();
  supervisor.leave_space(pid);
  if (registers.cs == kCompatCodeSegment) return fail(ENOEXEC, "32-bit programs are not supported");
  TakeOver builder(supervisor, pid, registers);
  const SpaceRef space = PAGEFOLD_TRY(builder.build());
  space->limits[pid] = limits;
  stub::Slot& boot = space->area->boot;
  boot.registers = to_stub(registers);
  if (builder.other_entry() != 0) boot.registers.rip = builder.other_entry();
  boot.signal_mask = PAGEFOLD_TRY(stop.signal_mask());
  space->area->want_agent = 1;
  const auto code = bootstrap_code();
  const vm::Vma* text = space->own_loader ? nullptr : space->map.find(registers.rip);
  if (text != nullptr && text->host()) {
    space->patched_at = registers.rip;
    space->patched_bytes.resize(code.size());
    PAGEFOLD_CHECK(peek(pid, registers.rip, space->patched_bytes));
  }
  PAGEFOLD_CHECK(stop.poke(registers.rip, code.data(), code.size()));
  supervisor.add_space(space, pid);
  supervisor.guests().program_started(space->program);
  return {};
}

}  // namespace

void on_execve(const Call& call) {
  const auto& notification = call.notification;
  const auto tid = static_cast<pid_t>(notification.pid);
  if (call.task.space && filter_forbids_new_processes(call)) return call.fail(EPERM);
  call.supervisor.about_to_wait();
  if (OwnFiles* files = call.supervisor.own_files()) (void)files->write_back_all();  // the host reads the program
  Room room;
  (void)room.ask(kRoomForExec, 0, reclaim::Patience::Wait);  // failing that, its pages go to the swap
  // Whoever asks for its memory waits (/proc/PID/maps), as natively: until the program runs (on_hello), or the exec has failed.
  Guests& guests = call.supervisor.guests();
  guests.exec_begins(call.task.group);
  bool released = false;
  auto stop = Stop::on_return(tid, [&] {
    call.proceed();
    released = true;
  });
  if (!stop) {
    guests.exec_ends(call.task.group);
    if (!released) call.fail(EAGAIN);
    return;
  }
  const auto registers = stop->registers();
  if (!registers || registers->rip == notification.data.instruction_pointer) {
    guests.exec_ends(call.task.group);
    return;  // the call failed; its errno is in rax
  }
  const auto taken = take_over(call, *stop, *registers);
  if (!taken) {
    guests.exec_ends(call.task.group);
    stats().note("exec: " + taken.error().message());
    ::kill(stop->tid(), SIGKILL);
  }
}

void on_hello(const Call& call) {
  Space& space = call.space();
  if (space.state != Space::State::Booting) return call.fail(ENOSYS);
  const Listener& listener = call.supervisor.listener();
  const auto id = call.notification.id;
  const auto text = listener.add_fd(id, call.supervisor.stub_fd());
  const auto store = listener.add_fd(id, space.store->fd());
  const auto device = listener.add_fd(id, call.supervisor.fault_device());
  if (!text || !store || !device) return call.fail(EMFILE);
  call.reply(*text | std::int64_t{*store} << stub::kPackBits | std::int64_t{*device} << (2 * stub::kPackBits));
}

void on_uffd(const Call& call) {
  Space& space = call.space();
  const std::lock_guard lock(space.mutex);
  if (space.state != Space::State::Booting || space.uffd) return call.fail(ENOSYS);
  UniqueFd fd(static_cast<int>(::syscall(SYS_pidfd_getfd, space.pidfd.get(), static_cast<int>(call.argument(0)), 0)));
  if (!fd) return call.fail(errno);
  auto uffd = pmap::Uffd::adopt(std::move(fd));
  if (!uffd) return call.fail(uffd.error().code);
  space.uffd = std::move(*uffd);

  std::vector<HostOp> ops;
  if (space.boot_ops.empty()) {  // after exec; a fork child comes with its list
    for (const VirtRange b : space.background) {
      HostOp op;
      op.piece = {b, pmap::HostPiece::Kind::Layer, vm::kRead | vm::kWrite, b.start, nullptr};
      space.host.set(op.piece);
      ops.push_back(std::move(op));
    }
    for (auto& op : plan(space, {0, kUserTop}, Urgency::Eager)) ops.push_back(std::move(op));
    space.boot_ops = std::move(ops);
  }
  const auto count = stage(space, call.supervisor.listener(), call.notification.id, space.boot_ops, space.boot_at);
  count ? call.reply(static_cast<std::int64_t>(*count)) : call.fail(count.error().code);
}

void on_ready(const Call& call) {
  Space& space = call.space();
  {
    const std::lock_guard lock(space.mutex);
    if (space.state != Space::State::Booting || !space.uffd) return call.fail(ENOSYS);
    if (space.boot_at < space.boot_ops.size()) {
      const auto count = stage(space, call.supervisor.listener(), call.notification.id, space.boot_ops, space.boot_at);
      return count ? call.reply(static_cast<std::int64_t>(*count)) : call.fail(count.error().code);
    }
    note(space, space.boot_ops);
    Result<void> done = restore_patch(space);
    space.host.visit({0, kUserTop}, [&](const pmap::HostPiece& piece) {
      if (done) done = register_piece(space, piece);
    });
    if (!done) {
      stats().note("start of a guest: " + done.error().message());
      return call.fail(done.error().code);
    }
    // A file given up while the process was booting: the host's turn, before the program sees it.
    space.boot_ops = hand_over(space);
    space.boot_at = 0;
    if (!space.boot_ops.empty()) {
      const auto count = stage(space, call.supervisor.listener(), call.notification.id, space.boot_ops, space.boot_at);
      return count ? call.reply(static_cast<std::int64_t>(*count)) : call.fail(count.error().code);
    }
    if (const auto done = call.supervisor.watch_faults(call.task.space); !done) return call.fail(done.error().code);
    space.state = Space::State::Running;
#ifdef PAGEFOLD_CHECKS
    space.check_invariants();
#endif
  }
  call.supervisor.guests().exec_ends(call.task.group);
  call.reply(0);
}

}  // namespace pagefold::kernel
