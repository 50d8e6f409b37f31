// The supervisor of one run: who the guests are, and the threads that serve them.
//
//   workers   receive system calls and answer them. Several wait at a time, so a call finds a receiver at once; a worker that
//             is about to wait for something slow (a disk, an exec) says so, and another takes its place. One always receives.
//   pagers    (one per processor) read page faults; a space's faults always go to the same pager. A pager never waits: what
//             would wait (a cold file, a busy space) is handed to a thread of the pool.
//   main      starts the first guest, reaps children, ends the run.
//   lease     (in FileCache) hears of writers.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>
#include <vector>

#include "cache/file_cache.h"
#include "kernel/listener.h"
#include "kernel/own_loader.h"
#include "kernel/run.h"
#include "kernel/space.h"
#include "kernel/stats.h"
#include "view/control_server.h"
#include "view/introspector.h"

namespace pagefold::kernel {

class OwnFiles;

// One guest thread, or a process that has not exec'ed yet (space is null).
struct Task {
  pid_t tid = 0;
  pid_t group = 0;  // thread-group id
  SpaceRef space;
};

class Supervisor final : public view::Introspector {
 public:
  explicit Supervisor(const RunOptions& options);
  ~Supervisor() override;

  // Makes the supervisor ready: stub, caches, devices. Before any guest.
  Result<void> prepare();
  Result<void> prepare_loader();
  // Serves guests of `listener` from now on; `root` is the first.
  Result<void> start(Listener listener, pid_t root);
  // Returns when no guest is left; the wait status of the first.
  int wait();
  void stop();

  const Listener& listener() const { return listener_; }
  cache::FileCache& files() { return files_; }
  // Null unless the run owns files fully.
  OwnFiles* own_files() { return own_files_.get(); }
  // Null unless somebody records what guests do to files.
  event::FileWatch* file_watch() const { return options_.file_watch; }
  unsigned fault_around() const { return options_.fault_around; }
  // The loader that guests get in place of glibc's; null: they keep the genuine one.
  const OwnLoader* own_loader() const { return own_loader_.get(); }
  int stub_fd() const { return stub_.get(); }
  int fault_device() const { return fault_device_.get(); }

  // The thread behind a notification; looks new ones up in /proc. nullopt: gone, or no guest.
  std::optional<Task> task(pid_t tid);
  void add_space(const SpaceRef& space, pid_t tid);
  // The guest process `group` has replaced its memory: its threads leave the old space.
  void leave_space(pid_t group);
  void forget_thread(pid_t tid);
  SpaceRef space_by_token(std::uint64_t token);
  // A fork in flight: the child claims its Space by its parent's token and the slot, even if the parent is gone by then.
  void expect_fork(std::uint64_t parent_token, unsigned slot, const SpaceRef& child);
  SpaceRef claim_fork(std::uint64_t parent_token, unsigned slot);
  // Faults of the space are served from now on.
  Result<void> watch_faults(const SpaceRef& space);
  // Runs work on a pool thread, where it may wait.
  void defer(std::function<void()> work);
  // The calling worker is about to wait.
  void about_to_wait();
  enum class Wait : bool { No, Yes };
  // Ends the space's agent; with Wait, it has let go of the guest's memory on return.
  void end_agent(Space& space, Wait wait);
  // No other process lives in the task's space (as a vfork child would).
  bool is_alone(const Task& task);
  // Ends every process of the space, because it cannot go on truthfully.
  void kill_space(const Space& space);
  void program_started(const std::string& path);
  std::vector<SpaceRef> spaces();
  void fill_summary(report::RunSummary& summary);

  // view::Introspector
  std::vector<view::ProcessView> processes() override;
  Result<view::ProcessView> process(pid_t pid, view::WithPages with_pages) override;

 private:
  void work();
  void serve(const seccomp_notif& call);
  bool spawn_worker();  // false: there are as many as there may be
  void page(int epoll);
  void pool_work();
  void reap();
  void process_ended(pid_t pid);
  void watch_exit(pid_t pid);  // mutex_ held
  // Remembers what the space's mappings held, for the summary. Space::mutex held.
  void count_objects(const Space& space);
  void destroy_if_empty(const SpaceRef& space);
  void bury(Space& dead);
  // Somebody is about to write the file: every mapping of it becomes the host's.
  void give_to_host(const std::shared_ptr<cache::FileObject>& file);

  RunOptions options_;
  Listener listener_;
  cache::FileCache files_;
  std::unique_ptr<OwnLoader> own_loader_;
  std::unique_ptr<OwnFiles> own_files_;
  UniqueFd stub_;
  UniqueFd fault_device_;
  pid_t root_ = 0;
  int root_status_ = 0;
  bool root_ended_ = false;
  std::unique_ptr<view::ControlServer> control_;

  std::mutex mutex_;  // the tables below; innermost, never held while another lock is taken
  std::unordered_map<pid_t, Task> tasks_;
  std::unordered_map<std::uint64_t, std::weak_ptr<Space>> tokens_;
  std::map<std::pair<std::uint64_t, unsigned>, SpaceRef> pending_forks_;
  std::map<int, SpaceRef> by_uffd_;
  std::map<pid_t, UniqueFd> pidfds_;
  struct Ended {
    pid_t pid;
    UniqueFd pidfd;
  };
  std::vector<Ended> ended_;  // to be reaped if they are, or become, our children
  std::vector<std::pair<std::string, std::uint64_t>> programs_;
  std::map<std::string, report::ObjectLine> objects_;

  UniqueFd exits_;                // epoll: pidfds of guest processes
  UniqueFd stop_event_;           // eventfd: wakes every epoll and never becomes quiet again
  std::vector<UniqueFd> pagers_;  // epoll: userfaultfds
  std::atomic<unsigned> next_pager_{0};
  std::atomic<int> receiving_{0}, workers_{0};
  std::atomic<bool> stopping_{false};
  std::mutex threads_mutex_;
  std::vector<std::thread> threads_;

  std::mutex pool_mutex_;
  std::condition_variable pool_wake_;
  std::deque<std::function<void()>> pool_queue_;
  unsigned pool_idle_ = 0, pool_size_ = 0;
};

}  // namespace pagefold::kernel
