#include "kernel/supervisor.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>

#include <algorithm>

#include "kernel/call.h"
#include "kernel/fail/failures.h"
#include "kernel/fault/fault.h"
#include "kernel/fault/no_halt.h"
#include "kernel/fault/stay_awake.h"
#include "kernel/sync/hand_over.h"
#include "kernel/files/own_files.h"
#include "kernel/pressure/pressure.h"
#include "kernel/process/robust_lists.h"
#include "kernel/syscall_table.h"
#include "kernel/files/watched_calls.h"
#include "stub/blob.h"

namespace pagefold::kernel {
Stats& stats() {
  static Stats instance;
  return instance;
}

Supervisor::Supervisor(const RunOptions& options)
    : options_(options),
      files_([this](const std::shared_ptr<cache::FileObject>& file) { give_to_host(file); },
             [this](const std::shared_ptr<cache::FileObject>& file) {
               if (Pressure* limit = pressure()) limit->adopt(*this, file);
             },
             options.own_files ? cache::FileCache::Ownership::Full : cache::FileCache::Ownership::Leased) {
  if (!options.failures.empty()) failures_ = std::make_unique<Failures>(options.failures, options.seed);
  if (options.own_files) own_files_ = std::make_unique<OwnFiles>(*this, options.write_back, options.file_watch);
}

Supervisor::~Supervisor() { stop(); }

Result<void> Supervisor::prepare() {
  auto stub = PAGEFOLD_TRY(frame::Store::create("pagefold-stub", stub::kTextSize));
  PAGEFOLD_CHECK(stub->write(0, stub::kBlob, stub::kBlobSize));
  stub_ = PAGEFOLD_TRY(stub->open_read_only());
  fault_device_.reset(::open("/dev/userfaultfd", O_RDWR | O_CLOEXEC));
  if (!fault_device_) return fail_errno("open /dev/userfaultfd");
  stop_event_.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!stop_event_) return fail_errno("eventfd");
  PAGEFOLD_CHECK(guests_.prepare());
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
  guests_.start(root);
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
  for (const UniqueFd& pager : pagers_) pager_threads_.emplace_back([this, epoll = pager.get()] { page(epoll); });
  workers_.start(listener_, stub::kAgentNext, [this](const seccomp_notif& call) { serve(call); });
  return {};
}

// ---- calls

namespace {

// Under a memory limit frames may have to be made free; files that are owned fully are read and written. A busy space may be busy for
// as long as its agent takes.
bool may_take_long(const Call& call) {
  if (pressure() != nullptr || call.supervisor.own_files() != nullptr) return true;
  return call.task.space && !std::unique_lock(call.task.space->mutex, std::try_to_lock);
}

}  // namespace

void Supervisor::serve(const seccomp_notif& notification) {
  stats().system_calls.fetch_add(1, std::memory_order_relaxed);
  const auto number = static_cast<std::uint32_t>(notification.data.nr);
  const Handler watched = options_.file_watch != nullptr ? find_watched_handler(number) : nullptr;
  const Handler handler = watched != nullptr ? watched : find_handler(number);
  if (handler == nullptr) return listener_.fail(notification.id, ENOSYS);
  Call call{*this, notification, {}};
  // Calls that name their space themselves, because their thread is new or no guest's.
  if (number == stub::kForked || number == stub::kAgentNext) return handler(call);
  auto who = guests_.task(static_cast<pid_t>(notification.pid));
  if (!who || (!who->space && number != SYS_execve && number != SYS_execveat)) {
    // A process of the run that has not exec'ed yet: its memory is still the host's.
    if (who || notification.pid == 0) return listener_.proceed(notification.id);
    if (number < stub::kCallFirst) return listener_.fail(notification.id, EAGAIN);
    return listener_.fail(notification.id, ENOSYS);
  }
  call.task = std::move(*who);
  if (may_take_long(call)) Workers::about_to_wait();
  if (failures_ != nullptr && call.task.space) {
    const Failures::ForCaller for_caller(&call);
    if (!failures_->meets(call)) handler(call);
  } else {
    handler(call);
  }
#ifdef PAGEFOLD_CHECKS
  if (const SpaceRef space = call.task.space) {
    const std::lock_guard lock(space->mutex);
    if (space->state == Space::State::Running) space->check_invariants();
  }
#endif
}

// ---- faults

Result<void> Supervisor::watch_faults(const SpaceRef& space) {
  guests_.watch_faults(space);
  const UniqueFd& pager = pagers_[next_pager_++ % pagers_.size()];
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = space->uffd.fd();
  if (::epoll_ctl(pager.get(), EPOLL_CTL_ADD, space->uffd.fd(), &event) != 0) return fail_errno("watch faults");
  return {};
}

void Supervisor::page(int epoll) {
  std::array<epoll_event, 16> events;
  StayAwake awake;
  NoHalt no_halt;
  while (!stopping_) {
    const auto idle_since = StayAwake::Clock::now();
    int n = 0;
    const auto look = [&](int patience) { return n = ::epoll_wait(epoll, events.data(), static_cast<int>(events.size()), patience); };
    if (!awake.look([&] { return look(0) != 0; })) {
      if (no_halt.requested() && look(NoHalt::kQuiet) == 0) no_halt.end();
      if (n == 0) look(-1);
    }
    const auto idle = StayAwake::Clock::now() - idle_since;
    awake.came(idle);
    if (pressure() != nullptr) no_halt.came(idle);
    for (int i = 0; i < n; ++i) {
      const SpaceRef space = guests_.space_by_fault_descriptor(events[static_cast<std::size_t>(i)].data.fd);
      if (!space) continue;
      const auto messages = space->uffd.read();
      if (!messages) continue;
      for (const uffd_msg& message : *messages) {
        if (message.event == UFFD_EVENT_REMAP) continue;  // of our own doing (host_sync.cc); reading it lets the agent go on
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

// ---- spaces

void Supervisor::add_space(const SpaceRef& space, pid_t tid) {
  space->own_files = own_files_.get();
  guests_.add(space, tid);
}

void Supervisor::leave_space(pid_t group) {
  // Freeing its frames takes a while; neither the program that is being started nor a parent needs to wait for it.
  // With fully owned files its last stores must be in the files first.
  for (SpaceRef& space : guests_.leave(group)) {
    release_robust_locks(*this, *space, group);
    if (own_files_)
      destroy_if_empty(space);
    else
      defer([this, space = std::move(space)] { destroy_if_empty(space); });
  }
}

// The agent keeps the memory of its guest alive, and with it the mappings, the program's file ("Text file busy") and the like.
void Supervisor::end_agent(Space& space, Wait wait) {
  space.agent.gone();
  const pid_t agent = space.agent.release();
  if (agent <= 0) return;
  UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, agent, 0)));
  if (!pidfd) return;
  ::syscall(SYS_pidfd_send_signal, pidfd.get(), SIGKILL, nullptr, 0);
  // On an idle machine it ends within microseconds, for which nobody else need be woken to receive calls.
  constexpr int kShort = 1, kPatience = 100;  // ms
  pollfd ended{pidfd.get(), POLLIN, 0};
  if (wait == Wait::Yes && ::poll(&ended, 1, kShort) == 0) {
    Workers::about_to_wait();
    ::poll(&ended, 1, kPatience);
  }
  guests_.expect_end(agent, std::move(pidfd));
}

void Supervisor::destroy_if_empty(const SpaceRef& space) {
  if (!guests_.forget_if_empty(space)) return;
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
  space->in_flight.end_all();
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

// ---- the end

int Supervisor::wait() {
  for (;;) {
    if (const auto outcome = guests_.outcome()) return *outcome;
    for (const pid_t pid : guests_.wait_for_ends(std::chrono::milliseconds(200))) leave_space(pid);
    guests_.reap();
  }
}

void Supervisor::stop() {
  if (stopping_.exchange(true)) return;
  if (Pressure* limit = pressure()) limit->stop();
  if (control_) control_->stop();
  for (const SpaceRef& space : guests_.spaces()) space->agent.gone();
  ::eventfd_write(stop_event_.get(), 1);
  for (std::thread& pager : pager_threads_) pager.join();
  workers_.stop();
  pool_.stop();
  if (own_files_) own_files_->stop();
  files_.stop();
}

void Supervisor::give_to_host(const std::shared_ptr<cache::FileObject>& file) {
  for (const SpaceRef& space : guests_.spaces()) {
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
