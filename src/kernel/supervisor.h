// The supervisor of one run: the threads that serve its guests (guests.h: who they are).
//
//   workers   receive system calls and answer them (workers.h).
//   pagers    (one per processor) read page faults; a space's faults always go to the same pager. A pager never waits: what
//             would wait (a cold file, a busy space) is handed to a thread of the pool.
//   main      starts the first guest, reaps children, ends the run.
//   lease     (in FileCache) hears of writers.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "cache/file_cache.h"
#include "kernel/guests.h"
#include "kernel/listener.h"
#include "kernel/process/own_loader.h"
#include "kernel/pool.h"
#include "kernel/run.h"
#include "kernel/space.h"
#include "kernel/stats.h"
#include "kernel/workers.h"
#include "view/control_server.h"
#include "view/introspector.h"

namespace pagefold::kernel {

class Failures;
class OwnFiles;

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
  // Null unless failures were asked for.
  Failures* failures() { return failures_.get(); }
  // Null unless somebody records what guests do to files.
  event::FileWatch* file_watch() const { return options_.file_watch; }
  unsigned fault_around() const { return options_.fault_around; }
  // The loader that guests get in place of glibc's; null: they keep the genuine one.
  const OwnLoader* own_loader() const { return own_loader_.get(); }
  int stub_fd() const { return stub_.get(); }
  int fault_device() const { return fault_device_.get(); }

  // Who is who.
  Guests& guests() { return guests_; }
  void add_space(const SpaceRef& space, pid_t tid);
  // The guest process `group` has replaced its memory: its threads leave the old space.
  void leave_space(pid_t group);
  // Faults of the space are served from now on.
  Result<void> watch_faults(const SpaceRef& space);
  // Runs work on a pool thread, where it may wait.
  void defer(std::function<void()> work) { pool_.defer(std::move(work)); }
  enum class Wait : bool { No, Yes };
  // Ends the space's agent; with Wait, it has let go of the guest's memory on return.
  void end_agent(Space& space, Wait wait);
  // Ends every process of the space, because it cannot go on truthfully.
  void kill_space(const Space& space);
  void fill_summary(report::RunSummary& summary);

  // view::Introspector
  std::vector<view::ProcessView> processes() override;
  Result<view::ProcessView> process(pid_t pid, view::WithPages with_pages) override;

 private:
  void serve(const seccomp_notif& call);
  void page(int epoll);
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
  std::unique_ptr<Failures> failures_;
  UniqueFd stub_;
  UniqueFd fault_device_;
  Guests guests_;
  std::unique_ptr<view::ControlServer> control_;
  std::mutex objects_mutex_;
  std::map<std::string, report::ObjectLine> objects_;

  UniqueFd stop_event_;           // eventfd: wakes every epoll and never becomes quiet again
  std::vector<UniqueFd> pagers_;  // epoll: userfaultfds
  std::atomic<unsigned> next_pager_{0};
  std::atomic<bool> stopping_{false};
  std::vector<std::thread> pager_threads_;
  Workers workers_;
  Pool pool_;
};

}  // namespace pagefold::kernel
