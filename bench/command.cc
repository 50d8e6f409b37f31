// The child is the leader of a process group of its own, which a time-out kills; its output comes through one pipe.
#include "bench/command.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <sstream>

#include "base/fd.h"

namespace pagefold::bench {
namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void become(const Command& command, int output) {
  ::setpgid(0, 0);
  if (command.cpu) {
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(static_cast<std::size_t>(*command.cpu), &cpus);
    ::sched_setaffinity(0, sizeof cpus, &cpus);
  }
  const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  std::vector<char*> argv;
  for (const std::string& argument : command.argv) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  if (::dup2(nothing, STDIN_FILENO) >= 0 && ::dup2(output, STDOUT_FILENO) >= 0 && ::dup2(output, STDERR_FILENO) >= 0 &&
      (command.directory.empty() || ::chdir(command.directory.c_str()) == 0)) {
    ::execvp(argv[0], argv.data());
  }
  ::_exit(127);
}

// Reads until every writer has closed, or the deadline passes.
Result<std::string> read_all(int fd, Clock::time_point deadline) {
  std::string text;
  std::array<char, 4096> buffer;
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd waiting{fd, POLLIN, 0};
    const int ready = left > 0 ? ::poll(&waiting, 1, static_cast<int>(left)) : 0;
    if (ready == 0) return fail(ETIMEDOUT);
    if (ready < 0 && errno != EINTR) return fail_errno("poll");
    const ssize_t got = ::read(fd, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno("read");
    if (got == 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
}

}  // namespace

Result<Outcome> run_command(const Command& command) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno("pipe");
  const UniqueFd output(ends[0]);
  UniqueFd input(ends[1]);

  const Clock::time_point start = Clock::now();
  const pid_t child = ::fork();
  if (child < 0) return fail_errno("fork");
  if (child == 0) become(command, input.get());
  input.reset();
  Result<std::string> text = read_all(output.get(), start + command.timeout);
  if (!text) ::kill(-child, SIGKILL);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return fail_errno("waitpid");
  }
  const Clock::time_point end = Clock::now();
  if (!text) return fail(text.error().code, command.argv[0]);
  return Outcome{std::chrono::duration<double, std::nano>(end - start).count(), status, std::move(*text)};
}

std::string ending_of(int status) {
  if (WIFSIGNALED(status)) return "signal " + std::to_string(WTERMSIG(status));
  return "exit code " + std::to_string(WEXITSTATUS(status));
}

int last_allowed_cpu() {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  ::sched_getaffinity(0, sizeof cpus, &cpus);
  for (int cpu = CPU_SETSIZE - 1; cpu > 0; --cpu) {
    if (CPU_ISSET(static_cast<std::size_t>(cpu), &cpus)) return cpu;
  }
  return 0;
}

bool is_installed(const std::string& program) {
  if (program.find('/') != std::string::npos) return ::access(program.c_str(), X_OK) == 0;
  const char* path = ::getenv("PATH");
  std::istringstream folders(path != nullptr ? path : "/usr/bin:/bin");
  for (std::string folder; std::getline(folders, folder, ':');) {
    if (::access((folder + "/" + program).c_str(), X_OK) == 0) return true;
  }
  return false;
}

}  // namespace pagefold::bench
