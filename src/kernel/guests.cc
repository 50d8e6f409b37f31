#include "kernel/guests.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "kernel/process/host_proc.h"
#include "kernel/stats.h"

namespace pagefold::kernel {

Result<void> Guests::prepare() {
  exits_.reset(::epoll_create1(EPOLL_CLOEXEC));
  if (!exits_) return fail_errno("epoll");
  return {};
}

void Guests::start(pid_t root) {
  const std::lock_guard lock(mutex_);
  root_ = root;
  watch_exit(root);
}

// ---- threads and processes

std::optional<Task> Guests::task(pid_t tid) {
  {
    const std::lock_guard lock(mutex_);
    const auto it = tasks_.find(tid);
    if (it != tasks_.end()) return it->second;
    if (tid == root_) return Task{tid, tid, nullptr};
  }
  if (tid == 0) return std::nullopt;
  const auto family = host_family(tid);
  if (!family) return std::nullopt;
  const auto [group, parent] = *family;
  const std::lock_guard lock(mutex_);
  Task found{tid, group, nullptr};
  if (const auto it = tasks_.find(group); it != tasks_.end()) {
    found.space = it->second.space;
  } else if (const auto above = tasks_.find(parent); above != tasks_.end() && group == tid) {
    // A new process that has not been through fork's redirection: vfork or CLONE_VM, it lives in its parent's memory.
    found.space = above->second.space;
    watch_exit(tid);
  } else {
    return std::nullopt;
  }
  tasks_[tid] = found;
  return found;
}

void Guests::watch_exit(pid_t pid) {
  if (pidfds_.contains(pid)) return;
  UniqueFd fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!fd) return;
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = pid;
  ::epoll_ctl(exits_.get(), EPOLL_CTL_ADD, fd.get(), &event);
  pidfds_[pid] = std::move(fd);
  ++stats().processes;
}

void Guests::add(const SpaceRef& space, pid_t tid) {
  const std::lock_guard lock(mutex_);
  tasks_[tid] = Task{tid, tid, space};
  tokens_[space->token] = space;
  watch_exit(tid);
}

std::vector<SpaceRef> Guests::leave(pid_t group) {
  std::vector<SpaceRef> left;
  const std::lock_guard lock(mutex_);
  for (auto it = tasks_.begin(); it != tasks_.end();) {
    if (it->second.group != group) {
      ++it;
      continue;
    }
    if (it->second.space) left.push_back(it->second.space);
    it = tasks_.erase(it);
  }
  return left;
}

void Guests::forget_thread(pid_t tid) {
  const std::lock_guard lock(mutex_);
  const auto it = tasks_.find(tid);
  if (it != tasks_.end() && it->second.group != tid) tasks_.erase(it);
}

bool Guests::is_alone(const Task& task) {
  const std::lock_guard lock(mutex_);
  return std::none_of(tasks_.begin(), tasks_.end(),
                      [&](const auto& other) { return other.second.space == task.space && other.second.group != task.group; });
}

// ---- spaces

std::vector<SpaceRef> Guests::spaces() {
  std::vector<SpaceRef> all;
  const std::lock_guard lock(mutex_);
  for (const auto& [tid, task] : tasks_)
    if (task.space && std::find(all.begin(), all.end(), task.space) == all.end()) all.push_back(task.space);
  return all;
}

std::vector<pid_t> Guests::processes() {
  std::vector<pid_t> all;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [tid, task] : tasks_)
      if (task.space && task.group == tid) all.push_back(tid);
  }
  std::sort(all.begin(), all.end());
  return all;
}

SpaceRef Guests::space_of(pid_t process) {
  const std::lock_guard lock(mutex_);
  const auto it = tasks_.find(process);
  return it == tasks_.end() ? nullptr : it->second.space;
}

SpaceRef Guests::space_by_token(std::uint64_t token) {
  const std::lock_guard lock(mutex_);
  const auto it = tokens_.find(token);
  return it == tokens_.end() ? nullptr : it->second.lock();
}

SpaceRef Guests::space_by_fault_descriptor(int uffd) {
  const std::lock_guard lock(mutex_);
  const auto it = by_uffd_.find(uffd);
  return it == by_uffd_.end() ? nullptr : it->second;
}

void Guests::watch_faults(const SpaceRef& space) {
  const std::lock_guard lock(mutex_);
  by_uffd_[space->uffd.fd()] = space;
}

bool Guests::forget_if_empty(const SpaceRef& space) {
  const std::lock_guard lock(mutex_);
  for (const auto& [tid, task] : tasks_)
    if (task.space == space) return false;
  by_uffd_.erase(space->uffd.fd());
  tokens_.erase(space->token);
  return true;
}

// ---- forks, execs, programs

void Guests::expect_fork(std::uint64_t parent_token, unsigned slot, const SpaceRef& child) {
  const std::lock_guard lock(mutex_);
  pending_forks_[{parent_token, slot}] = child;
}

SpaceRef Guests::claim_fork(std::uint64_t parent_token, unsigned slot) {
  const std::lock_guard lock(mutex_);
  auto node = pending_forks_.extract({parent_token, slot});
  return node ? std::move(node.mapped()) : nullptr;
}

void Guests::exec_begins(pid_t group) {
  const std::lock_guard lock(mutex_);
  execs_.insert(group);
}

void Guests::exec_ends(pid_t group) {
  const std::lock_guard lock(mutex_);
  if (execs_.erase(group) != 0) exec_over_.notify_all();
}

void Guests::wait_for_exec(pid_t group, std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex_);
  exec_over_.wait_for(lock, patience, [&] { return !execs_.contains(group); });
}

void Guests::program_started(const std::string& path) {
  const std::lock_guard lock(mutex_);
  const auto it = std::find_if(programs_.begin(), programs_.end(), [&](const auto& p) { return p.first == path; });
  if (it == programs_.end())
    programs_.emplace_back(path, 1);
  else
    ++it->second;
}

std::vector<std::pair<std::string, std::uint64_t>> Guests::programs() {
  const std::lock_guard lock(mutex_);
  return programs_;
}

// ---- the end

std::vector<pid_t> Guests::wait_for_ends(std::chrono::milliseconds patience) {
  std::array<epoll_event, 32> events;
  const int n = ::epoll_wait(exits_.get(), events.data(), static_cast<int>(events.size()), static_cast<int>(patience.count()));
  std::vector<pid_t> ended;
  const std::lock_guard lock(mutex_);
  for (int i = 0; i < n; ++i) {
    const pid_t pid = events[static_cast<std::size_t>(i)].data.fd;
    if (execs_.erase(pid) != 0) exec_over_.notify_all();
    ended.push_back(pid);
    auto node = pidfds_.extract(pid);
    if (!node) continue;
    ::epoll_ctl(exits_.get(), EPOLL_CTL_DEL, node.mapped().get(), nullptr);
    ended_.push_back({pid, std::move(node.mapped())});
  }
  return ended;
}

void Guests::expect_end(pid_t pid, UniqueFd pidfd) {
  const std::lock_guard lock(mutex_);
  ended_.push_back({pid, std::move(pidfd)});
}

// Children of ours: the first guest, and orphans that were handed to us (PR_SET_CHILD_SUBREAPER). Only by name and only when
// they have ended: a wait for any child would also take the stops that another thread of ours is waiting for (redirect.h).
void Guests::reap() {
  std::vector<Ended> ended;
  {
    const std::lock_guard lock(mutex_);
    ended.swap(ended_);
  }
  std::optional<int> root_status;
  std::erase_if(ended, [&](const Ended& process) {
    siginfo_t info{};
    const int outcome = ::waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(process.pidfd.get()), &info, WEXITED | WNOHANG | __WALL);
    if (outcome == 0 && info.si_pid != 0) {
      if (process.pid == root_) root_status = info.si_code == CLD_EXITED ? W_EXITCODE(info.si_status, 0) : info.si_status;
      return true;
    }
    // Not dead yet, or a zombie of another guest, which may still become ours when that guest ends.
    return ::syscall(SYS_pidfd_send_signal, process.pidfd.get(), 0, nullptr, 0) != 0;
  });
  const std::lock_guard lock(mutex_);
  for (Ended& process : ended) ended_.push_back(std::move(process));
  if (root_status) {
    root_status_ = *root_status;
    root_ended_ = true;
  }
}

std::optional<int> Guests::outcome() {
  const std::lock_guard lock(mutex_);
  if (!root_ended_ || !pidfds_.empty()) return std::nullopt;
  return root_status_;
}

}  // namespace pagefold::kernel
