#include "tour/workshop.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/personality.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/fd.h"

namespace pagefold::tour {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr auto kLongestRun = std::chrono::seconds(20);
constexpr auto kLongestFarewell = std::chrono::seconds(2);  // for the pipes to close after a kill
constexpr int kFailed = 125;
constexpr std::size_t kMostOutput = 16u << 20;

struct Pipe {
  UniqueFd read_end, write_end;
};

Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return fail_errno("pipe2");
  return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

// In the child, between fork and exec. Address space randomization is off: it moves the stack within its page, and with
// it the number of pages that a program touches; two runs that are compared must not differ in that.
[[noreturn]] void become(const std::vector<std::string>& command, const std::string& directory, int in, int out,
                         int err) {
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  ::personality(ADDR_NO_RANDOMIZE);
  if (::chdir(directory.c_str()) == 0 && ::dup2(in, 0) == 0 && ::dup2(out, 1) == 1 && ::dup2(err, 2) == 2)
    ::execvp(arguments[0], arguments.data());
  const std::string message = command[0] + ": " + std::strerror(errno) + "\n";
  if (::write(2, message.data(), message.size()) < 0) ::_exit(kFailed);
  ::_exit(kFailed);
}

// Reads both pipes to their ends. A run that lasts too long is killed: with the supervisor all its guests die.
void drain(pid_t child, std::array<UniqueFd, 2> pipes, GuestRun& run) {
  std::array<std::string*, 2> into{&run.output, &run.errors};
  auto deadline = Clock::now() + kLongestRun;
  bool killed = false;
  while (pipes[0] || pipes[1]) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0 || run.output.size() > kMostOutput || run.errors.size() > kMostOutput) {
      if (killed) return;
      ::kill(child, SIGKILL);
      killed = true;
      deadline = Clock::now() + kLongestFarewell;
      run.output.resize(std::min(run.output.size(), kMostOutput));
      run.errors = "stopped: it ran for too long, or said too much\n";
      continue;
    }
    std::array<pollfd, 2> polled{pollfd{pipes[0].get(), POLLIN, 0}, pollfd{pipes[1].get(), POLLIN, 0}};
    if (::poll(polled.data(), polled.size(), static_cast<int>(left)) <= 0) continue;
    for (std::size_t i = 0; i < pipes.size(); ++i) {
      if (polled[i].revents == 0) continue;
      std::array<char, 65536> buffer;
      const ssize_t got = ::read(pipes[i].get(), buffer.data(), buffer.size());
      if (got > 0) into[i]->append(buffer.data(), static_cast<std::size_t>(got));
      if (got == 0 || (got < 0 && errno != EINTR)) pipes[i].reset();
    }
  }
}

Result<GuestRun> spawn(const std::vector<std::string>& command, const std::string& directory,
                       const std::string& input) {
  const UniqueFd in(::open(input.c_str(), O_RDONLY | O_CLOEXEC));
  if (!in) return fail_errno("open " + input);
  Pipe out = PAGEFOLD_TRY(make_pipe());
  Pipe err = PAGEFOLD_TRY(make_pipe());
  const pid_t child = ::fork();
  if (child < 0) return fail_errno("fork");
  if (child == 0) become(command, directory, in.get(), out.write_end.get(), err.write_end.get());
  out.write_end.reset();
  err.write_end.reset();
  GuestRun run;
  drain(child, {std::move(out.read_end), std::move(err.read_end)}, run);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  run.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return run;
}

}  // namespace

Result<std::string> own_path() {
  std::error_code error;
  const fs::path path = fs::read_symlink("/proc/self/exe", error);
  if (error) return fail(error.value(), "/proc/self/exe");
  return path.string();
}

Workshop::Workshop(std::string pagefold, std::string loader, std::string programs, std::string directory)
    : pagefold_(std::move(pagefold)),
      loader_(std::move(loader)),
      programs_(std::move(programs)),
      directory_(std::move(directory)) {}

Workshop::Workshop(Workshop&& other) noexcept
    : pagefold_(std::move(other.pagefold_)),
      loader_(std::move(other.loader_)),
      programs_(std::move(other.programs_)),
      directory_(std::exchange(other.directory_, {})) {}

Workshop::~Workshop() {
  std::error_code ignored;
  if (!directory_.empty()) fs::remove_all(directory_, ignored);
}

Result<Workshop> Workshop::open(const std::string& pagefold, const std::string& loader) {
  const fs::path beside = fs::path(pagefold).parent_path();
  std::string programs;
  for (const fs::path& candidate : {beside / "tour", beside.parent_path() / "libexec/pagefold/tour"})
    if (programs.empty() && ::access((candidate / "mmap").c_str(), X_OK) == 0) programs = candidate.string();
  if (programs.empty())
    return fail(ENOENT, "the tour's programs (tour/ beside " + pagefold + ", or libexec/pagefold/tour)");
  for (const char* parent : {"/var/tmp", "/tmp"}) {
    std::string directory = std::string(parent) + "/pagefold-tour-XXXXXX";
    if (::mkdtemp(directory.data()) != nullptr) return Workshop(pagefold, loader, programs, directory);
  }
  return fail_errno("mkdtemp /tmp/pagefold-tour-XXXXXX");
}

std::vector<std::string> Workshop::command_for(const Guest& guest) const {
  std::vector<std::string> command;
  if (guest.where == Where::Pagefold) {
    command = {pagefold_, "run", "-q", "--json", path(".report"), "--fault-around=1"};
    command.insert(command.end(), guest.flags.begin(), guest.flags.end());
    if (!loader_.empty()) command.push_back("--loader=" + loader_);
    command.emplace_back("--");
  }
  if (!guest.environment.empty()) command.emplace_back("env");
  command.insert(command.end(), guest.environment.begin(), guest.environment.end());
  for (const std::string& word : guest.argv)
    command.push_back(word.starts_with("./") ? programs_ + word.substr(1) : word);
  return command;
}

GuestRun Workshop::run(const Guest& guest) {
  std::error_code ignored;
  fs::remove(path(".report"), ignored);
  const auto attempt = [&]() -> Result<GuestRun> {
    PAGEFOLD_CHECK(write(".input", guest.input));
    GuestRun run = PAGEFOLD_TRY(spawn(command_for(guest), directory_, path(".input")));
    const Result<std::string> report = read(".report");
    if (report) run.report = nlohmann::json::parse(*report, nullptr, false);
    return run;
  };
  Result<GuestRun> run = attempt();
  if (run) return *std::move(run);
  GuestRun failed;
  failed.exit_code = kFailed;
  failed.errors = run.error().message();
  return failed;
}

Result<void> Workshop::write(const std::string& name, std::string_view content) {
  std::ofstream file(path(name), std::ios::binary | std::ios::trunc);
  file.write(content.data(), static_cast<std::streamsize>(content.size())).flush();
  if (!file) return fail(EIO, "write " + path(name));
  return {};
}

Result<std::string> Workshop::read(const std::string& name) const {
  const std::ifstream file(path(name), std::ios::binary);
  if (!file) return fail(ENOENT, "read " + path(name));
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

}  // namespace pagefold::tour
