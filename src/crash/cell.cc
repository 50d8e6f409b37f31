#include "crash/cell.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

extern char** environ;  // NOLINT: POSIX wants it declared by its user

namespace pagefold::crash {
namespace {

constexpr int kNotExecutable = 126, kNotFound = 127;  // as shells say
constexpr const char* kOutputVariable = "PAGEFOLD_CRASH_OUTPUT";

std::string said_path(const Cell::Orders& orders) { return orders.directory + "/said"; }
std::string told_path(const Cell::Orders& orders) { return orders.directory + "/output"; }

// What a cell answers.
struct End {
  int error = 0;   // of starting the command
  int status = 0;  // as waitpid(2) gives it
  bool timed_out = false;
};

// ---- in the cell

// Signals as they are by default, a group of its own, its input empty, what it prints in a file.
int spawn(const Cell::Orders& orders, pid_t& process) {
  posix_spawn_file_actions_t actions{};
  posix_spawnattr_t attributes{};
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawnattr_init(&attributes);
  sigset_t all, none;
  ::sigfillset(&all);
  ::sigemptyset(&none);
  ::posix_spawnattr_setsigdefault(&attributes, &all);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, said_path(orders).c_str(),
                                     O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0644);
  ::posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
  std::vector<char*> arguments;
  for (const std::string& word : orders.words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const int error = ::posix_spawnp(&process, arguments.front(), &actions, &attributes, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  return error;
}

// Kills whatever has become a child of this process, until there is none.
void kill_children() {
  while (::waitpid(-1, nullptr, WNOHANG) >= 0) {
    std::ifstream children("/proc/thread-self/children");
    for (pid_t child = 0; children >> child;) ::kill(child, SIGKILL);
    ::waitpid(-1, nullptr, 0);
  }
}

// False: Pagefold has gone.
bool run_once(const Cell::Orders& orders, int channel) {
  End end;
  pid_t process = 0;
  bool alive = true;
  end.error = spawn(orders, process);
  if (end.error == 0) {
    const UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, process, 0)));
    pollfd events[] = {{pidfd.get(), POLLIN, 0}, {channel, POLLRDHUP, 0}};
    const int ready = ::poll(events, 2, static_cast<int>(orders.patience.count()));
    alive = events[1].revents == 0;
    end.timed_out = ready == 0;
    if (events[0].revents == 0) ::kill(-process, SIGKILL);
    while (::waitpid(process, &end.status, 0) < 0 && errno == EINTR) {
    }
  }
  kill_children();
  return alive && ::send(channel, &end, sizeof end, MSG_NOSIGNAL) == static_cast<ssize_t>(sizeof end);
}

[[noreturn]] void live(const Cell::Orders& orders, int inherited) {
  ::setsid();  // a keyboard's signals are for Pagefold
  ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  ::prctl(PR_SET_NAME, "pagefold-cell");
  sigset_t all;
  ::sigfillset(&all);
  ::sigprocmask(SIG_BLOCK, &all, nullptr);
  constexpr int kChannel = 3;
  ::dup2(inherited, kChannel);
  ::fcntl(kChannel, F_SETFD, FD_CLOEXEC);
  ::close_range(kChannel + 1, ~0U, 0);
  ::setenv(kOutputVariable, told_path(orders).c_str(), 1);
  char go = 0;
  while (::recv(kChannel, &go, 1, 0) == 1 && run_once(orders, kChannel)) {
  }
  kill_children();
  // Of several cells, the last removes what they share.
  std::error_code ignored;
  std::filesystem::remove_all(orders.directory, ignored);
  ::rmdir(std::filesystem::path(orders.directory).parent_path().c_str());
  ::_exit(0);
}

// ---- in Pagefold

Result<void> write_whole(const std::string& path, const std::string& text) {
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!fd) return fail_errno(path);
  const ssize_t n = ::write(fd.get(), text.data(), text.size());
  if (n < 0) return fail_errno(path);
  return n == static_cast<ssize_t>(text.size()) ? Result<void>{} : fail(ENOSPC, path);
}

// The last bytes of a file.
std::string tail(const std::string& path) {
  constexpr off_t kMost = 4096;
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status {};
  if (!fd || ::fstat(fd.get(), &status) != 0 || status.st_size == 0) return {};
  std::string text(static_cast<std::size_t>(std::min(status.st_size, kMost)), '\0');
  const ssize_t n = ::pread(fd.get(), text.data(), text.size(), std::max<off_t>(0, status.st_size - kMost));
  text.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
  return text;
}

}  // namespace

Result<Cell> Cell::start(const Orders& orders) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
    return fail_errno("start a process for checks");
  UniqueFd ours(ends[0]);
  const UniqueFd theirs(ends[1]);
  const pid_t process = ::fork();
  if (process < 0) return fail_errno("start a process for checks");
  if (process == 0) live(orders, theirs.get());
  return Cell(orders, std::move(ours), process);
}

Cell::~Cell() {
  if (!channel_) return;
  channel_.reset();
  while (::waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

Result<Verdict> Cell::check(const std::string& told) {
  PAGEFOLD_CHECK(write_whole(told_path(orders_), told));
  End end;
  ssize_t n = ::send(channel_.get(), "g", 1, MSG_NOSIGNAL);
  if (n == 1) do
      n = ::recv(channel_.get(), &end, sizeof end, 0);
    while (n < 0 && errno == EINTR);
  if (n != static_cast<ssize_t>(sizeof end)) return fail(EPIPE, "the process that runs the checks has been killed");
  Verdict verdict;
  if (end.error != 0) {
    verdict.kind = Verdict::Kind::NotRun;
    verdict.exit_code = end.error == ENOENT ? kNotFound : kNotExecutable;
    verdict.said = orders_.words.front() + ": " + Error{end.error, {}}.message();
    return verdict;
  }
  verdict.said = tail(said_path(orders_));
  verdict.exit_code = WIFEXITED(end.status) ? WEXITSTATUS(end.status) : 128 + WTERMSIG(end.status);
  if (end.timed_out)
    verdict.kind = Verdict::Kind::TimedOut;
  else if (verdict.exit_code == kNotFound || verdict.exit_code == kNotExecutable)
    verdict.kind = Verdict::Kind::NotRun;
  else if (verdict.exit_code != 0)
    verdict.kind = Verdict::Kind::Broken;
  return verdict;
}

}  // namespace pagefold::crash
