// Three guests that never were, for those who ask a supervisor.
#pragma once

#include <atomic>

#include "view/introspector.h"

namespace pagefold::test {

inline view::MappingView fake_mapping(VirtRange range, std::string name) {
  view::MappingView mapping;
  mapping.range = range;
  mapping.read = mapping.write = true;
  mapping.name = std::move(name);
  mapping.pages.resident = mapping.pages.proportional = mapping.pages.private_dirty = 4096;
  mapping.pages.anonymous = 4096;
  return mapping;
}

class FakeIntrospector : public view::Introspector {
 public:
  // One of them ends between the list and the look at it.
  static constexpr pid_t kShell = 2000000001, kChild = 2000000002, kEnded = 2000000003;

  std::vector<view::ProcessView> processes() override { return {guest(kShell), guest(kChild), guest(kEnded)}; }

  Result<view::ProcessView> process(pid_t pid, view::WithPages with_pages) override {
    ++asked;
    if (pid != kShell && pid != kChild) return fail(ESRCH);
    view::ProcessView process = guest(pid);
    process.mappings = {fake_mapping({0x1000, 0x3000}, "[heap]"),
                        fake_mapping({0x7ffd00000000, 0x7ffd00002000}, "[stack]"),
                        fake_mapping({0x7ffd00002000, 0x7ffd00003000}, "[stack]")};
    if (with_pages == view::WithPages::Yes) {
      process.mappings[0].runs = {{0x1000, 1, view::PageState::Private}, {0x2000, 1, view::PageState::Absent}};
      process.mappings[1].runs = {{0x7ffd00000000, 2, view::PageState::Private}};
      process.mappings[2].runs = {{0x7ffd00002000, 1, view::PageState::Host}};
    }
    return process;
  }

  std::atomic<int> asked = 0;

 private:
  static view::ProcessView guest(pid_t pid) {
    view::ProcessView process;
    process.pid = pid;
    process.parent = 1;
    process.threads = 3;
    process.comm = "sh";
    process.exe = "/bin/sh";
    process.arguments = {"sh", "-c", pid == kShell ? "echo \033[31m" : "true"};
    return process;
  }
};

}  // namespace pagefold::test
