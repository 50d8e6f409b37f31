// One child, two pipes, one deadline. The streams are read until their end, which includes orphans that still hold
// them: `pagefold run` ends when its last guest does, and a native run is given the same meaning here.
#include "runner.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <system_error>

#include <fmt/format.h>

namespace pagefold::guest_test {
namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void give_up(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

struct Pipe {
  int read_end = -1;
  int write_end = -1;
  Pipe() {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) give_up("pipe2");
    read_end = ends[0];
    write_end = ends[1];
  }
  ~Pipe() {
    close_end(read_end);
    close_end(write_end);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  static void close_end(int& end) {
    if (end >= 0) close(end);
    end = -1;
  }
};

std::vector<char*> as_pointers(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (std::string& text : strings) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

// In the child: nothing here may allocate.
[[noreturn]] void become(char** argv, char** envp, const char* directory, int input, int out, int err) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // a runner that is killed must not leave a spinning program behind
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  umask(022);
  if (input < 0) input = open("/dev/null", O_RDONLY);
  const bool ready = chdir(directory) == 0 && dup2(input, 0) == 0 && dup2(out, 1) == 1 && dup2(err, 2) == 2;
  if (ready) execve(argv[0], argv, envp);
  constexpr std::string_view kMessage = "runner: cannot start the command\n";
  [[maybe_unused]] const ssize_t ignored = write(err, kMessage.data(), kMessage.size());
  _exit(99);
}

// Feeds the input and collects both streams until they end or the deadline passes; true when they ended.
bool pump(Pipe& input, const std::string& text, Pipe& out, Pipe& err, RunResult& result, Clock::time_point deadline) {
  size_t sent = 0;
  std::array<char, 65536> buffer;
  while (out.read_end >= 0 || err.read_end >= 0) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return false;
    std::array<pollfd, 3> fds{{{out.read_end, POLLIN, 0}, {err.read_end, POLLIN, 0}, {input.write_end, POLLOUT, 0}}};
    if (poll(fds.data(), fds.size(), static_cast<int>(left)) < 0 && errno != EINTR) give_up("poll");
    if (fds[2].revents != 0) {
      const ssize_t count = write(input.write_end, text.data() + sent, text.size() - sent);
      if (count > 0) sent += static_cast<size_t>(count);
      if (sent == text.size() || (count < 0 && errno != EAGAIN)) Pipe::close_end(input.write_end);
    }
    for (auto [index, stream, kept] : {std::tuple{0U, &out, &result.out}, std::tuple{1U, &err, &result.err}}) {
      if (fds[index].revents == 0) continue;
      const ssize_t count = read(stream->read_end, buffer.data(), buffer.size());
      if (count > 0) kept->append(buffer.data(), static_cast<size_t>(count));
      if (count == 0) Pipe::close_end(stream->read_end);
    }
  }
  return true;
}

// Waits for the child; after the deadline kills its group. False when it had to be killed.
bool reap(pid_t child, Clock::time_point deadline, int& wait_status) {
  bool in_time = true;
  while (true) {
    const pid_t done = waitpid(child, &wait_status, WNOHANG);
    if (done == child) return in_time;
    if (done < 0) give_up("waitpid");
    if (Clock::now() >= deadline && in_time) {
      kill(-child, SIGKILL);
      in_time = false;
    }
    usleep(500);
  }
}

std::vector<std::string_view> lines(std::string_view text) {
  std::vector<std::string_view> result;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
    result.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return result;
}

void append_side(std::string& report, char sign, std::vector<std::string_view> part) {
  constexpr size_t kShown = 20;
  const size_t count = part.size();
  if (count > kShown) part.resize(kShown);
  for (std::string_view line : part) {
    report += fmt::format("  {}{}{}", sign, line.substr(0, 300), line.ends_with('\n') ? "" : "\n");
  }
  if (count > kShown) report += fmt::format("  {}... {} more lines\n", sign, count - kShown);
}

void append_difference(std::string& report, std::string_view name, std::string_view native, std::string_view pagefold) {
  if (native == pagefold) return;
  auto before = lines(native);
  auto after = lines(pagefold);
  const auto first = std::mismatch(before.begin(), before.end(), after.begin(), after.end());
  const auto start = first.first - before.begin();
  before.erase(before.begin(), first.first);
  after.erase(after.begin(), first.second);
  while (!before.empty() && !after.empty() && before.back() == after.back()) {
    before.pop_back();
    after.pop_back();
  }
  report += fmt::format("{} differs from line {} on:\n", name, start + 1);
  append_side(report, '-', before);
  append_side(report, '+', after);
}

}  // namespace

std::string pagefold_binary() {
  const char* chosen = getenv("PAGEFOLD_BINARY");
  return chosen != nullptr ? chosen : PAGEFOLD_BINARY;
}

std::string guest_directory() {
  const char* chosen = getenv("PAGEFOLD_GUEST_DIR");
  return chosen != nullptr ? chosen : PAGEFOLD_GUEST_DIR;
}

std::string guest_helper_directory() { return guest_directory() + "/helpers"; }

std::vector<std::string> fixed_environment(const std::string& home) {
  return {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
          "HOME=" + home,
          "LC_ALL=C",
          "TZ=UTC",
          "TERM=dumb",
          "GUEST_DIR=" + guest_directory()};
}

std::vector<std::string> extra_flags() {
  const char* text = getenv("PAGEFOLD_RUN_FLAGS");
  std::istringstream words(text != nullptr ? text : "");
  return {std::istream_iterator<std::string>(words), {}};
}

FreshDirectory::FreshDirectory() {
  path_ = "/tmp/pagefold-guest-XXXXXX";
  if (mkdtemp(path_.data()) == nullptr || chmod(path_.c_str(), 0755) != 0) give_up("mkdtemp");
}

FreshDirectory::~FreshDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

RunResult run(const std::vector<std::string>& argv, Mode mode, const Setting& setting) {
  std::vector<std::string> words;
  if (mode == Mode::Pagefold) {
    words.push_back(pagefold_binary());
    words.insert(words.end(), setting.pagefold_flags.begin(), setting.pagefold_flags.end());
    const auto more = extra_flags();
    if (words[1] == "run") words.insert(words.begin() + 2, more.begin(), more.end());
  }
  words.insert(words.end(), argv.begin(), argv.end());
  const FreshDirectory fresh;
  const std::string directory = setting.directory.empty() ? fresh.path() : setting.directory;
  std::vector<std::string> environment = fixed_environment(directory);
  environment.insert(environment.end(), setting.environment.begin(), setting.environment.end());
  std::vector<char*> argv_pointers = as_pointers(words);
  std::vector<char*> env_pointers = as_pointers(environment);

  signal(SIGPIPE, SIG_IGN);
  Pipe input;
  Pipe out;
  Pipe err;
  RunResult result;
  const auto start = Clock::now();
  const pid_t child = fork();
  if (child < 0) give_up("fork");
  if (child == 0) {
    signal(SIGPIPE, SIG_DFL);
    const int stdin_fd = setting.input.empty() ? -1 : input.read_end;
    become(argv_pointers.data(), env_pointers.data(), directory.c_str(), stdin_fd, out.write_end, err.write_end);
  }
  setpgid(child, child);  // whichever of the two comes first
  Pipe::close_end(input.read_end);
  Pipe::close_end(out.write_end);
  Pipe::close_end(err.write_end);
  if (setting.input.empty())
    Pipe::close_end(input.write_end);
  else
    fcntl(input.write_end, F_SETFL, O_NONBLOCK);

  const auto deadline = start + setting.timeout;
  const bool ended = pump(input, setting.input, out, err, result, deadline);
  int wait_status = 0;
  const bool in_time = reap(child, ended ? deadline : Clock::now(), wait_status);
  result.timed_out = !ended || !in_time;
  result.status = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
  result.wall = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - start);
  return result;
}

std::string difference(const RunResult& native, const RunResult& pagefold) {
  std::string report;
  if (native.timed_out) report += "native run timed out\n";
  if (pagefold.timed_out) report += fmt::format("run under pagefold timed out after {} ms\n", pagefold.wall.count());
  if (native.status != pagefold.status) {
    report += fmt::format("status: native {}, pagefold {}\n", native.status, pagefold.status);
  }
  append_difference(report, "stdout", native.out, pagefold.out);
  append_difference(report, "stderr", native.err, pagefold.err);
  return report;
}

}  // namespace pagefold::guest_test
