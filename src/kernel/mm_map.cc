// mmap, munmap, mprotect, brk: changes of the map. Each changes the model under the lock, then lets the host follow as far as
// it must (host_sync.h): most calls need no host operation at all.
//
// Order of checks and errnos: mm/mmap.c (do_mmap), mm/mprotect.c; mmap(2), mprotect(2), brk(2).

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <climits>
#include <limits>
#include <optional>

#include "frame/shared_object.h"
#include "kernel/calls.h"
#include "kernel/fault.h"
#include "kernel/hand_over.h"
#include "kernel/host_sync.h"
#include "kernel/mm_limits.h"
#include "kernel/pressure.h"
#include "kernel/own_loader.h"
#include "kernel/own_files.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

namespace pagefold::kernel {
namespace {

constexpr std::uint64_t kProtMask = PROT_READ | PROT_WRITE | PROT_EXEC;
// Flags that MAP_SHARED_VALIDATE accepts (LEGACY_MAP_MASK and MAP_SYNC is not among them).
constexpr std::uint64_t kKnownFlags = MAP_SHARED | MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS | MAP_DENYWRITE | MAP_EXECUTABLE |
                                      MAP_GROWSDOWN | MAP_LOCKED | MAP_NORESERVE | MAP_POPULATE | MAP_NONBLOCK | MAP_STACK |
                                      MAP_HUGETLB | MAP_FIXED_NOREPLACE | 0x4000000 /* MAP_UNINITIALIZED */;
// Linux's default vm.mmap_min_addr.
constexpr VirtAddr kLowest = 0x10000;

struct MapRequest {
  VirtAddr address;
  Bytes length;
  std::uint64_t prot, flags;
  int fd;
  Bytes offset;

  [[nodiscard]] bool fixed() const { return (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) != 0; }
  [[nodiscard]] bool anonymous() const { return (flags & MAP_ANONYMOUS) != 0; }
  [[nodiscard]] std::uint64_t type() const { return flags & MAP_TYPE; }
  [[nodiscard]] bool shared() const { return type() != MAP_PRIVATE; }
};

struct Backing {
  vm::ObjectRef object;
  std::shared_ptr<const void> hold;
  std::shared_ptr<const UniqueFd> opened_as;
  UniqueFd fd;
  vm::Prot may = vm::kRead | vm::kWrite | vm::kExec;
};

// mm/mmap.c, file_mmap_ok.
bool beyond_any_file(int fd, const MapRequest& m) {
  constexpr auto kLargest = static_cast<Bytes>(std::numeric_limits<off_t>::max());
  struct stat status {};
  return m.length > kLargest || (m.offset > kLargest - m.length && ::fstat(fd, &status) == 0 && S_ISREG(status.st_mode));
}

Result<void> try_map(int fd, std::uint64_t flags) {
  void* at = ::mmap(nullptr, kPageSize, PROT_READ, static_cast<int>(flags & ~std::uint64_t{MAP_FIXED | MAP_POPULATE | MAP_LOCKED}), fd, 0);
  if (at == MAP_FAILED) return fail(errno);
  ::munmap(at, kPageSize);
  return {};
}

Result<Backing> file_backing(const Call& call, const MapRequest& m) {
  Backing backing;
  backing.fd = PAGEFOLD_TRY(borrow(call, m.fd));
  const int mode = ::fcntl(backing.fd.get(), F_GETFL);
  if ((mode & O_PATH) != 0) return fail(EBADF);
  if (beyond_any_file(backing.fd.get(), m)) return fail(EOVERFLOW);
  const bool readable = (mode & O_ACCMODE) != O_WRONLY, writable = (mode & O_ACCMODE) != O_RDONLY;
  if (m.type() != MAP_PRIVATE && m.type() != MAP_SHARED && m.type() != MAP_SHARED_VALIDATE) return fail(EINVAL);
  if (m.type() == MAP_SHARED_VALIDATE && (m.flags & ~kKnownFlags & ~std::uint64_t{MAP_TYPE}) != 0) return fail(EOPNOTSUPP);
  if (m.shared() && (m.prot & PROT_WRITE) != 0 && !writable) return fail(EACCES);
  if (!readable) return fail(EACCES);
  if (m.shared() && !writable) backing.may = vm::kRead | vm::kExec;
  struct statvfs fs {};
  if (::fstatvfs(backing.fd.get(), &fs) == 0 && (fs.f_flag & ST_NOEXEC) != 0) {
    if ((m.prot & PROT_EXEC) != 0) return fail(EPERM);
    backing.may &= static_cast<vm::Prot>(~vm::kExec);
  }
  if ((m.flags & MAP_GROWSDOWN) != 0) return fail(EINVAL);
  // Whether a file can be mapped like this depends on its file system (private mappings only; others have dropped the flag).
  if (m.type() == MAP_PRIVATE && (m.flags & MAP_SYNC) != 0) PAGEFOLD_CHECK(try_map(backing.fd.get(), m.flags));
  std::array<char, PATH_MAX> name{};
  const auto link = fmt::format("/proc/self/fd/{}", backing.fd.get());
  if (::readlink(link.c_str(), name.data(), name.size() - 1) < 0) return fail_errno("name of a mapped file");
  backing.object = PAGEFOLD_TRY(call.supervisor.files().lookup(backing.fd.get(), name.data()));
  if (const auto full = std::dynamic_pointer_cast<cache::FullFile>(backing.object)) {
    call.supervisor.own_files()->refresh(*full);
    if (full->name() != name.data()) backing.opened_as = std::make_shared<const UniqueFd>(::open(link.c_str(), O_PATH | O_CLOEXEC));
    if (m.shared() && writable)
      backing.hold = PAGEFOLD_TRY(call.supervisor.own_files()->hold(full, std::move(backing.fd)));
  }
  return backing;
}

Result<Backing> anonymous_backing(const Call& call, const MapRequest& m) {
  Backing backing;
  if (m.type() == MAP_PRIVATE) return backing;
  if (m.type() != MAP_SHARED || (m.flags & MAP_GROWSDOWN) != 0) return fail(EINVAL);
  const auto shared = PAGEFOLD_TRY(frame::SharedObject::create(m.length));
  if (Pressure* limit = pressure()) limit->adopt(call.supervisor, shared);
  backing.object = vm::ObjectRef(shared.get(), [shared](vm::Object*) {  // its frames go with it
    stats().frames(-static_cast<std::int64_t>(bytes_of(shared->resident.count())));
  });
  return backing;
}

// Where MAP_32BIT places what has no address (arch/x86, find_start_end).
constexpr VirtRange kLowPlacement{0x40000000, 0x80000000};

// A hint names whole pages, none of the forbidden ones (mm/mmap.c, round_hint_to_min); nullopt: taken, or none was given.
std::optional<VirtAddr> usable_hint(const Space& space, const MapRequest& m) {
  const VirtAddr hint = m.address == 0 ? 0 : std::max(page_down(m.address), m.address >= kPageSize ? kLowest : 0);
  const VirtAddr top = (m.flags & MAP_32BIT) != 0 ? kLowPlacement.end : kUserTop;
  if (hint == 0 || m.length > top || hint > top - m.length) return std::nullopt;
  const VirtRange there{hint, hint + m.length};
  if (reserved(there) || !space.map.is_free_with_gap(there)) return std::nullopt;
  return hint;
}

Result<VirtAddr> choose_address(Space& space, const MapRequest& m) {
  const VirtRange at{m.address, m.address + m.length};
  if (m.fixed()) {
    if (m.address > kUserTop - m.length) return fail(ENOMEM);
    if (!page_aligned(m.address)) return fail(EINVAL);
    if (m.address < kLowest) return fail(EPERM);
    if (reserved(at)) return fail((m.flags & MAP_FIXED_NOREPLACE) != 0 ? EEXIST : ENOMEM);
    if ((m.flags & MAP_FIXED_NOREPLACE) != 0 && !space.map.is_free(at)) return fail(EEXIST);
    return m.address;
  }
  if (const auto hint = usable_hint(space, m)) return *hint;
  const auto gap = space.map.find_gap(m.length, (m.flags & MAP_32BIT) != 0 ? kLowPlacement : space.map.placement());
  if (!gap) return fail(ENOMEM);
  return *gap;
}

// What lies in r will be replaced and does not count.
Result<void> check_limits(const Space& space, const MapRequest& m, VirtRange r) {
  Bytes replaced = 0;
  space.map.visit(r, [&](const vm::Vma& v) { replaced += v.range.intersect(r).size(); });
  if (exceeds_limit(space, RLIMIT_AS, space.map.mapped() - replaced + m.length)) return fail(ENOMEM);
  const bool data = !m.shared() && (m.prot & PROT_WRITE) != 0 && (m.flags & MAP_GROWSDOWN) == 0;
  if (data && exceeds_data_limit(space, m.length, r)) return fail(ENOMEM);
  return {};
}

// A mapping that will be locked (mm/mmap.c, mlock_future_ok).
Result<void> check_lock(const Space& space, const MapRequest& m) {
  const bool asked = (m.flags & MAP_LOCKED) != 0;
  if (asked && !may_lock_at_all(space)) return fail(EPERM);
  if ((asked || space.lock_future) && !may_lock(space, locked_bytes(space, {0, kUserTop}) + m.length)) return fail(EAGAIN);
  return {};
}

bool given_up(const vm::ObjectRef& object) {
  const auto* file = dynamic_cast<const cache::FileObject*>(object.get());
  return file != nullptr && file->given_up();
}

Result<VirtAddr> map(const Call& call, MapRequest m) {
  if (!page_aligned(m.offset)) return fail(EINVAL);
  Backing backing;
  if (!m.anonymous()) backing.fd = PAGEFOLD_TRY(borrow(call, m.fd));
  if (m.anonymous() && (m.flags & MAP_HUGETLB) != 0) return fail(ENOMEM);
  if (m.length == 0) return fail(EINVAL);
  if (m.length > kUserTop) return fail(ENOMEM);
  m.length = page_up(m.length);
  if (m.offset + m.length < m.offset) return fail(EOVERFLOW);
  backing = PAGEFOLD_TRY(m.anonymous() ? anonymous_backing(call, m) : file_backing(call, m));

  Space& space = call.space();
  std::unique_lock lock(space.mutex);
  space.wait_for_fork(lock);
  if (has_too_many_mappings(space)) return fail(ENOMEM);
  const VirtAddr start = PAGEFOLD_TRY(choose_address(space, m));
  const VirtRange r{start, start + m.length};
  PAGEFOLD_CHECK(check_lock(space, m));
  PAGEFOLD_CHECK(check_limits(space, m, r));

  vm::Vma v;
  v.range = r;
  v.prot = static_cast<vm::Prot>(m.prot & kProtMask);
  v.may = backing.may;
  v.shared = m.shared();
  v.object = backing.object;
  v.hold = std::move(backing.hold);
  v.opened_as = std::move(backing.opened_as);
  v.offset = m.anonymous() ? 0 : m.offset;
  v.grows_down = (m.flags & MAP_GROWSDOWN) != 0;
  v.no_reserve = (m.flags & MAP_NORESERVE) != 0;
  v.locked = (m.flags & MAP_LOCKED) != 0 || space.lock_future;
  v.layered = !v.shared && !v.host() && (v.anonymous() || v.writable());
  v.around.expect(page_of(r.start));
  if (space.own_loader && (v.prot & vm::kExec) != 0 && v.object && is_system_loader(v.object->name())) {
    space.own_loader = false;  // it maps the genuine loader only to hand over
    stats().handed_over.fetch_add(1, std::memory_order_relaxed);
    stats().note("ld-pagefold.so left a program to the system's loader (with LD_DEBUG=libs it says why)");
  }

  if (v.host()) {
    // The host decides whether this can be mapped at all, so it goes first; what was there is then gone in any case.
    HostOp op;
    op.piece = wanted(v);
    op.fd = backing.fd.get();
    op.flags = static_cast<int>(m.flags & ~static_cast<std::uint64_t>(MAP_FIXED_NOREPLACE));
    op.file_offset = m.offset;
    PAGEFOLD_CHECK(carry_out(space, call.supervisor.listener(), {op}));
    PAGEFOLD_CHECK(unmap_range(space, r));
    v.layer = r.start;
    space.map.insert(std::move(v));
  } else {
    PAGEFOLD_CHECK(unmap_range(space, r));
    v.layer = space.choose_layer(r);
    space.map.insert(std::move(v));
    if (const auto done = synchronise(space, call.supervisor.listener(), r, Urgency::Lazy); !done) {
      (void)unmap_range(space, r);
      (void)synchronise(space, call.supervisor.listener(), r, Urgency::Lazy);
      return tl::unexpected(done.error());
    }
    // The file may have found a writer since it was looked up.
    if (given_up(backing.object)) PAGEFOLD_CHECK(give_back(space, call.supervisor.listener()));
  }
  const bool asked = (m.flags & (MAP_POPULATE | MAP_NONBLOCK)) == MAP_POPULATE;
  const bool fill = (asked || (m.flags & MAP_LOCKED) != 0 || space.lock_future) && !space.lock_on_fault;
  lock.unlock();
  if (fill) (void)populate(call.supervisor, space, r, Purpose::Lock);
  return start;
}

// PROT_GROWSDOWN: the range begins where the mapping does.
Result<VirtRange> protect_range(const Space& space, VirtRange r, std::uint64_t prot) {
  if ((prot & (PROT_GROWSDOWN | PROT_GROWSUP)) == 0) return r;
  const vm::Vma* v = space.map.find(r.start);
  if (v == nullptr || (prot & PROT_GROWSUP) != 0 || (!v->grows_down && v->tag != vm::Tag::Stack)) return fail(EINVAL);
  VirtAddr start = v->range.start;
  while (start > 0) {
    const vm::Vma* below = space.map.find(start - kPageSize);
    if (below == nullptr || !below->grows_down) break;
    start = below->range.start;
  }
  return VirtRange{start, r.end};
}

// Memory that becomes private and writable counts as data from now on (mm/mprotect.c, mprotect_fixup).
bool too_much_data(const Space& space, const vm::Vma& v, VirtRange part, vm::Prot prot) {
  vm::Vma after = v;
  after.prot = prot;
  return is_data(after) && !is_data(v) && exceeds_data_limit(space, part.size());
}

Result<void> protect(const Call& call, VirtRange r, std::uint64_t flags, bool& proceed) {
  Space& space = call.space();
  std::unique_lock lock(space.mutex);
  space.wait_for_fork(lock);
  r = PAGEFOLD_TRY(protect_range(space, r, flags));
  const auto prot = static_cast<vm::Prot>(flags & kProtMask);
  // As in Linux, what comes before the first hole or refusal is changed all the same.
  VirtAddr end = r.start;
  int error = 0;
  while (end < r.end && error == 0) {
    const vm::Vma* v = space.map.find(end);
    if (v == nullptr) error = ENOMEM;
    else if ((prot & ~v->may) != 0) error = EACCES;
    else if (too_much_data(space, *v, v->range.intersect(r), prot)) error = ENOMEM;
    else if (v->prot != prot && change_would_split_too_many(space, v->range.intersect(r))) error = ENOMEM;
    else end = v->range.end;
  }
  end = std::min(end, r.end);
  const VirtRange done{r.start, end};
  if (!done.empty()) {
    space.map.modify(done, [&](vm::Vma& v) {
      v.prot = prot;
      if (!v.shared && !v.host() && (prot & vm::kWrite) != 0) v.layered = true;
    });
    const auto ops = plan(space, done, Urgency::Lazy);
    // One protection over exactly this range: the caller may make the host call itself, no agent needed.
    const bool same = ops.size() == 1 && ops[0].kind == HostOp::Kind::Protect && ops[0].piece.range == done;
    if (same && error == 0 && (flags & ~kProtMask) == 0) {
      proceed = true;
      return commit(space, ops);
    }
    if (!ops.empty()) PAGEFOLD_CHECK(carry_out(space, call.supervisor.listener(), ops));
  }
  if (error != 0) return fail(error);
  return {};
}

VirtAddr set_brk(const Call& call, VirtAddr wanted_brk) {
  Space& space = call.space();
  std::unique_lock lock(space.mutex);
  space.wait_for_fork(lock);
  if (wanted_brk < space.brk_start || wanted_brk >= kUserTop) return space.brk;
  const VirtAddr old_end = page_up(space.brk), new_end = page_up(wanted_brk);
  if (new_end < old_end) {
    const VirtRange r{new_end, old_end};
    if (!unmap_range(space, r) || !synchronise(space, call.supervisor.listener(), r, Urgency::Lazy)) return space.brk;
  } else if (new_end > old_end) {
    const VirtRange r{old_end, new_end};
    const MapRequest m{r.start, r.size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0};
    // A page between the heap and what follows stays free (mm/mmap.c, brk).
    if (!space.map.is_free_with_gap({r.start, r.end + kPageSize}) || reserved(r) || !check_limits(space, m, r) ||
        !check_lock(space, m) || exceeds_limit(space, RLIMIT_DATA, new_end - space.brk_start))
      return space.brk;
    vm::Vma v;
    v.range = r;
    v.prot = vm::kRead | vm::kWrite;
    v.layered = true;
    v.locked = space.lock_future;
    v.tag = vm::Tag::Heap;
    v.around.expect(page_of(r.start));
    v.layer = space.choose_layer(r);
    space.map.insert(std::move(v));
    if (!synchronise(space, call.supervisor.listener(), r, Urgency::Lazy)) return space.brk;
  }
  space.brk = wanted_brk;
  if (space.lock_future && !space.lock_on_fault && new_end > old_end) {
    lock.unlock();
    (void)populate(call.supervisor, space, {old_end, new_end}, Purpose::Lock);
  }
  return wanted_brk;
}

}  // namespace

Result<UniqueFd> borrow(const Call& call, int fd) {
  UniqueFd own;
  if (call.task.group == call.space().pid) {
    own.reset(static_cast<int>(::syscall(SYS_pidfd_getfd, call.space().pidfd.get(), fd, 0)));
  } else {
    const UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, call.task.group, 0)));
    own.reset(static_cast<int>(::syscall(SYS_pidfd_getfd, process.get(), fd, 0)));
  }
  if (!own) return fail_errno("guest descriptor");
  return own;
}

Result<void> unmap_range(Space& space, VirtRange r) {
  for (const vm::Vma& v : space.map.remove(r)) {
    if (v.layered) {
      const std::lock_guard family(space.layer->mutex());
      PAGEFOLD_CHECK(space.layer->discard(page_of(v.layer), page_of(v.layer + v.range.size())));
    } else if (const auto mapped = space.mapped_pages.find(v.object.get()); mapped != space.mapped_pages.end()) {
      mapped->second.clear_range(page_of(v.offset), page_of(v.offset + v.range.size()));
      if (mapped->second.empty()) space.mapped_pages.erase(mapped);
    }
    space.reclaim_layer(v);
  }
  account(space);
  return {};
}

void on_mmap(const Call& call) {
  const MapRequest m{call.argument(0), call.argument(1), call.argument(2), call.argument(3), static_cast<int>(call.argument(4)),
                     call.argument(5)};
  // The bootstrap code maps the stub itself (takeover.cc).
  if (call.space().state == Space::State::Booting) return call.proceed();
  const auto mapped = map(call, m);
  if (OwnFiles* files = call.supervisor.own_files()) files->settle();
  mapped ? call.reply_address(*mapped) : call.fail(mapped.error().code);
}

void on_munmap(const Call& call) {
  const VirtAddr start = call.argument(0);
  const Bytes length = page_up(call.argument(1));
  if (!page_aligned(start) || length == 0 || call.argument(1) > kUserTop || start > kUserTop - length) return call.fail(EINVAL);
  const VirtRange r{start, start + length};
  if (reserved(r)) return call.fail(EINVAL);
  Space& space = call.space();
  std::unique_lock lock(space.mutex);
  space.wait_for_fork(lock);
  if (unmap_would_split_too_many(space, r)) return call.fail(ENOMEM);
  auto done = unmap_range(space, r);
  if (done) done = synchronise(space, call.supervisor.listener(), r, Urgency::Lazy);
  lock.unlock();
  if (OwnFiles* files = call.supervisor.own_files()) files->settle();
  call.finish(done);
}

void on_mprotect(const Call& call) {
  const VirtAddr start = call.argument(0);
  const Bytes length = page_up(call.argument(1));
  const std::uint64_t prot = call.argument(2);
  constexpr std::uint64_t kGrow = PROT_GROWSDOWN | PROT_GROWSUP, kSem = 0x8;
  if ((prot & ~(kProtMask | kGrow | kSem)) != 0 || (prot & kGrow) == kGrow || !page_aligned(start)) return call.fail(EINVAL);
  if (call.argument(1) == 0) return call.reply(0);
  if (length == 0 || start + length <= start || start > kUserTop - length) return call.fail(ENOMEM);
  const VirtRange r{start, start + length};
  if (reserved(r)) return call.fail(ENOMEM);
  bool proceed = false;
  const auto done = protect(call, r, prot, proceed);
  if (done && proceed) return call.proceed();
  call.finish(done);
}

void on_brk(const Call& call) { call.reply_address(set_brk(call, call.argument(0))); }

}  // namespace pagefold::kernel
