// Between fork and exec only system calls: the parent has other threads.
#include "tracee.h"

#include <elf.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <fstream>
#include <sstream>

namespace pagefold::bindings {
namespace {

constexpr unsigned kSeconds = 60;
constexpr uint64_t kInt3 = 0xcc;

[[noreturn]] void become(const char* program, const char* loader, const char* genuine, char** environment, int output) {
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  ::alarm(kSeconds);
  ::setpgid(0, 0);
  const int nothing = ::open("/dev/null", O_RDONLY);
  bool ready = ::dup2(nothing, 0) == 0 && ::dup2(output, 1) == 1 && ::dup2(output, 2) == 2 && ::chdir("/") == 0;
  if (loader != genuine) {
    ready = ready && ::unshare(CLONE_NEWNS) == 0 && ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
            ::mount(loader, genuine, nullptr, MS_BIND, nullptr) == 0;
  }
  std::array<char*, 2> argv{const_cast<char*>(program), nullptr};
  if (ready && ::personality(ADDR_NO_RANDOMIZE) >= 0 && ::ptrace(PTRACE_TRACEME, 0, 0, 0) == 0)
    ::execve(program, argv.data(), environment);
  ::_exit(125);
}

std::string resolved(const std::string& path) {
  std::array<char, PATH_MAX> real{};
  return ::realpath(path.c_str(), real.data()) == nullptr ? path : real.data();
}

}  // namespace

Tracee::Tracee(const std::string& program, const std::string& loader, const std::vector<std::string>& environment,
               int output) {
  std::vector<char*> words;
  for (const std::string& one : environment) words.push_back(const_cast<char*>(one.c_str()));
  words.push_back(nullptr);
  const std::string genuine = resolved(kGenuineLoader);
  const std::string chosen = resolved(loader);
  pid_ = ::fork();
  if (pid_ == 0)
    become(program.c_str(), chosen == genuine ? genuine.c_str() : chosen.c_str(), genuine.c_str(), words.data(),
           output);
  if (pid_ > 0) wait_for_exec();
}

Tracee::~Tracee() {
  if (!alive_) return;
  ::kill(pid_, SIGKILL);
  int status = 0;
  while (::waitpid(pid_, &status, __WALL) == pid_ && WIFSTOPPED(status)) {
  }
}

void Tracee::wait_for_exec() {
  int status = 0;
  if (::waitpid(pid_, &status, __WALL) != pid_ || !WIFSTOPPED(status)) {
    note_ending(status);
    return;
  }
  alive_ = started_ = true;
  ::ptrace(PTRACE_SETOPTIONS, pid_, 0, PTRACE_O_EXITKILL);
  std::ifstream in("/proc/" + std::to_string(pid_) + "/auxv", std::ios::binary);
  for (Elf64_auxv_t one; in.read(reinterpret_cast<char*>(&one), sizeof one) && one.a_type != AT_NULL;) {
    auxiliary_[one.a_type] = one.a_un.a_val;
  }
}

void Tracee::note_ending(int status) {
  alive_ = false;
  ending_ =
      WIFEXITED(status) ? "exit " + std::to_string(WEXITSTATUS(status)) : "signal " + std::to_string(WTERMSIG(status));
}

Tracee::Stop Tracee::go_on() {
  if (!alive_) return Stop::Ended;
  ::ptrace(PTRACE_CONT, pid_, 0, 0);
  int status = 0;
  if (::waitpid(pid_, &status, __WALL) != pid_ || !WIFSTOPPED(status)) {
    note_ending(status);
    return Stop::Ended;
  }
  user_regs_struct registers{};
  ::ptrace(PTRACE_GETREGS, pid_, 0, &registers);
  if (WSTOPSIG(status) == SIGTRAP && breakpoints_.contains(registers.rip - 1)) {
    stopped_at_ = registers.rip - 1;
    return Stop::Breakpoint;
  }
  ending_ = "signal " + std::to_string(WSTOPSIG(status)) + (WSTOPSIG(status) == SIGALRM ? " (time limit)" : "");
  return Stop::Ended;
}

void Tracee::set_breakpoint(uint64_t address) {
  if (breakpoints_.contains(address)) return;
  const uint64_t before = word(address);
  breakpoints_[address] = before;
  ::ptrace(PTRACE_POKETEXT, pid_, address, (before & ~0xffULL) | kInt3);
}

void Tracee::skip_function() {
  user_regs_struct registers{};
  ::ptrace(PTRACE_GETREGS, pid_, 0, &registers);
  registers.rip = word(registers.rsp);
  registers.rsp += 8;
  ::ptrace(PTRACE_SETREGS, pid_, 0, &registers);
}

uint64_t Tracee::auxiliary(uint64_t type) const {
  const auto found = auxiliary_.find(type);
  return found == auxiliary_.end() ? 0 : found->second;
}

bool Tracee::read(uint64_t address, void* into, size_t bytes) const {
  const iovec here{into, bytes};
  const iovec there{reinterpret_cast<void*>(address), bytes};
  return ::process_vm_readv(pid_, &here, 1, &there, 1, 0) == static_cast<ssize_t>(bytes);
}

uint64_t Tracee::word(uint64_t address) const {
  uint64_t value = 0;
  return read(address, &value, sizeof value) ? value : 0;
}

std::string Tracee::text(uint64_t address) const {
  std::string result;
  for (char one = 0; result.size() < PATH_MAX && read(address + result.size(), &one, 1) && one != 0;) result += one;
  return result;
}

std::vector<Range> Tracee::mappings() const {
  std::vector<Range> ranges;
  std::ifstream in("/proc/" + std::to_string(pid_) + "/maps");
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    Range range;
    std::string skipped;
    char dash = 0;
    words >> std::hex >> range.start >> dash >> range.end >> skipped >> skipped >> skipped >> skipped >> range.name;
    ranges.push_back(range);
  }
  return ranges;
}

}  // namespace pagefold::bindings
