#include "kernel/listener.h"

#include <fcntl.h>
#include <sys/ioctl.h>

#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS _IOW('!', 4, __u64)
#endif

namespace pagefold::kernel {
namespace {

// Linux 6.6: wake the waiting thread on the waker's processor; an older kernel refuses, which costs only time.
constexpr std::uint64_t kSyncWakeUp = 1;

}  // namespace

Listener::Listener(UniqueFd fd) : fd_(std::move(fd)) { (void)::ioctl(fd_.get(), SECCOMP_IOCTL_NOTIF_SET_FLAGS, kSyncWakeUp); }

Result<seccomp_notif> Listener::receive() const {
  seccomp_notif call{};
  if (::ioctl(fd_.get(), SECCOMP_IOCTL_NOTIF_RECV, &call) != 0) return fail_errno("receive a system call");
  return call;
}

void Listener::send(const seccomp_notif_resp& response) const {
  auto copy = response;
  while (::ioctl(fd_.get(), SECCOMP_IOCTL_NOTIF_SEND, &copy) != 0 && errno == EINTR) {
  }
}

void Listener::reply(std::uint64_t id, std::int64_t value) const {
  seccomp_notif_resp response{};
  response.id = id;
  response.val = value;
  send(response);
}

void Listener::fail(std::uint64_t id, int error) const {
  seccomp_notif_resp response{};
  response.id = id;
  response.error = -error;
  send(response);
}

void Listener::proceed(std::uint64_t id) const {
  seccomp_notif_resp response{};
  response.id = id;
  response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
  send(response);
}

Result<int> Listener::add_fd(std::uint64_t id, int fd) const {
  seccomp_notif_addfd request{};
  request.id = id;
  request.srcfd = static_cast<__u32>(fd);
  request.newfd_flags = O_CLOEXEC;
  const int number = ::ioctl(fd_.get(), SECCOMP_IOCTL_NOTIF_ADDFD, &request);
  if (number < 0) return fail_errno("hand a descriptor to a guest");
  return number;
}

Result<void> Listener::reply_fd(std::uint64_t id, int fd, bool close_on_exec) const {
  seccomp_notif_addfd request{};
  request.id = id;
  request.srcfd = static_cast<__u32>(fd);
  request.newfd_flags = close_on_exec ? O_CLOEXEC : 0;
  request.flags = SECCOMP_ADDFD_FLAG_SEND;
  if (::ioctl(fd_.get(), SECCOMP_IOCTL_NOTIF_ADDFD, &request) < 0) return fail_errno("answer with a descriptor");
  return {};
}

bool Listener::still_waiting(std::uint64_t id) const {
  return ::ioctl(fd_.get(), SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

}  // namespace pagefold::kernel
