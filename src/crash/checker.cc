#include "crash/checker.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <sstream>

#include "base/fd.h"

extern char** environ;  // NOLINT: POSIX wants it declared by its user

namespace pagefold::crash {
namespace {

constexpr int kNotExecutable = 126, kNotFound = 127;  // as shells say
constexpr const char* kOutputVariable = "PAGEFOLD_CRASH_OUTPUT";

std::string quoted(const std::string& text) {
  std::string result = "'";
  for (const char c : text) result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return result + "'";
}

std::string replaced(std::string text, const std::string& by) {
  for (std::size_t at = 0; (at = text.find("{}", at)) != std::string::npos; at += by.size()) text.replace(at, 2, by);
  return text;
}

bool plain(const std::string& command) { return command.find_first_of("|&;<>()$`\\\"'*?[#~=%!\n") == std::string::npos; }

Result<void> write_whole(const std::string& path, const std::string& text) {
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!fd || ::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) return fail_errno(path);
  return {};
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

class Spawn {
 public:
  Spawn() {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawnattr_init(&attributes_);
    sigset_t defaults;
    ::sigfillset(&defaults);
    ::posix_spawnattr_setsigdefault(&attributes_, &defaults);
    ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF);
  }
  ~Spawn() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }
  Spawn(const Spawn&) = delete;
  Spawn& operator=(const Spawn&) = delete;

  // An errno, or 0 and the process.
  int start(const std::vector<std::string>& words, const std::string& said, const std::string& output, pid_t& process) {
    ::posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_addopen(&actions_, STDOUT_FILENO, said.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0644);
    ::posix_spawn_file_actions_adddup2(&actions_, STDOUT_FILENO, STDERR_FILENO);
    std::vector<char*> arguments;
    for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    std::string told = std::string(kOutputVariable) + "=" + output;
    std::vector<char*> environment;
    for (char** variable = environ; *variable != nullptr; ++variable)
      if (!std::string_view(*variable).starts_with(std::string(kOutputVariable) + "=")) environment.push_back(*variable);
    environment.push_back(told.data());
    environment.push_back(nullptr);
    return ::posix_spawnp(&process, arguments.front(), &actions_, &attributes_, arguments.data(), environment.data());
  }

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

}  // namespace

Result<Checker> Checker::create(const std::string& command, std::chrono::milliseconds patience) {
  Checker checker;
  checker.command_ = command;
  checker.patience_ = patience;
  std::istringstream in(command);
  for (std::string word; in >> word;) checker.words_.push_back(word);
  if (checker.words_.empty()) return fail(EINVAL, "empty check command");
  if (!plain(command)) checker.words_.clear();
  return checker;
}

Result<Verdict> Checker::check(const std::string& files, const std::string& output, const std::string& scratch) const {
  const std::string said = scratch + "/said", told = scratch + "/output";
  PAGEFOLD_CHECK(write_whole(told, output));
  std::vector<std::string> words = {"sh", "-c", replaced(command_, quoted(files))};
  if (!words_.empty()) {
    words = words_;
    for (std::string& word : words) word = replaced(word, files);
  }
  pid_t process = 0;
  Verdict verdict;
  if (const int error = Spawn().start(words, said, told, process); error != 0) {
    verdict.kind = Verdict::Kind::NotRun;
    verdict.exit_code = error == ENOENT ? kNotFound : kNotExecutable;
    verdict.said = words.front() + ": " + Error{error, {}}.message();
    return verdict;
  }
  const UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, process, 0)));
  pollfd ended{pidfd.get(), POLLIN, 0};
  int ready = 0;
  do ready = ::poll(&ended, 1, static_cast<int>(patience_.count()));
  while (ready < 0 && errno == EINTR);
  if (ready == 0) ::kill(-process, SIGKILL);
  int status = 0;
  while (::waitpid(process, &status, 0) < 0 && errno == EINTR) {
  }
  verdict.said = tail(said);
  verdict.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  if (ready == 0)
    verdict.kind = Verdict::Kind::TimedOut;
  else if (verdict.exit_code == kNotFound || verdict.exit_code == kNotExecutable)
    verdict.kind = Verdict::Kind::NotRun;
  else if (verdict.exit_code != 0)
    verdict.kind = Verdict::Kind::Broken;
  return verdict;
}

}  // namespace pagefold::crash
