// The workers, at the calls of a process of its own whose calls of three unused numbers come to them: a handler that waits without having
// said so must not keep other calls from being served, nor may one that waits for an answer.
#include "kernel/workers.h"

#include <gtest/gtest.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <future>
#include <thread>

#include "kernel/filter.h"

namespace pagefold::kernel {
namespace {

constexpr int kWaits = 0x4e00, kOther = 0x4e01, kAnswer = 0x4e02;

std::vector<sock_filter> filter() {
  return {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)), BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, kWaits, 0, 2),
          BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, kAnswer, 1, 0), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
          BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
}

// A process with two threads: one makes the call that waits, the other one, a moment later, `second`. Exits with 0 if both were
// answered with 7.
class Caller {
 public:
  explicit Caller(int second) {
    pid_ = ::fork();
    if (pid_ != 0) return;
    const int listener = install_filter(filter());
    if (listener != kListener && ::dup2(listener, kListener) != kListener) ::_exit(1);
    // Its calls wait until somebody receives them.
    std::thread other([second] {
      ::usleep(20'000);
      if (::syscall(second) != 7) ::_exit(2);
    });
    if (::syscall(kWaits) != 7) ::_exit(3);
    other.join();
    ::_exit(0);
  }
  ~Caller() {
    if (ended_) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  Caller(const Caller&) = delete;
  Caller& operator=(const Caller&) = delete;

  Listener listener() const {
    const UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
    for (int i = 0; i < 2000; ++i) {
      UniqueFd taken(static_cast<int>(::syscall(SYS_pidfd_getfd, process.get(), kListener, 0)));
      if (taken) return Listener(std::move(taken));
      ::usleep(1000);
    }
    return {};
  }
  int end() {
    int status = -1;
    ended_ = ::waitpid(pid_, &status, 0) == pid_;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  static constexpr int kListener = 90;
  pid_t pid_ = 0;
  bool ended_ = false;
};

TEST(Workers, PassTheTurnOnWhenAHandlerWaitsUnannounced) {
  Caller caller(kOther);
  const Listener listener = caller.listener();
  ASSERT_GE(listener.fd(), 0);
  std::promise<void> other;
  Workers workers;
  workers.start(listener, kAnswer, [&](const seccomp_notif& call) {
    if (call.data.nr == kWaits && other.get_future().wait_for(std::chrono::seconds(10)) != std::future_status::ready)
      return listener.fail(call.id, ETIMEDOUT);
    if (call.data.nr == kOther) other.set_value();
    listener.reply(call.id, 7);
  });
  EXPECT_EQ(caller.end(), 0);
  workers.stop();
}

TEST(Workers, WhoWaitsForAnAnswerReceivesItItself) {
  Caller caller(kAnswer);
  const Listener listener = caller.listener();
  ASSERT_GE(listener.fd(), 0);
  std::atomic<std::thread::id> waits, answered;
  Workers workers;
  workers.start(listener, kAnswer, [&](const seccomp_notif& call) {
    if (call.data.nr == kAnswer) answered = std::this_thread::get_id();
    if (call.data.nr == kWaits) {
      waits = std::this_thread::get_id();
      Workers::receive_until([&] { return answered.load() != std::thread::id(); });
    }
    listener.reply(call.id, 7);
  });
  EXPECT_EQ(caller.end(), 0);
  workers.stop();
  EXPECT_EQ(waits.load(), answered.load());
}

TEST(Workers, ServeOtherCallsWhileOneWaitsForAnAnswer) {
  Caller caller(kOther);
  const Listener listener = caller.listener();
  ASSERT_GE(listener.fd(), 0);
  std::atomic<bool> served = false;
  Workers workers;
  workers.start(listener, kAnswer, [&](const seccomp_notif& call) {
    if (call.data.nr == kOther) served = true;
    if (call.data.nr == kWaits) Workers::receive_until([&] { return served.load(); });
    listener.reply(call.id, 7);
  });
  EXPECT_EQ(caller.end(), 0);
  workers.stop();
}

}  // namespace
}  // namespace pagefold::kernel
