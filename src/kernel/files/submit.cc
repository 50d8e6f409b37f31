// io_submit(2) and io_destroy(2). The host makes these calls; what reads are under way to afterwards is pinned until they have ended
// (in_flight.h). How much was submitted is known from the thread, which is stopped for a moment on its way back.
//
// What the calls name - pointers, control blocks, vectors - is read before the host reads it. A guest that changes it in between loses
// bytes of its own only.
#include <linux/aio_abi.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <map>

#include "kernel/files/file_calls.h"
#include "kernel/files/guest_buffers.h"
#include "kernel/files/read_for_guest.h"
#include "kernel/memory/guest_memory.h"
#include "kernel/process/redirect.h"

namespace pagefold::kernel {
namespace {

bool reads(const iocb& block) { return block.aio_lio_opcode == IOCB_CMD_PREAD || block.aio_lio_opcode == IOCB_CMD_PREADV; }
bool transfers(const iocb& block) {
  return reads(block) || block.aio_lio_opcode == IOCB_CMD_PWRITE || block.aio_lio_opcode == IOCB_CMD_PWRITEV;
}

struct Submitted {
  VirtAddr address = 0;
  iocb block{};
};

// As many as the host would find. Space::mutex not held.
std::vector<Submitted> read_blocks(const Call& call, std::uint64_t most) {
  std::vector<Submitted> all;
  const auto count = static_cast<std::int64_t>(call.argument(1));
  for (std::uint64_t i = 0; count > 0 && i < std::min(most, static_cast<std::uint64_t>(count)); ++i) {
    Submitted one;
    if (!read_guest(call.space(), call.argument(2) + i * sizeof(VirtAddr), &one.address, sizeof one.address)) break;
    if (!read_guest(call.space(), one.address, &one.block, sizeof one.block)) break;
    all.push_back(one);
  }
  return all;
}

struct Target {
  bool disk = false;    // a regular file or a block device: nothing there waits for signals
  bool direct = false;  // a device stores into the guest's memory
  std::shared_ptr<cache::FullFile> full;
};

Target target_of(const Call& call, int fd) {
  Target target;
  const auto own = borrow(call, fd);
  struct stat status {};
  if (!own || ::fstat(own->get(), &status) != 0) return {true, false, nullptr};  // the host refuses the block
  target.disk = S_ISREG(status.st_mode) || S_ISBLK(status.st_mode);
  target.direct = is_direct(own->get());
  if (S_ISREG(status.st_mode)) target.full = call.supervisor.files().full(status);
  return target;
}

std::vector<iovec> parts_of(Space& space, const iocb& block) {
  if (block.aio_lio_opcode == IOCB_CMD_PREAD) return {{reinterpret_cast<void*>(block.aio_buf), block.aio_nbytes}};
  auto parts = read_parts(space, block.aio_buf, static_cast<std::int64_t>(block.aio_nbytes));
  return parts ? std::move(*parts) : std::vector<iovec>{};
}

// Space::mutex held.
void pin(Space& space, VirtRange r, std::vector<vm::Pin>& pins) {
  for (VirtAddr at = r.start; at < r.end;) {
    const vm::Vma* v = space.map.find_from(at);
    if (v == nullptr || v->range.start >= r.end) break;
    const VirtRange here = v->range.intersect(r);
    if (!here.empty() && is_pagefolds(*v)) {
      const bool in_layer = !v->object || v->layered;
      const PageIndex first = page_of(in_layer ? v->layer_offset(here.start) : v->object_offset(here.start));
      const PageIndex pages = page_of(page_up(here.end)) - page_of(page_down(here.start));
      pins.emplace_back(in_layer ? std::shared_ptr<vm::Pinnable>(space.layer) : v->object, first, first + pages);
    }
    at = v->range.end;
  }
}

// Nothing of this is under way yet.
class Submission {
 public:
  explicit Submission(const Call& call) : call_(call) {
    std::uint64_t most = 0;
    {
      const std::lock_guard lock(space().mutex);
      most = InFlight::most(space(), context());
    }
    blocks_ = read_blocks(call, most);
  }
  [[nodiscard]] bool empty() const { return blocks_.empty(); }
  [[nodiscard]] bool on_disks() {
    return std::all_of(blocks_.begin(), blocks_.end(),
                       [this](const Submitted& s) { return !transfers(s.block) || target(s).disk; });
  }

  // What guests have stored into the files is written back first, as for other calls that read them.
  Result<void> write_back() {
    for (const Submitted& s : blocks_)
      if (const auto& full = target(s).full; full && full->any_dirty(0, OwnFiles::kAll))
        PAGEFOLD_CHECK(call_.supervisor.own_files()->write_back(*full));
    return {};
  }

  std::uint64_t begin() {
    std::vector<Buffers> buffers;
    for (const Submitted& s : blocks_) {
      auto all = reads(s.block) && target(s).direct ? checked(parts_of(space(), s.block)) : Buffers{};
      buffers.push_back(all ? std::move(*all) : Buffers{});
    }
    const std::lock_guard lock(space().mutex);
    space().in_flight.settle(space());
    std::vector<InFlight::Block> blocks;
    for (std::size_t i = 0; i < blocks_.size(); ++i) {
      blocks.push_back({blocks_[i].address, blocks_[i].block.aio_data, i, {}});
      for (const iovec& part : buffers[i].parts) {
        const auto start = reinterpret_cast<VirtAddr>(part.iov_base);
        pin(space(), {start, start + part.iov_len}, blocks.back().pins);
      }
    }
    return space().in_flight.begin(space(), context(), std::move(blocks));
  }

 private:
  [[nodiscard]] Space& space() const { return call_.space(); }
  [[nodiscard]] VirtAddr context() const { return call_.argument(0); }
  const Target& target(const Submitted& s) {
    const int fd = static_cast<int>(s.block.aio_fildes);
    const auto known = targets_.find(fd);
    return known != targets_.end() ? known->second : targets_.emplace(fd, target_of(call_, fd)).first->second;
  }

  const Call& call_;
  std::vector<Submitted> blocks_;
  std::map<int, Target> targets_;  // by descriptor
};

// Lets the host make the call. What it returned; nullopt: the thread has ended, or could not be stopped, and the call was refused.
std::optional<std::int64_t> result_of(const Call& call) {
  const auto stop = stop_caller(call, [](const Call& c) { c.proceed(); });
  const auto registers = stop ? stop->registers() : fail(ESRCH);
  return registers ? std::optional(static_cast<std::int64_t>(registers->rax)) : std::nullopt;
}

}  // namespace

void on_io_submit(const Call& call) {
  Workers::about_to_wait();
  std::uint64_t begun = 0;
  {
    Submission submission(call);
    if (submission.empty()) return call.proceed();
    if (const auto clean = submission.write_back(); !clean) return call.fail(clean.error().code);
    begun = submission.begin();
    // Who waits for a pipe there would be interrupted by the stop.
    if (!submission.on_disks()) return call.proceed();
  }
  const std::int64_t result = result_of(call).value_or(0);
  const std::lock_guard lock(call.space().mutex);
  call.space().in_flight.submitted(call.argument(0), begun, static_cast<std::uint64_t>(std::max<std::int64_t>(result, 0)));
}

// It returns when nothing of the context is under way any more.
void on_io_destroy(const Call& call) {
  const auto result = result_of(call);
  const std::lock_guard lock(call.space().mutex);
  if (result == 0) call.space().in_flight.end(call.argument(0));
}

}  // namespace pagefold::kernel
