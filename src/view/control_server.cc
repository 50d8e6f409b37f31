// See control_server.h.
#include "view/control_server.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <chrono>
#include <list>
#include <string>
#include <vector>

#include "view/control.h"

namespace pagefold::view {
namespace {

using Clock = std::chrono::steady_clock;

enum class Progress : unsigned char { Waiting, Finished };

// One connection: first it asks, then it takes its answer.
class Client {
 public:
  explicit Client(UniqueFd socket) : socket_(std::move(socket)), deadline_(Clock::now() + kControlTimeout) {}

  [[nodiscard]] pollfd poll_entry() const {
    return {socket_.get(), static_cast<short>(answer_.empty() ? POLLIN : POLLOUT), 0};
  }
  [[nodiscard]] Clock::time_point deadline() const { return deadline_; }

  void reply(std::string answer) {
    answer_ = std::move(answer);
    deadline_ = Clock::now() + kControlTimeout;
  }

  // Does what can be done without waiting.
  Progress step(Introspector& introspector) {
    if (answer_.empty() && receive(introspector) == Progress::Finished) return Progress::Finished;
    return answer_.empty() ? Progress::Waiting : send_rest();
  }

 private:
  Progress receive(Introspector& introspector) {
    char buffer[kMaxRequest];
    const ssize_t got = ::recv(socket_.get(), buffer, sizeof buffer, 0);
    if (got < 0) return errno == EAGAIN || errno == EINTR ? Progress::Waiting : Progress::Finished;
    request_.append(buffer, static_cast<std::size_t>(got));
    const std::size_t newline = request_.find('\n');
    if (std::min(newline, request_.size()) >= kMaxRequest) {
      reply(error_answer({EMSGSIZE, "a request has at most " + std::to_string(kMaxRequest) + " bytes"}));
    } else if (newline != std::string::npos) {
      reply(answer_request(introspector, std::string_view(request_).substr(0, newline)));
    } else if (got == 0) {
      return Progress::Finished;
    }
    return Progress::Waiting;
  }

  Progress send_rest() {
    while (sent_ < answer_.size()) {
      const ssize_t put = ::send(socket_.get(), answer_.data() + sent_, answer_.size() - sent_, MSG_NOSIGNAL);
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return errno == EAGAIN ? Progress::Waiting : Progress::Finished;
      sent_ += static_cast<std::size_t>(put);
      deadline_ = Clock::now() + kControlTimeout;  // a long answer may take long, as long as it moves
    }
    return Progress::Finished;
  }

  UniqueFd socket_;
  Clock::time_point deadline_;
  std::string request_;
  std::string answer_;
  std::size_t sent_ = 0;
};

bool may_ask(int socket) {
  ucred peer{};
  socklen_t length = sizeof peer;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return false;
  return peer.uid == 0 || peer.uid == ::geteuid();
}

class Loop {
 public:
  Loop(int listener, int wake, Introspector& introspector)
      : listener_(listener), wake_(wake), introspector_(introspector) {}

  void run() {
    for (;;) {
      std::vector<pollfd> entries = {{wake_, POLLIN, 0}, {listener_, POLLIN, 0}};
      for (const Client& client : clients_) entries.push_back(client.poll_entry());
      if (::poll(entries.data(), entries.size(), milliseconds_to_deadline()) < 0 && errno != EINTR) return;
      if (entries[0].revents != 0) return;
      serve(entries);
      if (entries[1].revents != 0) accept_clients();
    }
  }

 private:
  [[nodiscard]] int milliseconds_to_deadline() const {
    if (clients_.empty()) return -1;
    const auto first = std::ranges::min_element(clients_, {}, &Client::deadline)->deadline();
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(first - Clock::now()).count();
    return static_cast<int>(std::max<decltype(left)>(left, 0));
  }

  void serve(const std::vector<pollfd>& entries) {
    std::size_t index = 2;
    for (auto client = clients_.begin(); client != clients_.end();) {
      const bool ready = entries[index++].revents != 0;
      const bool finished = ready && client->step(introspector_) == Progress::Finished;
      const bool late = Clock::now() >= client->deadline();
      client = finished || late ? clients_.erase(client) : std::next(client);
    }
  }

  void accept_clients() {
    for (;;) {
      UniqueFd socket(::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (!socket) {
        give_way_when_out_of_descriptors();
        return;
      }
      const bool allowed = may_ask(socket.get());
      if (clients_.size() >= kMaxClients) clients_.pop_front();
      Client& client = clients_.emplace_back(std::move(socket));
      if (!allowed) client.reply(error_answer({EACCES, "this supervisor belongs to another user"}));
    }
  }

  // The waiting connection would wake poll() again at once: free a descriptor, or at least do not spin.
  void give_way_when_out_of_descriptors() {
    if (errno != EMFILE && errno != ENFILE) return;
    if (!clients_.empty()) clients_.pop_front();
    constexpr int kPauseMs = 50;
    pollfd wake = {wake_, POLLIN, 0};
    ::poll(&wake, 1, kPauseMs);
  }

  int listener_;
  int wake_;
  Introspector& introspector_;
  std::list<Client> clients_;  // oldest first
};

// The supervisor's signals are none of this thread's business.
class AllSignalsBlocked {
 public:
  AllSignalsBlocked() {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~AllSignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_{};
};

}  // namespace

Result<std::unique_ptr<ControlServer>> ControlServer::start(Introspector& introspector) {
  UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!listener) return fail_errno("control socket");
  const ControlAddress name = control_address(::getpid());
  if (::bind(listener.get(), name.get(), name.length) != 0) return fail_errno("bind the control socket");
  if (::listen(listener.get(), static_cast<int>(kMaxClients)) != 0) return fail_errno("listen on the control socket");
  UniqueFd wake(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!wake) return fail_errno("eventfd");

  std::unique_ptr<ControlServer> server(new ControlServer(std::move(listener), std::move(wake)));
  const AllSignalsBlocked blocked;
  try {
    server->thread_ = std::thread([fd = server->listener_.get(), wake_fd = server->wake_.get(), &introspector] {
      Loop(fd, wake_fd, introspector).run();
    });
  } catch (const std::system_error& error) {
    return fail(error.code().value(), "start the control thread");
  }
  return server;
}

void ControlServer::stop() {
  if (!thread_.joinable()) return;
  ::eventfd_write(wake_.get(), 1);
  thread_.join();
  listener_.reset();
}

}  // namespace pagefold::view
