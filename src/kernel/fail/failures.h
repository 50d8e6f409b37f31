// Failures on demand (`--fail`) in the supervisor: asks the plan (inject/plan.h) what is to happen to what a guest does, makes it
// happen, and keeps a record of it for the story.
//
//   calls       before the call's handler (failure_calls.cc); a transfer that is to be cut is made by its handler, up to Call::most
//   touches     of mapped pages of files: fault_failure.cc
//   write-back  of pages that were stored into: before_write_back(), from OwnFiles
//
// Pages that a failure speaks of are never brought in ahead of their touch, so that each touch is seen. Synchronised.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "cache/full_file.h"
#include "inject/plan.h"
#include "kernel/call.h"
#include "kernel/fault/fault.h"
#include "report/summary.h"

namespace pagefold::kernel {

struct CallSubject;  // call_subject.h

class Failures {
 public:
  Failures(std::vector<inject::Spec> specs, std::uint64_t seed) : plan_(std::move(specs), seed) {}

  // While it lives, what this thread does is done for the caller of `call`; or, by default, for nobody.
  class ForCaller {
   public:
    explicit ForCaller(const Call* call = nullptr) : before_(std::exchange(caller_, call)) {}
    ~ForCaller() { caller_ = before_; }
    ForCaller(const ForCaller&) = delete;
    ForCaller& operator=(const ForCaller&) = delete;

   private:
    const Call* before_;
  };

  // True: the call has been answered, or its caller is gone. Otherwise it goes to its handler, with call.most set if it is to be cut.
  bool meets(Call& call);

  // The first page of the file's [from, to) whose touches must come one by one; `to` if there is none. Space::mutex held.
  [[nodiscard]] PageIndex next_armed(const Space& space, const cache::FileObject& file, PageIndex from, PageIndex to) const;
  // The page is touched: what is to happen. Space::mutex held.
  struct Touch {
    inject::Decision decision;
    report::HitLine hit;
  };
  Touch touch(const Space& space, const Fault& fault, const cache::FileObject& file, PageIndex page);
  // It happens; Space::mutex not held.
  void tell(Touch& touch, Space& space);

  // The pages are about to be written to the file. Those that fail are taken out of `pages` and put into `failed`; the error of the
  // first. The file's contents() are held.
  Result<void> before_write_back(const cache::FullFile& file, vm::PageSet& pages, vm::PageSet& failed);

  // Ends the process as `kill` says.
  static void kill(pid_t process);

  void tell(report::RunSummary& summary) const;

 private:
  bool carry_out(Call& call, const CallSubject& subject, const inject::Decision& decision);
  void record(const inject::Decision& decision, const report::HitLine& what);

  static inline thread_local const Call* caller_ = nullptr;
  inject::Plan plan_;
  mutable std::mutex mutex_;  // below
  std::vector<report::HitLine> hits_;
  std::uint64_t more_hits_ = 0;
};

// A file's path as a process sees it: below its root, without what Linux adds to the names of deleted files.
std::string path_as_seen(pid_t process, std::string path);
// What can be known of where a thread is while it waits. Space::mutex not held.
event::CodeSnapshot snapshot(Space& space, pid_t thread);

}  // namespace pagefold::kernel
