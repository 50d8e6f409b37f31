#include "kernel/supervisor.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>

#include "kernel/call.h"
#include "kernel/fault.h"
#include "kernel/hand_over.h"
#include "kernel/host_proc.h"
#include "kernel/own_files.h"
#include "kernel/pressure.h"
#include "kernel/syscall_table.h"
#include "kernel/watched_calls.h"
#include "stub/blob.h"

namespace pagefold::kernel {
namespace {

constexpr int kReceivers = 3;       // workers that should be waiting for calls
constexpr int kMostWorkers = 64;
constexpr unsigned kMostPoolThreads = 64;

}  // namespace

Stats& stats() {
  static Stats instance;
  return instance;
}

Supervisor::Supervisor(const RunOptions& options)
    : options_(options),
      files_([this](const std::shared_ptr<cache::FileObject>& file) { give_to_host(file); },
             [](const std::shared_ptr<cache::FileObject>& file) {
               if (Pressure* limit = pressure()) limit->adopt(file);
             },
             options.own_files ? cache::FileCache::Ownership::Full : cache::FileCache::Ownership::Leased) {
  if (options.own_files) own_files_ = std::make_unique<OwnFiles>(*this, options.write_back);
}

Supervisor::~Supervisor() { stop(); }

Result<void> Supervisor::prepare() {
  auto stub = PAGEFOLD_TRY(frame::Store::create("pagefold-stub", stub::kTextSize));
  PAGEFOLD_CHECK(stub->write(0, stub::kBlob, stub::kBlobSize));
  stub_ = PAGEFOLD_TRY(stub->open_read_only());
  fault_device_.reset(::open("/dev/userfaultfd", O_RDWR | O_CLOEXEC));
  if (!fault_device_) return fail_errno("open /dev/userfaultfd");
  exits_.reset(::epoll_create1(EPOLL_CLOEXEC));
  stop_event_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!exits_ || !stop_event_) return fail_errno("epoll");
  files_.start();
  if (own_files_) own_files_->start();
  return prepare_loader();
}

Result<void> Supervisor::prepare_loader() {
  if (options_.loader == Loader::System) return {};
  auto loader = OwnLoader::find().and_then(&OwnLoader::open);
  if (loader) {
    own_loader_ = std::move(*loader);
  } else if (options_.loader == Loader::Pagefold) {
    return tl::unexpected(loader.error());
  } else {
    stats().note("the system's loader loads the programs: " + loader.error().message());
  }
  return {};
}

Result<void> Supervisor::start(Listener listener, pid_t root) {
  listener_ = std::move(listener);
  root_ = root;
  const unsigned processors = std::max(1U, std::thread::hardware_concurrency());
  for (unsigned i = 0; i < std::min(processors, 8U); ++i) {
    pagers_.emplace_back(::epoll_create1(EPOLL_CLOEXEC));
    epoll_event stop{};
    stop.events = EPOLLIN;
    stop.data.fd = stop_event_.get();
    if (!pagers_.back() || ::epoll_ctl(pagers_.back().get(), EPOLL_CTL_ADD, stop_event_.get(), &stop) != 0) return fail_errno("epoll");
  }
  auto control = view::ControlServer::start(*this);
  if (control)
    control_ = std::move(*control);
  else
    stats().note("pagefold ps and maps cannot see this run: " + control.error().message());
  const std::lock_guard lock(threads_mutex_);
  for (const UniqueFd& pager : pagers_) threads_.emplace_back([this, epoll = pager.get()] { page(epoll); });
  for (int i = 0; i < kReceivers; ++i) {
    ++workers_;
    threads_.emplace_back([this] { work(); });
  }
  return {};
}

// ---- workers

bool Supervisor::spawn_worker() {
  const std::lock_guard lock(threads_mutex_);
  if (stopping_ || workers_ >= kMostWorkers) return false;
  ++workers_;
  threads_.emplace_back([this] { work(); });
  return true;
}

void Supervisor::about_to_wait() {
  if (receiving_ == 0) spawn_worker();
}

void Supervisor::work() {
  while (!stopping_) {
    pollfd ready{listener_.fd(), POLLIN, 0};
    ++receiving_;
    const auto call = listener_.receive();
    --receiving_;
    if (!call) {
      if (call.error().code != EINTR && call.error().code != ENOENT) break;
      // ENOENT also when no guest is left to notify: then the descriptor hangs up.
      if (::poll(&ready, 1, 0) == 1 && (ready.revents & POLLHUP) != 0) break;
      continue;
    }
    // Somebody must always be receiving: those who wait for an address space wait for one that waits for its agent, and the
    // agent says by a call that it is done.
    if (receiving_ == 0 && call->data.nr != static_cast<int>(stub::kAgentNext) && !spawn_worker()) {
      defer([this, notification = *call] { serve(notification); });
      continue;
    }
    serve(*call);
  }
  --workers_;
}

void Supervisor::serve(const seccomp_notif& notification) {
  stats().system_calls.fetch_add(1, std::memory_order_relaxed);
  const auto number = static_cast<std::uint32_t>(notification.data.nr);
  const Handler watched = options_.file_watch != nullptr ? find_watched_handler(number) : nullptr;
  const Handler handler = watched != nullptr ? watched : find_handler(number);
  if (handler == nullptr) return listener_.fail(notification.id, ENOSYS);
  Call call{*this, notification, {}};
  // Calls that name their space themselves, because their thread is new or no guest's.
  if (number == stub::kForked || number == stub::kAgentNext) return handler(call);
  auto who = task(static_cast<pid_t>(notification.pid));
  if (!who || (!who->space && number != SYS_execve && number != SYS_execveat)) {
    // A process of the run that has not exec'ed yet: its memory is still the host's.
    if (who || notification.pid == 0) return listener_.proceed(notification.id);
    if (number < stub::kCallFirst) return listener_.fail(notification.id, EAGAIN);
    return listener_.fail(notification.id, ENOSYS);
  }
  call.task = std::move(*who);
  handler(call);
#ifdef PAGEFOLD_CHECKS
  if (const SpaceRef space = call.task.space) {
    const std::lock_guard lock(space->mutex);
    if (space->state == Space::State::Running) space->check_invariants();
  }
#endif
}

// ---- faults

Result<void> Supervisor::watch_faults(const SpaceRef& space) {
  {
    const std::lock_guard lock(mutex_);
    by_uffd_[space->uffd.fd()] = space;
  }
  const UniqueFd& pager = pagers_[next_pager_++ % pagers_.size()];
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = space->uffd.fd();
  if (::epoll_ctl(pager.get(), EPOLL_CTL_ADD, space->uffd.fd(), &event) != 0) return fail_errno("watch faults");
  return {};
}

void Supervisor::page(int epoll) {
  std::array<epoll_event, 16> events;
  while (!stopping_) {
    const int n = ::epoll_wait(epoll, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < n; ++i) {
      SpaceRef space;
      {
        const std::lock_guard lock(mutex_);
        const auto it = by_uffd_.find(events[static_cast<std::size_t>(i)].data.fd);
        if (it == by_uffd_.end()) continue;
        space = it->second;
      }
      const auto messages = space->uffd.read();
      if (!messages) continue;
      for (const uffd_msg& message : *messages) {
        if (message.event != UFFD_EVENT_PAGEFAULT) {
          ++stats().lost_events;
          continue;
        }
        const Fault fault = decode(message);
        if (serve_fault(*this, *space, fault, Patience::NoWait) == Served::Later)
          defer([this, space, fault] { serve_fault(*this, *space, fault, Patience::Wait); });
      }
    }
  }
}

void Supervisor::defer(std::function<void()> work) {
  const std::lock_guard lock(pool_mutex_);
  pool_queue_.push_back(std::move(work));
  if (pool_idle_ < pool_queue_.size() && pool_size_ < kMostPoolThreads) {
    ++pool_size_;
    const std::lock_guard threads(threads_mutex_);
    if (!stopping_) threads_.emplace_back([this] { pool_work(); });
  }
  pool_wake_.notify_one();
}

void Supervisor::pool_work() {
  std::unique_lock lock(pool_mutex_);
  for (;;) {
    ++pool_idle_;
    pool_wake_.wait(lock, [this] { return stopping_ || !pool_queue_.empty(); });
    --pool_idle_;
    if (pool_queue_.empty()) return;
    auto work = std::move(pool_queue_.front());
    pool_queue_.pop_front();
    lock.unlock();
    work();
    lock.lock();
  }
}

// ---- who is who

std::optional<Task> Supervisor::task(pid_t tid) {
  {
    const std::lock_guard lock(mutex_);
    const auto it = tasks_.find(tid);
    if (it != tasks_.end()) return it->second;
  }
  if (tid == 0) return std::nullopt;
  if (tid == root_) return Task{tid, tid, nullptr};
  const auto group_text = host_status_field(tid, "Tgid:");
  const auto parent_text = host_status_field(tid, "PPid:");
  if (!group_text || !parent_text) return std::nullopt;
  const pid_t group = std::stoi(*group_text), parent = std::stoi(*parent_text);
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

void Supervisor::watch_exit(pid_t pid) {
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

void Supervisor::add_space(const SpaceRef& space, pid_t tid) {
  space->own_files = own_files_.get();
  const std::lock_guard lock(mutex_);
  tasks_[tid] = Task{tid, tid, space};
  tokens_[space->token] = space;
  watch_exit(tid);
}

void Supervisor::leave_space(pid_t group) {
  std::vector<SpaceRef> left;
  {
    const std::lock_guard lock(mutex_);
    for (auto it = tasks_.begin(); it != tasks_.end();) {
      if (it->second.group != group) {
        ++it;
        continue;
      }
      if (it->second.space) left.push_back(it->second.space);
      it = tasks_.erase(it);
    }
  }
  // Freeing its frames takes a while; neither the program that is being started nor a parent needs to wait for it.
  // With fully owned files its last stores must be in the files first.
  for (SpaceRef& space : left) {
    if (own_files_)
      destroy_if_empty(space);
    else
      defer([this, space = std::move(space)] { destroy_if_empty(space); });
  }
}

void Supervisor::forget_thread(pid_t tid) {
  const std::lock_guard lock(mutex_);
  const auto it = tasks_.find(tid);
  if (it != tasks_.end() && it->second.group != tid) tasks_.erase(it);
}

SpaceRef Supervisor::space_by_token(std::uint64_t token) {
  const std::lock_guard lock(mutex_);
  const auto it = tokens_.find(token);
  return it == tokens_.end() ? nullptr : it->second.lock();
}

void Supervisor::expect_fork(std::uint64_t parent_token, unsigned slot, const SpaceRef& child) {
  const std::lock_guard lock(mutex_);
  pending_forks_[{parent_token, slot}] = child;
}

SpaceRef Supervisor::claim_fork(std::uint64_t parent_token, unsigned slot) {
  const std::lock_guard lock(mutex_);
  auto node = pending_forks_.extract({parent_token, slot});
  return node ? std::move(node.mapped()) : nullptr;
}

// The agent keeps the memory of its guest alive, and with it the mappings, the program's file ("Text file busy") and the like.
void Supervisor::end_agent(Space& space, Wait wait) {
  space.agent.gone();
  const pid_t agent = space.agent.release();
  if (agent <= 0) return;
  UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, agent, 0)));
  if (!pidfd) return;
  ::syscall(SYS_pidfd_send_signal, pidfd.get(), SIGKILL, nullptr, 0);
  constexpr int kPatience = 100;  // ms
  pollfd ended{pidfd.get(), POLLIN, 0};
  if (wait == Wait::Yes) ::poll(&ended, 1, kPatience);
  const std::lock_guard lock(mutex_);
  ended_.push_back({agent, std::move(pidfd)});
}

bool Supervisor::is_alone(const Task& task) {
  const std::lock_guard lock(mutex_);
  return std::none_of(tasks_.begin(), tasks_.end(),
                      [&](const auto& other) { return other.second.space == task.space && other.second.group != task.group; });
}

void Supervisor::destroy_if_empty(const SpaceRef& space) {
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [tid, task] : tasks_)
      if (task.space == space) return;
    by_uffd_.erase(space->uffd.fd());
    tokens_.erase(space->token);
  }
  space->agent.gone();
  bury(*space);
  if (own_files_) own_files_->settle();
}

void Supervisor::bury(Space& dead) {
  Space* const space = &dead;
  const std::lock_guard lock(space->mutex);
  if (space->state == Space::State::Dead) return;
  space->state = Space::State::Dead;
  count_objects(*space);
  space->fork_child.reset();
  space->fork_done.notify_all();
  end_agent(*space, Wait::No);
  if (own_files_) own_files_->leave(*space);
  stats().frames(-static_cast<std::int64_t>(space->accounted));
  space->accounted = 0;
  space->map.clear();
  space->uffd = {};
  const std::lock_guard family(space->layer->mutex());
  space->layer->retire();
}

void Supervisor::kill_space(const Space& space) {
  if (space.pidfd) ::syscall(SYS_pidfd_send_signal, space.pidfd.get(), SIGKILL, nullptr, 0);
}

void Supervisor::program_started(const std::string& path) {
  const std::lock_guard lock(mutex_);
  const auto it = std::find_if(programs_.begin(), programs_.end(), [&](const auto& p) { return p.first == path; });
  if (it == programs_.end())
    programs_.emplace_back(path, 1);
  else
    ++it->second;
}

std::vector<SpaceRef> Supervisor::spaces() {
  std::vector<SpaceRef> all;
  const std::lock_guard lock(mutex_);
  for (const auto& [tid, task] : tasks_)
    if (task.space && std::find(all.begin(), all.end(), task.space) == all.end()) all.push_back(task.space);
  return all;
}

// ---- the end

void Supervisor::process_ended(pid_t pid) {
  {
    const std::lock_guard lock(mutex_);
    if (auto node = pidfds_.extract(pid)) {
      ::epoll_ctl(exits_.get(), EPOLL_CTL_DEL, node.mapped().get(), nullptr);
      ended_.push_back({pid, std::move(node.mapped())});
    }
  }
  leave_space(pid);
}

// Children of ours: the first guest, and orphans that were handed to us (PR_SET_CHILD_SUBREAPER). Only by name and only when
// they have ended: a wait for any child would also take the stops that another thread of ours is waiting for (redirect.h).
void Supervisor::reap() {
  std::vector<Ended> ended;
  {
    const std::lock_guard lock(mutex_);
    ended.swap(ended_);
  }
  std::erase_if(ended, [this](const Ended& process) {
    siginfo_t info{};
    const int outcome = ::waitid(static_cast<idtype_t>(P_PIDFD), static_cast<id_t>(process.pidfd.get()), &info, WEXITED | WNOHANG | __WALL);
    if (outcome == 0 && info.si_pid != 0) {
      if (process.pid == root_) {
        root_status_ = info.si_code == CLD_EXITED ? W_EXITCODE(info.si_status, 0) : info.si_status;
        root_ended_ = true;
      }
      return true;
    }
    // Not dead yet, or a zombie of another guest, which may still become ours when that guest ends.
    return ::syscall(SYS_pidfd_send_signal, process.pidfd.get(), 0, nullptr, 0) != 0;
  });
  const std::lock_guard lock(mutex_);
  for (Ended& process : ended) ended_.push_back(std::move(process));
}

int Supervisor::wait() {
  {
    const std::lock_guard lock(mutex_);
    watch_exit(root_);
  }
  std::array<epoll_event, 32> events;
  for (;;) {
    {
      const std::lock_guard lock(mutex_);
      if (root_ended_ && pidfds_.empty()) return root_status_;
    }
    const int n = ::epoll_wait(exits_.get(), events.data(), static_cast<int>(events.size()), 200);
    for (int i = 0; i < n; ++i) process_ended(events[static_cast<std::size_t>(i)].data.fd);
    reap();
  }
}

void Supervisor::stop() {
  if (stopping_.exchange(true)) return;
  if (Pressure* limit = pressure()) limit->stop();
  if (control_) control_->stop();
  for (const SpaceRef& space : spaces()) space->agent.gone();
  ::eventfd_write(stop_event_.get(), 1);
  {
    const std::lock_guard lock(pool_mutex_);
    pool_wake_.notify_all();
  }
  std::vector<std::thread> threads;
  {
    const std::lock_guard lock(threads_mutex_);
    threads.swap(threads_);
  }
  for (std::thread& thread : threads) thread.join();
  if (own_files_) own_files_->stop();
  files_.stop();
}

void Supervisor::give_to_host(const std::shared_ptr<cache::FileObject>& file) {
  for (const SpaceRef& space : spaces()) {
    std::unique_lock lock(space->mutex);
    space->wait_for_fork(lock);
    // A booting space looks for files that were given up before it starts to run.
    if (space->state != Space::State::Running) continue;
    if (const auto done = give_back(*space, listener_); !done && done.error().code != ESRCH) {
      stats().note("hand " + file->name() + " to the host: " + done.error().message());
      kill_space(*space);
    }
  }
}

}  // namespace pagefold::kernel
