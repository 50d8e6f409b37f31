// One run from beginning to end: watcher, first guest, supervisor, summary.

#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>

#include "kernel/filter.h"
#include "kernel/pressure/pressure.h"
#include "kernel/run.h"
#include "kernel/supervisor.h"
#include "kernel/watcher.h"

namespace pagefold::kernel {
namespace {

// Sockets, for the sake of send(2) and recv(2): the filter, which binds the first guest's process before anybody receives its
// calls, may trap read(2) and write(2), but never these.
struct Channel {
  UniqueFd ours, theirs;
  static Result<Channel> create() {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) return fail_errno("socketpair");
    return Channel{UniqueFd(ends[0]), UniqueFd(ends[1])};
  }
};

// What the first guest's process tells before it becomes the program: its listener, later an errno if there is no program.
struct Hello {
  int listener;
  int error;
};

struct SavedSignals {
  sigset_t mask;
};

[[noreturn]] void become_guest(const RunOptions& options, const std::vector<sock_filter>& filter, const Channel& channel,
                               const SavedSignals& saved) {
  const int listener = install_filter(filter);
  Hello hello{listener, listener < 0 ? errno : 0};
  (void)!::send(channel.theirs.get(), &hello, sizeof hello, MSG_NOSIGNAL);
  char byte = 0;
  if (listener < 0 || ::recv(channel.theirs.get(), &byte, 1, 0) != 1) ::_exit(kExitFailed);
  ::close(listener);
  ::sigprocmask(SIG_SETMASK, &saved.mask, nullptr);
  std::vector<char*> arguments;
  for (const std::string& argument : options.command) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  ::execvp(arguments[0], arguments.data());
  hello.error = errno;
  (void)!::send(channel.theirs.get(), &hello, sizeof hello, MSG_NOSIGNAL);
  ::_exit(hello.error == ENOENT ? kExitNotFound : kExitNotExecutable);
}

void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

// What is written for guests is bounded by their limits, not by ours (file_calls.h, within_limit).
void raise_file_size_limit() {
  constexpr rlimit kNone{RLIM_INFINITY, RLIM_INFINITY};
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit limit{};
  if (::setrlimit(RLIMIT_FSIZE, &kNone) == 0 || ::getrlimit(RLIMIT_FSIZE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_FSIZE, &limit);
}

int exit_code(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

std::uint64_t nanoseconds(const timeval& t) {
  return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(t.tv_usec) * 1000;
}

// Takes the listener over from the first guest's process and starts to serve.
Result<void> start(Supervisor& supervisor, pid_t root, const Channel& channel, Hello& hello) {
  if (::recv(channel.ours.get(), &hello, sizeof hello, 0) != sizeof hello || hello.listener < 0)
    return fail(hello.error != 0 ? hello.error : EIO, "install the system-call filter");
  const UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, root, 0)));
  UniqueFd listener(static_cast<int>(::syscall(SYS_pidfd_getfd, process.get(), hello.listener, 0)));
  if (!listener) return fail_errno("take the listener over");
  return supervisor.start(Listener(std::move(listener)), root);
}

pid_t g_root = 0;

// A request to end goes to the program, which decides; keyboard signals reach it by themselves.
void forward(int signal) {
  if (g_root > 0) ::kill(g_root, signal);
}

}  // namespace

Result<report::RunSummary> run(const RunOptions& options) {
  const auto started = std::chrono::steady_clock::now();
  ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  SavedSignals saved{};
  ::sigprocmask(SIG_SETMASK, nullptr, &saved.mask);
  rlimit descriptors{};
  ::getrlimit(RLIMIT_NOFILE, &descriptors);

  if (options.memory.limit != 0) set_pressure(PAGEFOLD_TRY(Pressure::create(options.memory)));
  Watcher watcher;
  PAGEFOLD_CHECK(watcher.start());
  const Channel channel = PAGEFOLD_TRY(Channel::create());
  const auto filter = make_filter(options.own_files ? FileCalls::Trapped : FileCalls::Native,
                                  options.file_watch != nullptr ? Watched::Yes : Watched::No);

  ::fflush(nullptr);
  const pid_t root = watcher.fork_into();
  if (root < 0) return fail_errno("fork");
  if (root == 0) become_guest(options, filter, channel, saved);
  g_root = root;
  raise_descriptor_limit();
  raise_file_size_limit();
  ::signal(SIGINT, SIG_IGN);
  ::signal(SIGQUIT, SIG_IGN);
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGTERM, forward);
  ::signal(SIGHUP, forward);

  Hello hello{};
  report::RunSummary summary;
  {
    Supervisor supervisor(options);
    Result<void> ready = supervisor.prepare();  // while the child installs its filter
    if (ready) ready = start(supervisor, root, channel, hello);
    if (!ready) {
      ::kill(root, SIGKILL);
      ::waitpid(root, nullptr, 0);
      watcher.finish();
      return tl::unexpected(ready.error());
    }
    (void)!::send(channel.ours.get(), "g", 1, MSG_NOSIGNAL);
    summary.exit_code = exit_code(supervisor.wait());
    watcher.end_guests();  // the threads that receive calls end when nobody is left to make any
    supervisor.stop();     // first: the last spaces are counted by threads of the pool
    supervisor.fill_summary(summary);
  }
  watcher.finish();

  if (::recv(channel.ours.get(), &hello, sizeof hello, MSG_DONTWAIT) == sizeof hello) return fail(hello.error, options.command[0]);
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  summary.command = options.command;
  summary.wall_ns = static_cast<std::uint64_t>((std::chrono::steady_clock::now() - started).count());
  summary.supervisor_cpu_ns = nanoseconds(usage.ru_utime) + nanoseconds(usage.ru_stime);
  summary.peak_supervisor = static_cast<Bytes>(usage.ru_maxrss) * 1024;
  return summary;
}

}  // namespace pagefold::kernel
