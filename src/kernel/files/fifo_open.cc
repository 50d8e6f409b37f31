#include "kernel/files/fifo_open.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <climits>

#include "kernel/memory/guest_memory.h"
#include "kernel/space.h"
#include "kernel/supervisor.h"

namespace pagefold::kernel {
namespace {

// What the caller's path leads to. Absolute links below a changed root are taken for ours: what is found decides about EINTR
// and nothing else.
bool is_fifo(const Call& call, int directory, const std::string& path) {
  const auto base = fmt::format("/proc/{}/", call.notification.pid);
  const std::string from = path.starts_with('/')   ? base + "root"
                           : directory == AT_FDCWD ? base + "cwd/"
                                                   : fmt::format("{}fd/{}/", base, directory);
  struct stat status {};
  return ::stat((from + path).c_str(), &status) == 0 && S_ISFIFO(status.st_mode);
}

bool wraps_handlers(Space& space) {
  const std::lock_guard lock(space.mutex);
  return std::ranges::any_of(space.real_handlers, [](std::uint64_t handler) { return handler != 0; });
}

}  // namespace

void note_fifo_open(const Call& call, int directory, VirtAddr path_address, std::uint64_t flags) {
  Space& space = call.space();
  if (space.state != Space::State::Running || (flags & (O_NONBLOCK | O_PATH)) != 0 || !wraps_handlers(space)) return;
  const auto thread = static_cast<std::uint64_t>(call.notification.pid);
  std::uint64_t& entry = space.area->fifo_openers[thread % stub::kFifoOpeners];
  const auto path = read_guest_string(space, path_address, PATH_MAX);
  call.supervisor.about_to_wait();  // a file system may take its time
  if (path && is_fifo(call, directory, *path)) entry = thread;
  else if (entry == thread) entry = 0;
}

}  // namespace pagefold::kernel
