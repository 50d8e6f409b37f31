#include "ld/map/stack.h"

#include "ld/base/sys.h"
#include "ld/module/module.h"
#include "ld/module/published.h"
#include "ld/start/process.h"

namespace pagefold::ld {
namespace {

constexpr uint32_t kAllPermissions = sys::kProtRead | sys::kProtWrite | sys::kProtExec;

int64_t make_executable(uint64_t stack, uint64_t size) { return sys::protect(stack, size, kAllPermissions); }

// The main thread's grows; its end is marked with the guard page of the mapping.
int64_t make_main_executable() {
  const uint64_t page = sys::word(__libc_stack_end) & ~(process.page_size - 1);
  return sys::protect(page, process.page_size, kAllPermissions | sys::kProtGrowsDown);
}

int64_t make_threads_executable(uint32_t list_offset) {
  struct Node {
    Node* next;
    Node* previous;
  };
  auto* head = &at<Node>(published::rtld_global(), list_offset);
  for (Node* node = head->next; node != nullptr && node != head; node = node->next) {
    auto* thread = reinterpret_cast<char*>(node) - world.layout->pthread.list;
    const auto stack = at<uint64_t>(thread, world.layout->pthread.stackblock);
    const auto guard = at<uint64_t>(thread, world.layout->pthread.guardsize);
    const auto size = at<uint64_t>(thread, world.layout->pthread.stackblock_size);
    if (stack == 0) continue;
    if (const int64_t result = make_executable(stack + guard, size - guard); sys::failed(result)) return result;
  }
  return 0;
}

}  // namespace

Status allow_stack(const Module& module, const char* name) {
  auto& flags = at<uint32_t>(published::rtld_global(), world.layout->rtld_global.dl_stack_flags);
  if ((module.stack_flags & PF_X) == 0 || (flags & PF_X) != 0) return nullptr;
  constexpr uint32_t kOnlyAtStart = 41;  // since glibc 2.41 a dlopen does not make stacks executable
  const bool refused = world.running && world.build->minor >= kOnlyAtStart;
  int64_t result = refused ? -sys::kEinval : make_main_executable();
  if (!sys::failed(result) && world.running) {
    result = make_threads_executable(world.layout->rtld_global.dl_stack_used);
    if (!sys::failed(result)) result = make_threads_executable(world.layout->rtld_global.dl_stack_cache);
  }
  if (sys::failed(result))
    return fail(name, "cannot enable executable stack as shared object requires", sys::error_of(result));
  flags |= PF_X;
  return nullptr;
}

}  // namespace pagefold::ld
