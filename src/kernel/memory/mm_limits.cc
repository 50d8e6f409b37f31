// The limits on memory. RLIMIT_AS and RLIMIT_DATA are kept by Pagefold alone: the host has mapped terabytes of background,
// so that any such limit there would stop the agent's work. A process inherits them at fork and keeps them at exec; the
// first guest starts with Pagefold's own. All other limits are the host's.
//
// Rules and errnos: getrlimit(2), kernel/sys.c (do_prlimit), mm/mmap.c (may_expand_vm), mm/mlock.c.

#include <sys/resource.h>
#include <sys/syscall.h>

#include <cstdlib>

#include "kernel/calls.h"
#include "kernel/memory/guest_memory.h"
#include "kernel/process/host_proc.h"
#include "kernel/memory/mm_limits.h"

namespace pagefold::kernel {
namespace {

constexpr std::uint64_t kIpcLock = 14, kSysResource = 24;  // capability numbers

bool has_capability(pid_t tid, std::uint64_t number) {
  const auto effective = host_status_field(tid, "CapEff:");
  return effective && ((std::strtoull(effective->c_str(), nullptr, 16) >> number) & 1) != 0;
}

std::size_t most_mappings() {
  static const std::size_t most = [] {
    const auto text = read_host_file("/proc/sys/vm/max_map_count");
    return text ? std::strtoull(text->c_str(), nullptr, 10) : std::size_t{65530};
  }();
  return most;
}

// A mapping begins before `at` and goes on beyond it.
bool splits(const Space& space, VirtAddr at) {
  const vm::Vma* v = space.map.find(at);
  return v != nullptr && v->range.start < at;
}

rlimit& entry(MemoryLimits& limits, std::uint64_t resource) {
  return resource == RLIMIT_AS ? limits.address_space : limits.data;
}

bool may_change(const Call& call, pid_t target) {
  const auto mine = host_status_field(call.task.tid, "Uid:"), theirs = host_status_field(target, "Uid:");
  return target == call.task.group || (mine && mine == theirs) || has_capability(call.task.tid, kSysResource);
}

Result<void> change(const Call& call, Space& space, pid_t group, std::uint64_t resource, VirtAddr fresh_at, VirtAddr old_at) {
  rlimit fresh{}, old{};
  if (fresh_at != 0) {
    PAGEFOLD_CHECK(read_guest(call.space(), fresh_at, &fresh, sizeof fresh));
    if (fresh.rlim_cur > fresh.rlim_max) return fail(EINVAL);
  }
  {
    const std::lock_guard lock(space.mutex);
    rlimit& now = entry(space.limits.try_emplace(group, memory_limits(space, group)).first->second, resource);
    old = now;
    if (fresh_at != 0) {
      if (fresh.rlim_max > now.rlim_max && !has_capability(call.task.tid, kSysResource)) return fail(EPERM);
      now = fresh;
    }
  }
  return old_at == 0 ? Result<void>{} : write_guest(call.space(), old_at, &old, sizeof old);
}

}  // namespace

bool has_too_many_mappings(const Space& space) { return space.map.all().size() > most_mappings(); }

bool change_would_split_too_many(const Space& space, VirtRange r) {
  return space.map.all().size() >= most_mappings() && (splits(space, r.start) || splits(space, r.end));
}

bool unmap_would_split_too_many(const Space& space, VirtRange r) {
  const vm::Vma* v = space.map.find(r.start);
  return space.map.all().size() >= most_mappings() && v != nullptr && v->range.start < r.start && v->range.end > r.end;
}

MemoryLimits memory_limits(const Space& space, pid_t group) {
  auto it = space.limits.find(group);
  if (it == space.limits.end()) it = space.limits.find(space.pid);
  return it == space.limits.end() ? own_memory_limits() : it->second;
}

MemoryLimits own_memory_limits() {
  static const MemoryLimits own = [] {
    MemoryLimits limits;
    ::getrlimit(RLIMIT_AS, &limits.address_space);
    ::getrlimit(RLIMIT_DATA, &limits.data);
    return limits;
  }();
  return own;
}

Bytes soft_limit(const Space& space, int resource) {
  if (resource == RLIMIT_AS) return memory_limits(space, space.pid).address_space.rlim_cur;
  if (resource == RLIMIT_DATA) return memory_limits(space, space.pid).data.rlim_cur;
  rlimit limit{};
  if (::prlimit(space.pid, static_cast<__rlimit_resource>(resource), nullptr, &limit) == 0) return limit.rlim_cur;
  return host_limit(space.pid, resource == RLIMIT_STACK ? "Max stack size" : "Max locked memory");
}

bool exceeds_limit(const Space& space, int resource, Bytes wanted) {
  const Bytes limit = soft_limit(space, resource);
  return limit != RLIM_INFINITY && wanted > limit;
}

Bytes locked_bytes(const Space& space, VirtRange r) {
  Bytes total = 0;
  space.map.visit(r, [&](const vm::Vma& v) { total += v.locked ? v.range.intersect(r).size() : 0; });
  return total;
}

bool may_lock_at_all(const Space& space) {
  return soft_limit(space, RLIMIT_MEMLOCK) != 0 || has_capability(space.pid, kIpcLock);
}

bool may_lock(const Space& space, Bytes total) {
  return !exceeds_limit(space, RLIMIT_MEMLOCK, total) || has_capability(space.pid, kIpcLock);
}

bool exceeds_data_limit(const Space& space, Bytes more, VirtRange replaced) {
  const Bytes limit = soft_limit(space, RLIMIT_DATA);
  if (limit == RLIM_INFINITY) return false;
  Bytes now = 0;
  for (const auto& [start, v] : space.map.all())
    if (is_data(v)) now += v.range.size() - v.range.intersect(replaced).size();
  return now + more > limit;
}

void on_prlimit(const Call& call) {
  const auto pid = static_cast<pid_t>(call.argument(0));
  if (pid == 0 || pid == call.task.group || pid == call.task.tid)
    return call.finish(change(call, call.space(), call.task.group, call.argument(1), call.argument(2), call.argument(3)));
  const auto other = call.supervisor.guests().task(pid);
  if (!other || !other->space) return call.proceed();
  if (!may_change(call, other->group)) return call.fail(EPERM);
  call.finish(change(call, *other->space, other->group, call.argument(1), call.argument(2), call.argument(3)));
}

void on_setrlimit(const Call& call) {
  if (call.argument(1) == 0) return call.fail(EFAULT);
  call.finish(change(call, call.space(), call.task.group, call.argument(0), call.argument(1), 0));
}

void on_getrlimit(const Call& call) {
  if (call.argument(1) == 0) return call.fail(EFAULT);
  call.finish(change(call, call.space(), call.task.group, call.argument(0), 0, call.argument(1)));
}

}  // namespace pagefold::kernel
