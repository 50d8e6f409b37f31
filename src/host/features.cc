// The table of features: what each is called, what it is for, what to do when it is missing. How it is tried is in probe_*.cc.
#include "host/features.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <functional>

#include "host/probes.h"

namespace pagefold::host {
namespace {

constexpr int kOldestMajor = 6;
constexpr int kOldestMinor = 1;
constexpr unsigned long kEnoughFiles = 4096;  // a guest process costs the supervisor a few descriptors
constexpr long kEnoughMappings = 65530;       // Linux's own default
constexpr long kStrictOvercommit = 2;

constexpr const char* kNewerKernel = "apt-get install -y linux-image-amd64 && reboot";
constexpr const char* kUdevRule =
    "groupadd -f pagefold && usermod -aG pagefold \"${SUDO_USER:-$USER}\" && "
    "echo 'KERNEL==\"userfaultfd\", GROUP=\"pagefold\", MODE=\"0660\"' >/etc/udev/rules.d/60-pagefold.rules && "
    "udevadm control --reload && udevadm trigger --name-match=userfaultfd";
constexpr const char* kDeviceNode =
    "mknod -m 600 /dev/userfaultfd c 10 $(awk '$2 == \"userfaultfd\" { print $1 }' /proc/misc)";
constexpr const char* kDelegatedCgroup = "systemd-run --user --scope -p Delegate=yes bash";
constexpr const char* kLeaseCapability = "setcap cap_lease+ep \"$(command -v pagefold)\"";
constexpr const char* kUnfilteredContainer =
    "start the container with: docker run --privileged (its seccomp profile refuses the call)";

constexpr const char* kNewTable =
    "apt-get install -y gdb libc6-dbg && tools/glibc-layout.sh && make build (in Pagefold's source folder)";

bool is_root() { return ::geteuid() == 0; }

// What a probe is called, and what it means when it fails.
struct Row {
  const char* key;
  const char* title;
  Need need;
  const char* purpose;
  std::string remedy;
};

Finding present(const Row& row, std::string detail = {}) {
  return {row.key, row.title, row.need, Status::Present, std::move(detail), {}, row.purpose, {}};
}

Finding missing(const Row& row, const Error& error) {
  return {row.key, row.title, row.need, Status::Missing, error.message(), error, row.purpose, row.remedy};
}

// Nothing failed, but what was found does not suffice.
Finding insufficient(const Row& row, const std::string& found) {
  return {row.key, row.title, row.need, Status::Missing, found, Error{ENOTSUP, found}, row.purpose, row.remedy};
}

Finding judge(const Row& row, const Result<void>& outcome) {
  return outcome ? present(row) : missing(row, outcome.error());
}

Finding judge(const Row& row, bool works) { return works ? present(row) : insufficient(row, "the kernel does not know it"); }

// A refusal by permission is fixed by rights, anything else by a newer kernel.
std::string remedy_for(const Error& error, const std::string& rights) {
  return error.code == EPERM || error.code == EACCES ? rights : kNewerKernel;
}

Finding kernel_finding() {
  const Row row{"kernel", "Linux 6.1 or later", Need::Required, "everything below", kNewerKernel};
  const Result<KernelVersion> version = kernel_version();
  if (!version) return missing(row, version.error());
  const bool recent = *version >= KernelVersion{kOldestMajor, kOldestMinor, {}};
  return recent ? present(row, version->release) : insufficient(row, version->release);
}

void userfaultfd_findings(std::vector<Finding>& findings) {
  Row row{"userfaultfd", "userfaultfd with faults taken in the kernel", Need::Required,
          "page faults of guests, also those that read(2) and write(2) take", {}};
  const Result<UserfaultfdProbe> probe = probe_userfaultfd();
  if (!probe) {
    row.remedy = remedy_for(probe.error(), is_root() ? kUnfilteredContainer : kUdevRule);
    findings.push_back(missing(row, probe.error()));
    return;
  }
  findings.push_back(present(row));
  findings.push_back(judge({"userfaultfd_missing_shmem", "  events for missing pages of memfds", Need::Required,
                            "filling a page on its first touch", kNewerKernel},
                           probe->missing_shmem));
  findings.push_back(judge({"userfaultfd_minor_shmem", "  events for unmapped pages of memfds", Need::Required,
                            "mapping one frame into many processes", kNewerKernel},
                           probe->minor_shmem));
  findings.push_back(judge({"userfaultfd_wp_shmem", "  write protection of memfd pages", Need::Required,
                            "copy-on-write after fork", kNewerKernel},
                           probe->write_protect));
  findings.push_back(judge({"userfaultfd_poison", "  poisoned pages (Linux 6.6)", Need::Optional,
                            "SIGBUS for a page that cannot be read, one at a time", kNewerKernel},
                           probe->poison));
  findings.push_back(judge({"userfaultfd_wp_async", "  write tracking without events (Linux 6.7)", Need::Optional,
                            "knowing the dirty pages of host-mapped files", kNewerKernel},
                           probe->wp_async));
}

Finding userfaultfd_device_finding() {
  return judge({"userfaultfd_device", "/dev/userfaultfd", Need::Optional,
                "guests that give up root, and ordinary users", is_root() ? kDeviceNode : kUdevRule},
               probe_userfaultfd_device());
}

Finding seccomp_notify_finding() {
  return judge({"seccomp_notify", "seccomp user notification", Need::Required,
                "system calls that touch memory come to the supervisor", kNewerKernel},
               probe_seccomp_notify());
}

void seccomp_listener_findings(std::vector<Finding>& findings) {
  Row row{"seccomp_listener", "  a listener of our own", Need::Required, "receiving those system calls", {}};
  const Result<SeccompProbe> probe = probe_seccomp_listener();
  if (!probe) {
    const bool below_another = probe.error().code == EBUSY;
    row.remedy = below_another ? "run pagefold outside the supervisor that already traps this shell's system calls"
                               : remedy_for(probe.error(), kUnfilteredContainer);
    findings.push_back(missing(row, probe.error()));
    return;
  }
  findings.push_back(present(row));
  findings.push_back(judge({"seccomp_addfd", "  placing descriptors in a guest", Need::Required,
                            "giving a guest its userfaultfd and frames", kNewerKernel},
                           probe->addfd));
  findings.push_back(judge({"seccomp_wait_killable", "  calls that only a deadly signal interrupts (Linux 5.19)",
                            Need::Optional, "fewer interrupted calls", kNewerKernel},
                           probe->wait_killable));
  findings.push_back(judge({"seccomp_sync_wake_up", "  synchronous wake-up (Linux 6.6)", Need::Optional,
                            "trapped calls in 4-5 us instead of up to 50", kNewerKernel},
                           probe->sync_wake_up));
}

void child_findings(std::vector<Finding>& findings) {
  const Row seize{"ptrace", "ptrace of a child", Need::Required, "taking over a program after exec and fork",
                  "sysctl kernel.yama.ptrace_scope=1"};
  const Row getfd{"pidfd_getfd", "pidfd_getfd", Need::Required, "files that guests open and map",
                  "sysctl kernel.yama.ptrace_scope=1"};
  const Row compare{"kcmp", "kcmp", Need::Optional, "recognising descriptors of one open file", kNewerKernel};
  const Result<ChildProbe> probe = probe_child();
  if (!probe) {
    for (const Row& row : {seize, getfd, compare}) findings.push_back(missing(row, probe.error()));
    return;
  }
  findings.push_back(judge(seize, probe->ptrace_seize));
  findings.push_back(judge(getfd, probe->pidfd_getfd));
  findings.push_back(judge(compare, probe->kcmp));
}

Finding memfd_finding() {
  return judge({"memfd", "sparse, executable memfds", Need::Required, "the page frames", "sysctl vm.memfd_noexec=0"},
               probe_memfd());
}

void lease_findings(std::vector<Finding>& findings) {
  findings.push_back(judge({"lease", "file leases", Need::Required, "knowing who has a file open for writing",
                            "sysctl fs.leases-enable=1"},
                           probe_lease()));
  findings.push_back(judge({"foreign_lease", "  on files of others", Need::Optional,
                            "owning the pages of system programs and libraries", kLeaseCapability},
                           probe_foreign_lease()));
}

Finding cgroup_finding() {
  Row row{"cgroup2", "a cgroup v2 of its own, with cgroup.kill", Need::Required,
          "ending every guest at once when the supervisor ends", {}};
  const Result<std::string> directory = own_cgroup2();
  if (!directory) {
    row.remedy = "mkdir -p /sys/fs/cgroup/unified && mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified";
    return missing(row, directory.error());
  }
  const Result<void> outcome = probe_cgroup2(*directory);
  if (outcome) return present(row, *directory);
  row.remedy = outcome.error().code == EROFS
                   ? fmt::format("mount -o remount,rw {}", *directory)
                   : (is_root() ? fmt::format("mkdir -p {}", *directory) : kDelegatedCgroup);
  return missing(row, outcome.error());
}

void limit_findings(std::vector<Finding>& findings) {
  const Row files{"open_files", "limit of open files (hard, 4096 or more)", Need::Optional, "many guests at once",
                  "ulimit -Hn 1048576"};
  if (const Result<unsigned long> limit = open_files_limit()) {
    const std::string detail = fmt::format("{}", *limit);
    findings.push_back(*limit >= kEnoughFiles ? present(files, detail) : insufficient(files, detail));
  } else {
    findings.push_back(missing(files, limit.error()));
  }

  struct Sysctl {
    Row row;
    const char* path;
    std::function<bool(long)> suits;
  };
  const Sysctl sysctls[] = {
      {{"max_map_count", "vm.max_map_count (65530 or more)", Need::Optional, "guests with many mappings",
        "sysctl vm.max_map_count=262144"},
       "/proc/sys/vm/max_map_count",
       [](long value) { return value >= kEnoughMappings; }},
      {{"overcommit", "vm.overcommit_memory (0 or 1)", Need::Optional,
        "large sparse reservations: sanitizers, JavaScript engines", "sysctl vm.overcommit_memory=0"},
       "/proc/sys/vm/overcommit_memory",
       [](long value) { return value != kStrictOvercommit; }},
  };
  for (const Sysctl& sysctl : sysctls) {
    const Result<long> value = read_sysctl(sysctl.path);
    if (!value) {
      findings.push_back(missing(sysctl.row, value.error()));
      continue;
    }
    const std::string found = fmt::format("{}", *value);
    findings.push_back(sysctl.suits(*value) ? present(sysctl.row, found) : insufficient(sysctl.row, found));
  }
}

// Without these two ld-pagefold.so leaves every program to the genuine loader.
void loader_findings(std::vector<Finding>& findings) {
  const Row libc{"loader_libc", "a libc that ld-pagefold.so knows", Need::Optional,
                 "loading programs with Pagefold's own loader", kNewTable};
  const Result<std::string> known = probe_loader_libc(system_libc());
  findings.push_back(known ? present(libc, *known) : missing(libc, known.error()));
  const Row processor{"loader_cpu", "a processor that ld-pagefold.so knows", Need::Optional,
                      "choosing the same string and maths functions as glibc's loader",
                      "run on an Intel or AMD processor with XSAVE"};
  const Result<std::string> rules = probe_loader_processor();
  findings.push_back(rules ? present(processor, *rules) : missing(processor, rules.error()));
}

bool is_required_and_missing(const Finding& finding) {
  return finding.need == Need::Required && finding.status == Status::Missing;
}

}  // namespace

bool Features::runnable() const { return std::ranges::none_of(findings, is_required_and_missing); }

Features probe_features() {
  Features features;
  std::vector<Finding>& findings = features.findings;
  findings.push_back(kernel_finding());
  userfaultfd_findings(findings);
  findings.push_back(userfaultfd_device_finding());
  findings.push_back(seccomp_notify_finding());
  seccomp_listener_findings(findings);
  child_findings(findings);
  findings.push_back(memfd_finding());
  lease_findings(findings);
  findings.push_back(cgroup_finding());
  limit_findings(findings);
  loader_findings(findings);
  features.user_steps = {{"page faults through /dev/userfaultfd, for the members of a group (as root)", kUdevRule},
                         {"a cgroup that may be divided (as the user; run pagefold in the shell it starts)", kDelegatedCgroup},
                         {"leases on programs and libraries of the system (as root)", kLeaseCapability}};
  return features;
}

Result<void> require_runnable() {
  std::vector<Finding> findings;
  findings.push_back(kernel_finding());
  userfaultfd_findings(findings);
  findings.push_back(seccomp_notify_finding());
  findings.push_back(memfd_finding());
  const auto first = std::ranges::find_if(findings, is_required_and_missing);
  if (first == findings.end()) return {};
  const std::size_t text = first->title.find_first_not_of(' ');
  const std::string context = first->error.context.empty() ? "" : ": " + first->error.context;
  return fail(first->error.code,
              "cannot run here, see `pagefold doctor`: missing is " + first->title.substr(text) + context);
}

}  // namespace pagefold::host
