// The single probes behind features.h. Each tries one facility of the kernel and returns what it found, as data; features.cc
// gives it a name, a purpose and a remedy.
#pragma once

#include <string>

#include "base/error.h"

namespace pagefold::host {

// Linux release, "6.18.44-amd64" -> {6, 18}.
struct KernelVersion {
  int major = 0;
  int minor = 0;
  std::string release;
  friend bool operator>=(const KernelVersion& a, const KernelVersion& b) {
    return a.major != b.major ? a.major > b.major : a.minor >= b.minor;
  }
};
Result<KernelVersion> parse_kernel_version(const std::string& release);  // EINVAL when it is no version
Result<KernelVersion> kernel_version();

// A userfaultfd that serves faults taken in kernel mode too.
struct UserfaultfdProbe {
  bool missing_shmem = false;   // MISSING events on memfds
  bool minor_shmem = false;     // MINOR events on memfds (5.14)
  bool write_protect = false;   // write protection of memfd pages (5.19)
  bool poison = false;          // UFFDIO_POISON (6.6)
  bool wp_async = false;        // WP_ASYNC (6.7)
};
Result<UserfaultfdProbe> probe_userfaultfd();
// Opens /dev/userfaultfd: guests without the privilege get theirs from such a descriptor.
Result<void> probe_userfaultfd_device();

// Cheap: the kernel knows seccomp user notification at all.
Result<void> probe_seccomp_notify();
struct SeccompProbe {
  bool addfd = false;           // SECCOMP_IOCTL_NOTIF_ADDFD (5.9)
  bool wait_killable = false;   // SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (5.19)
  bool sync_wake_up = false;    // SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (6.6)
};
// Installs a filter with a listener in a child. EBUSY: this process is itself below such a listener.
Result<SeccompProbe> probe_seccomp_listener();

// What may be done to a child: Error per facility, or success.
struct ChildProbe {
  Result<void> ptrace_seize;
  Result<void> pidfd_getfd;
  Result<void> kcmp;
};
Result<ChildProbe> probe_child();

Result<void> probe_lease();          // F_SETLEASE on a file of our own
Result<void> probe_foreign_lease();  // ... and on a file of somebody else (root's, for an ordinary user): CAP_LEASE
Result<void> probe_memfd();          // sparse, executable when mapped, holes can be punched

// The cgroup v2 directory of this process, on the host's file system ("/sys/fs/cgroup/unified/a/b"); below it Pagefold creates one
// for the guests. ENOENT: no cgroup v2 is mounted.
Result<std::string> own_cgroup2();
// The same from the text of /proc/self/mountinfo and /proc/self/cgroup.
Result<std::string> own_cgroup2(const std::string& mountinfo, const std::string& cgroup);
// Creates a cgroup below `directory`, looks for cgroup.kill in it and removes it.
Result<void> probe_cgroup2(const std::string& directory);

// The libc.so.6 that programs of this system run on: where distributions have it (the command itself is static); empty: none.
std::string system_libc();
// What ld-pagefold.so knows of a libc.so.6 ("/lib/.../libc.so.6 2.36-9+deb12u14"). ENOTSUP: no table for its build-id.
Result<std::string> probe_loader_libc(const std::string& path);
// Whether it can fill cpu_features exactly on this processor.
Result<std::string> probe_loader_processor();

// Hard limit of open files.
Result<unsigned long> open_files_limit();
// A number in a file below /proc/sys.
Result<long> read_sysctl(const std::string& path);

}  // namespace pagefold::host
