#include "bench/pressure.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>

#include "base/fd.h"
#include "bench/command.h"
#include "bench/statistics.h"

namespace pagefold::bench {
namespace {

constexpr unsigned kMiB = 1 << 20;
constexpr unsigned kLimit = 96, kTouched = 2 * kLimit;  // MiB
// What the supervisor, its watcher, page tables and the swap's bookkeeping take of the cgroup; with less the kernel kills the run. MiB.
constexpr unsigned kSupervisor = 11;
constexpr const char* kController = "/sys/fs/cgroup/memory";

struct Pattern {
  const char* name;
  unsigned touches;
  double bar;
};
constexpr Pattern kPatterns[] = {
    {"passes", 2 * kTouched * 256, 1.0}, {"random", 60'000, 1.0}, {"zipf", 200'000, 1.0}, {"scan", 250'000, 0.8}};
constexpr const char* kMedia[] = {"file", "zram"};

std::string name_of(const char* medium, const Pattern& pattern) { return fmt::format("pressure-{}-{}", pattern.name, medium); }

bool write_to(const std::string& path, const std::string& text) {
  std::ofstream out(path);
  out << text;
  out.close();
  return static_cast<bool>(out);
}

// A memory cgroup of the calling process's own, for one command.
class Cgroup {
 public:
  static Result<Cgroup> create(const std::string& name, unsigned limit, unsigned swappiness) {
    Cgroup group(fmt::format("{}/pagefold-bench-{}-{}", kController, ::getpid(), name));
    if (::mkdir(group.path_.c_str(), 0755) != 0) return fail(ENOTSUP, fmt::format("no memory cgroup (v1): {}", group.path_));
    if (!write_to(group.path_ + "/memory.limit_in_bytes", std::to_string(std::uint64_t{limit} * kMiB)) ||
        !write_to(group.path_ + "/memory.swappiness", std::to_string(swappiness)))
      return fail(ENOTSUP, "the memory cgroup cannot be limited");
    return group;
  }
  Cgroup(Cgroup&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  Cgroup(const Cgroup&) = delete;
  Cgroup& operator=(const Cgroup&) = delete;
  ~Cgroup() {
    constexpr int kTries = 100;  // what ran there may still be ending
    for (int i = 0; !path_.empty() && ::rmdir(path_.c_str()) != 0 && i < kTries; ++i) ::usleep(10'000);
  }
  // The command, run inside.
  [[nodiscard]] std::vector<std::string> around(const std::vector<std::string>& argv) const {
    std::vector<std::string> all = {"/bin/sh", "-c", "echo $$ > \"$0\"/cgroup.procs && exec \"$@\"", path_};
    all.insert(all.end(), argv.begin(), argv.end());
    return all;
  }

 private:
  explicit Cgroup(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

// The kernel's swap, on a file or on compressed memory, as long as it lives.
class KernelSwap {
 public:
  static Result<KernelSwap> on_file(const std::string& path) {
    const UniqueFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!file || ::posix_fallocate(file.get(), 0, off_t{kTouched} * 2 * kMiB) != 0) return fail(ENOTSUP, "no room for a swap file");
    return start(path, -1);
  }
  static Result<KernelSwap> on_zram() {
    int number = -1;
    std::ifstream("/sys/class/zram-control/hot_add") >> number;
    if (number < 0) return fail(ENOTSUP, "no zram");
    const std::string device = fmt::format("/sys/block/zram{}", number);
    (void)write_to(device + "/comp_algorithm", "lz4");
    if (!write_to(device + "/disksize", std::to_string(std::uint64_t{kTouched} * 2 * kMiB))) return fail(ENOTSUP, "zram has no size");
    return start(fmt::format("/dev/zram{}", number), number);
  }
  KernelSwap(KernelSwap&& other) noexcept : path_(std::exchange(other.path_, {})), zram_(std::exchange(other.zram_, -1)) {}
  KernelSwap(const KernelSwap&) = delete;
  KernelSwap& operator=(const KernelSwap&) = delete;
  ~KernelSwap() {
    if (path_.empty()) return;
    ::swapoff(path_.c_str());
    if (zram_ < 0) {
      ::unlink(path_.c_str());
    } else {
      (void)write_to(fmt::format("/sys/block/zram{}/reset", zram_), "1");
      (void)write_to("/sys/class/zram-control/hot_remove", std::to_string(zram_));
    }
  }

 private:
  KernelSwap(std::string path, int zram) : path_(std::move(path)), zram_(zram) {}
  static Result<KernelSwap> start(const std::string& path, int zram) {
    KernelSwap swap(path, zram);
    Command format;
    format.argv = {"mkswap", path};
    format.directory.assign(1, '/');  // a literal makes GCC 12 warn of an overlap that is none
    const auto done = run_command(format);
    if (!done || done->status != 0) return fail(ENOTSUP, fmt::format("mkswap {}", path));
    if (::swapon(path.c_str(), 0) != 0) return fail(ENOTSUP, fmt::format("swapon {} is not allowed", path));
    return swap;
  }
  std::string path_;
  int zram_ = -1;
};

Result<double> touch_ns(const std::vector<std::string>& argv, const PressureSettings& settings) {
  Command command;
  command.argv = argv;
  command.directory = settings.directory;
  const Outcome outcome = PAGEFOLD_TRY(run_command(command));
  std::smatch ns;
  static const std::regex kNs(R"(ns ([0-9.]+))");
  if (outcome.status != 0 || !std::regex_search(outcome.output, ns, kNs)) return fail(EPROTO, ending_of(outcome.status) + ": " + outcome.output);
  return std::atof(ns[1].str().c_str());
}

Result<PressureLine> measure(const Pattern& pattern, const std::string& medium, const PressureSettings& settings) {
  PressureLine line;
  line.name = name_of(medium.c_str(), pattern);
  line.bar = pattern.bar;
  const std::vector<std::string> program = {settings.programs + "/touch_pattern", pattern.name, std::to_string(kTouched),
                                            std::to_string(settings.quick ? pattern.touches / 4 : pattern.touches)};
  std::vector<std::string> ours = {settings.pagefold, "run", "-q", "--mem", fmt::format("{}M", kLimit - kSupervisor), "--swap",
                                   medium == "file" ? fmt::format("file:{}/pagefold-swap", settings.directory) : medium};
  if (!settings.policy.empty()) ours.insert(ours.end(), {"--policy", settings.policy});
  ours.emplace_back("--");
  ours.insert(ours.end(), program.begin(), program.end());
  std::vector<double> native, pagefold;
  for (unsigned round = 0; round < (settings.quick ? 1U : 3U); ++round) {
    const auto kernel_swap = PAGEFOLD_TRY(medium == "file" ? KernelSwap::on_file(settings.directory + "/kernel-swap") : KernelSwap::on_zram());
    const auto group = PAGEFOLD_TRY(Cgroup::create("native", kLimit, 60));
    native.push_back(PAGEFOLD_TRY(touch_ns(group.around(program), settings)));
    const auto our_group = PAGEFOLD_TRY(Cgroup::create("pagefold", medium == "file" ? kLimit : kLimit + kTouched, 0));
    pagefold.push_back(PAGEFOLD_TRY(touch_ns(our_group.around(ours), settings)));
  }
  line.native_ns = median(native);
  line.pagefold_ns = median(pagefold);
  return line;
}

}  // namespace

std::vector<std::string> pressure_names() {
  std::vector<std::string> names;
  for (const char* medium : kMedia)
    for (const Pattern& pattern : kPatterns) names.push_back(name_of(medium, pattern));
  return names;
}

Result<std::vector<PressureLine>> measure_pressure(const PressureSettings& settings) {
  if (::geteuid() != 0) return fail(ENOTSUP, "it wants root");
  std::vector<PressureLine> lines;
  for (const char* medium : kMedia)
    for (const Pattern& pattern : kPatterns) {
      if (name_of(medium, pattern).find(settings.only) == std::string::npos) continue;
      auto line = measure(pattern, medium, settings);
      if (line) {
        lines.push_back(std::move(*line));
        continue;
      }
      if (line.error().code == ENOTSUP && lines.empty() && std::string(medium) == "file") return tl::unexpected(line.error());
      PressureLine failed;
      failed.name = name_of(medium, pattern);
      failed.failure = line.error().message();
      lines.push_back(std::move(failed));
    }
  return lines;
}

}  // namespace pagefold::bench
