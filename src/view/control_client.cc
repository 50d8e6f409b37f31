// See control_client.h.
#include "view/control_client.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>
#include <optional>

#include "base/fd.h"
#include "view/json.h"
#include "view/lines.h"

namespace pagefold::view {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

// "Num RefCount Protocol Flags Type St Inode Path": a listening socket has the flag SO_ACCEPTCON; those it accepted
// have its name, too.
std::optional<pid_t> supervisor_of(std::string_view line) {
  constexpr std::string_view kListening = " 00010000 ";
  const std::string at_prefix = '@' + std::string(kControlPrefix);
  const std::size_t name = line.rfind(" @");
  if (name == std::string_view::npos || line.substr(0, name).find(kListening) == std::string_view::npos) return {};
  std::string_view digits = line.substr(name + 1);
  if (!digits.starts_with(at_prefix)) return {};
  digits.remove_prefix(at_prefix.size());
  pid_t pid = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), pid);
  if (error != std::errc{} || end != digits.data() + digits.size() || pid <= 0) return {};
  return pid;
}

Result<void> wait_until_ready(int socket, short events, Clock::time_point deadline) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd entry = {socket, events, 0};
    const int ready = left > 0 ? ::poll(&entry, 1, static_cast<int>(left)) : 0;
    if (ready > 0) return {};
    if (ready == 0) return fail(ETIMEDOUT);
    if (errno != EINTR) return fail_errno("poll");
  }
}

Result<UniqueFd> connect_to(pid_t supervisor) {
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!socket) return fail_errno("socket");
  const ControlAddress name = control_address(supervisor);
  if (::connect(socket.get(), name.get(), name.length) != 0) {
    if (errno == ECONNREFUSED) return fail(ESRCH);
    if (errno == EAGAIN) return fail(ETIMEDOUT);  // its queue is full
    return fail_errno("connect");
  }
  ucred peer{};
  socklen_t length = sizeof peer;
  if (::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return fail_errno("SO_PEERCRED");
  const uid_t own = ::geteuid();
  if (own != 0 && peer.uid != 0 && peer.uid != own) return fail(EACCES, "it belongs to another user");
  return socket;
}

Result<void> send_all(int socket, std::string_view text, Clock::time_point deadline) {
  while (!text.empty()) {
    const ssize_t put = ::send(socket, text.data(), text.size(), MSG_NOSIGNAL);
    if (put >= 0) {
      text.remove_prefix(static_cast<std::size_t>(put));
    } else if (errno == EAGAIN) {
      PAGEFOLD_CHECK(wait_until_ready(socket, POLLOUT, deadline));
    } else if (errno == EPIPE) {
      return {};  // it has answered already, with a refusal: read that
    } else if (errno != EINTR) {
      return fail_errno("send");
    }
  }
  return {};
}

// Up to the end of the stream. The time starts anew with each part received.
Result<std::string> receive_all(int socket, std::chrono::milliseconds timeout) {
  constexpr std::size_t kPart = 1 << 16;
  std::string text;
  for (;;) {
    PAGEFOLD_CHECK(wait_until_ready(socket, POLLIN, Clock::now() + timeout));
    const std::size_t before = text.size();
    if (before > kMaxAnswer) return fail(EMSGSIZE);
    text.resize(before + kPart);
    const ssize_t got = ::recv(socket, text.data() + before, kPart, 0);
    const int error = got < 0 ? errno : 0;
    text.resize(before + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    if (got == 0 || error == ECONNRESET) return text;
    if (error != 0 && error != EINTR && error != EAGAIN) return fail(error, "recv");
  }
}

Result<json> payload(const std::string& answer) {
  if (answer.empty()) return fail(ESRCH, "it has ended");
  json parsed = json::parse(answer, nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_object()) return fail(EBADMSG, "its answer is not JSON");
  if (const auto ok = parsed.find("ok"); ok != parsed.end()) return std::move(*ok);
  const auto error = parsed.find("error");
  const auto code = parsed.find("code");
  if (error == parsed.end() || !error->is_string() || code == parsed.end() || !code->is_number_integer()) {
    return fail(EBADMSG, "its answer is neither a result nor an error");
  }
  return fail(code->get<int>(), error->get<std::string>());
}

Result<std::vector<ProcessView>> guests_of(pid_t supervisor) {
  const json answer = PAGEFOLD_TRY(ask(supervisor, {{"verb", "ps"}}));
  return list_from_json(answer);
}

Result<ProcessView> guest_of(pid_t supervisor, pid_t pid, WithPages with_pages) {
  const json request = {{"verb", "process"}, {"pid", pid}, {"pages", with_pages == WithPages::Yes}};
  const json answer = PAGEFOLD_TRY(ask(supervisor, request));
  const auto process = answer.is_object() ? answer.find("process") : answer.end();
  if (process == answer.end()) return fail(EBADMSG, "its answer has no process");
  return process_from_json(*process);
}

}  // namespace

std::vector<pid_t> parse_supervisors(std::string_view proc_net_unix) {
  std::vector<pid_t> supervisors;
  for (const std::string_view line : Lines(proc_net_unix)) {
    if (const auto pid = supervisor_of(line)) supervisors.push_back(*pid);
  }
  std::ranges::sort(supervisors);
  supervisors.erase(std::ranges::unique(supervisors).begin(), supervisors.end());
  return supervisors;
}

std::vector<pid_t> running_supervisors() {
  std::ifstream file("/proc/net/unix", std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  return parse_supervisors(text);
}

Result<json> ask(pid_t supervisor, const json& request, std::chrono::milliseconds timeout) {
  const UniqueFd socket = PAGEFOLD_TRY(connect_to(supervisor));
  PAGEFOLD_CHECK(send_all(socket.get(), dump(request) + '\n', Clock::now() + timeout));
  return payload(PAGEFOLD_TRY(receive_all(socket.get(), timeout)));
}

GuestList list_guests() {
  GuestList list;
  for (const pid_t supervisor : running_supervisors()) {
    Result<std::vector<ProcessView>> guests = guests_of(supervisor);
    if (guests) {
      std::ranges::move(*guests, std::back_inserter(list.guests));
    } else if (guests.error().code != ESRCH) {
      list.unanswered.push_back("supervisor " + std::to_string(supervisor) + ": " + guests.error().message());
    }
  }
  std::ranges::sort(list.guests, {}, &ProcessView::pid);
  return list;
}

Result<ProcessView> find_guest(pid_t pid, WithPages with_pages) {
  Error failure = {ESRCH, {}};
  for (const pid_t supervisor : running_supervisors()) {
    Result<ProcessView> guest = guest_of(supervisor, pid, with_pages);
    if (guest) return guest;
    if (guest.error().code != ESRCH) failure = guest.error();
  }
  return tl::unexpected(std::move(failure));
}

}  // namespace pagefold::view
