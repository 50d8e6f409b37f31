// The instructions at the entry point: clock_gettime(CLOCK_MONOTONIC), write it to standard output, read(0) until the
// end, exit.
#include "bench/load.h"

#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/fd.h"
#include "bench/command.h"

asm(R"(
.section .rodata
.globl pagefold_bench_stop, pagefold_bench_stop_end
pagefold_bench_stop:
  sub $128, %rsp
  mov $228, %eax
  mov $1, %edi
  mov %rsp, %rsi
  syscall
  mov $1, %eax
  mov $1, %edi
  mov %rsp, %rsi
  mov $16, %edx
  syscall
  xor %eax, %eax
  xor %edi, %edi
  mov %rsp, %rsi
  mov $1, %edx
  syscall
  mov $231, %eax
  xor %edi, %edi
  syscall
pagefold_bench_stop_end:
.text
)");
extern "C" const char pagefold_bench_stop[], pagefold_bench_stop_end[];

namespace pagefold::bench {
namespace {

constexpr int kMilliseconds = 20'000;
constexpr int kLibraries = 200;
constexpr int kFunctions = 50;

double as_ns(const timespec& time) {
  return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_nsec);
}

Result<void> write_program(const std::string& path, const std::string& bytes) {
  std::ofstream out(path, std::ios::binary);
  out << bytes;
  out.close();
  if (!out || ::chmod(path.c_str(), 0755) != 0) return fail_errno("write " + path);
  return {};
}

Result<void> write_text(const std::string& path, const std::string& text) {
  std::ofstream out(path);
  out << text;
  out.close();
  if (!out) return fail_errno("write " + path);
  return {};
}

double private_dirty_bytes(pid_t process) {
  std::ifstream in(fmt::format("/proc/{}/smaps_rollup", process));
  for (std::string word; in >> word;) {
    double kib = 0;
    if (word == "Private_Dirty:" && in >> kib) return kib * 1024;
  }
  return 0;
}

// In the child of a vfork: the parent's memory is ours until execve, and `start` is the parent's.
[[noreturn]] void become(const LoadRequest& request, int input, int output, volatile double& start) {
  static std::array<char, 14> now{"LD_BIND_NOW=1"};
  std::array<char*, 2> argv{const_cast<char*>(request.program.c_str()), nullptr};
  std::array<char*, 2> environment{request.bind_now ? now.data() : nullptr, nullptr};
  if (request.cpu >= 0) {
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(static_cast<std::size_t>(request.cpu), &cpus);
    ::sched_setaffinity(0, sizeof cpus, &cpus);
  }
  ::dup2(input, 0);
  ::dup2(output, 1);
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  start = as_ns(time);
  ::execve(argv[0], argv.data(), environment.data());
  ::_exit(127);
}

}  // namespace

Result<void> write_stopping_copy(const std::string& program, const std::string& interpreter, const std::string& copy) {
  std::ifstream in(program, std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(in), {}};
  Elf64_Ehdr header{};
  if (bytes.size() < sizeof header) return fail(ENOEXEC, program);
  std::memcpy(&header, bytes.data(), sizeof header);
  bool named = false;
  bool stopped = false;
  for (unsigned i = 0; std::memcmp(header.e_ident, ELFMAG, SELFMAG) == 0 && i < header.e_phnum; ++i) {
    Elf64_Phdr segment{};
    std::memcpy(&segment, bytes.data() + header.e_phoff + i * sizeof segment, sizeof segment);
    if (segment.p_type == PT_INTERP && interpreter.size() < segment.p_filesz) {
      std::memset(bytes.data() + segment.p_offset, 0, segment.p_filesz);
      std::memcpy(bytes.data() + segment.p_offset, interpreter.data(), interpreter.size());
      named = true;
    }
    if (segment.p_type == PT_LOAD && header.e_entry >= segment.p_vaddr &&
        header.e_entry < segment.p_vaddr + segment.p_filesz) {
      std::memcpy(bytes.data() + header.e_entry - segment.p_vaddr + segment.p_offset, pagefold_bench_stop,
                  static_cast<std::size_t>(pagefold_bench_stop_end - pagefold_bench_stop));
      stopped = true;
    }
  }
  if (!named || !stopped) return fail(ENOEXEC, program);
  return write_program(copy, bytes);
}

Result<LoadCost> load_once(const LoadRequest& request) {
  int in[2];
  int out[2];
  if (::pipe2(in, O_CLOEXEC) != 0 || ::pipe2(out, O_CLOEXEC) != 0) return fail_errno("pipe");
  const UniqueFd input(in[0]);
  UniqueFd input_end(in[1]);
  const UniqueFd output(out[0]);
  UniqueFd output_end(out[1]);
  volatile double start = 0;
  const pid_t child = ::vfork();  // NOLINT: a copy of this process would be measured otherwise
  if (child < 0) return fail_errno("vfork");
  if (child == 0) become(request, input.get(), output_end.get(), start);
  output_end.reset();
  timespec reached{};
  pollfd waiting{output.get(), POLLIN, 0};
  const bool told =
      ::poll(&waiting, 1, kMilliseconds) == 1 && ::read(output.get(), &reached, sizeof reached) == sizeof reached;
  const LoadCost cost{as_ns(reached) - start, told && request.want_memory ? private_dirty_bytes(child) : 0};
  if (told) {
    input_end.reset();
  } else {
    ::kill(child, SIGKILL);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!told) return fail(EPROTO, request.program + " did not reach its entry point: " + ending_of(status));
  return cost;
}

Result<std::string> write_many_libraries(const std::string& directory) {
  const std::string folder = directory + "/many";
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  std::string script = "set -e\ncd " + folder + "\n";
  std::string needs;
  for (int library = 0; library < kLibraries; ++library) {
    std::string text = ".text\n";
    std::string table = ".data\n.balign 8\n";
    for (int function = 0; function < kFunctions; ++function) {
      text += fmt::format(".globl f{0}_{1}\n.type f{0}_{1},@function\nf{0}_{1}: ret\n", library, function);
      table += fmt::format(".quad f{}_{}\n", (library + 1 + function % 7) % kLibraries, function);
    }
    PAGEFOLD_CHECK(
        write_text(fmt::format("{}/l{}.s", folder, library), text + table + ".section .note.GNU-stack,\"\"\n"));
    script += fmt::format("as -o l.o l{0}.s\nld -shared -soname l{0}.so -o l{0}.so l.o\n", library);
    needs += fmt::format(" l{}.so", library);
  }
  script +=
      "echo 'int main(void) { return 0; }' >main.c\ngcc -o main main.c -Wl,--no-as-needed -Wl,--allow-shlib-undefined "
      "-Wl,-rpath," +
      folder + needs + "\n";
  PAGEFOLD_CHECK(write_text(folder + "/build.sh", script));
  const Result<Outcome> built = run_command({{"sh", folder + "/build.sh"}, folder, {}});
  if (!built) return tl::unexpected(built.error());
  if (built->status != 0) return fail(ENOEXEC, "building 200 libraries: " + built->output);
  return folder + "/main";
}

}  // namespace pagefold::bench
