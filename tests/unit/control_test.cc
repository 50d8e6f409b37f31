// The control channel: a server with guests that never were, asked well, asked badly, and not asked at all.
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <string>

#include "base/fd.h"
#include "unit/fake_introspector.h"
#include "view/control.h"
#include "view/control_client.h"
#include "view/control_server.h"

namespace pagefold::view {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using test::FakeIntrospector;

class Control : public ::testing::Test {
 protected:
  // Names of control channels are the network namespace's; in one of its own nobody else asks this server (as root; others are lucky).
  static void SetUpTestSuite() { (void)::unshare(CLONE_NEWNET); }

  void SetUp() override {
    auto started = ControlServer::start(guests_);
    ASSERT_TRUE(started) << started.error().message();
    server_ = std::move(*started);
  }

  static UniqueFd connect() {
    UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const ControlAddress name = control_address(::getpid());
    EXPECT_EQ(::connect(socket.get(), name.get(), name.length), 0);
    const timeval patience = {10, 0};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return socket;
  }

  static std::string read_answer(int socket) {
    std::string answer;
    char buffer[4096];
    for (ssize_t got = 0; (got = ::recv(socket, buffer, sizeof buffer, 0)) > 0;) {
      answer.append(buffer, static_cast<std::size_t>(got));
    }
    return answer;
  }

  static nlohmann::json exchange(const std::string& request) {
    const UniqueFd socket = connect();
    EXPECT_GE(::send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL), 0);
    return nlohmann::json::parse(read_answer(socket.get()), nullptr, false);
  }

  FakeIntrospector guests_;
  std::unique_ptr<ControlServer> server_;
};

TEST_F(Control, ListsTheGuestsThatAreStillThereWithTheirTotals) {
  const auto supervisors = running_supervisors();
  EXPECT_NE(std::ranges::find(supervisors, ::getpid()), supervisors.end());
  const GuestList list = list_guests();
  const auto guest = std::ranges::find(list.guests, FakeIntrospector::kShell, &ProcessView::pid);
  ASSERT_NE(guest, list.guests.end());
  EXPECT_EQ(guest->pages.resident, 3 * kPageSize);
  EXPECT_EQ(guest->virtual_size, 5 * kPageSize);
  EXPECT_TRUE(guest->mappings.empty());
  EXPECT_EQ(std::ranges::count(list.guests, FakeIntrospector::kEnded, &ProcessView::pid), 0);
  EXPECT_TRUE(std::ranges::is_sorted(list.guests, {}, &ProcessView::pid));
}

TEST_F(Control, ShowsOneGuestWithAndWithoutPages) {
  const auto plain = find_guest(FakeIntrospector::kChild, WithPages::No);
  ASSERT_TRUE(plain) << plain.error().message();
  ASSERT_EQ(plain->mappings.size(), 2U);  // the two pieces of the stack are one
  EXPECT_EQ(plain->mappings[1].name, "[stack]");
  EXPECT_TRUE(plain->mappings[0].runs.empty());
  const auto with_pages = find_guest(FakeIntrospector::kChild, WithPages::Yes);
  ASSERT_TRUE(with_pages);
  EXPECT_EQ(with_pages->mappings[0].runs.size(), 2U);
}

TEST_F(Control, AnUnknownGuestIsEsrch) {
  const auto guest = find_guest(1999999999, WithPages::No);
  ASSERT_FALSE(guest);
  EXPECT_EQ(guest.error().code, ESRCH);
}

TEST_F(Control, AnswersNonsenseWithAnError) {
  for (const char* request :
       {"\n", "{\n", "nonsense\n", "[]\n", "7\n", "null\n", "{}\n", "{\"verb\":7}\n", "{\"verb\":\"halt\"}\n",
        "{\"verb\":\"process\"}\n", "{\"verb\":\"process\",\"pid\":\"1\"}\n", "{\"verb\":\"process\",\"pid\":1.5}\n",
        "{\"verb\":\"process\",\"pid\":1,\"pages\":2}\n", "\xff\xfe\n", "{\"verb\":\"\xff\"}\n"}) {
    const nlohmann::json answer = exchange(request);
    ASSERT_TRUE(answer.is_object()) << request;
    EXPECT_EQ(answer.value("code", 0), EINVAL) << request;
    EXPECT_TRUE(answer.at("error").is_string());
  }
  EXPECT_EQ(guests_.asked, 0);
  EXPECT_TRUE(exchange("{\"verb\":\"ps\"}\n").contains("ok"));
}

TEST_F(Control, APidThatFitsNoPidTypeIsNotFound) {
  EXPECT_EQ(exchange("{\"verb\":\"process\",\"pid\":18446744073709551615}\n").value("code", 0), ESRCH);
  EXPECT_EQ(exchange("{\"verb\":\"process\",\"pid\":6294967297}\n").value("code", 0), ESRCH);  // 2^32 + kShell
}

TEST_F(Control, RefusesARequestThatIsTooLong) {
  const nlohmann::json exact = exchange(std::string(kMaxRequest - 1, ' ') + '\n');
  EXPECT_EQ(exact.value("code", 0), EINVAL);
  const nlohmann::json answer = exchange(std::string(kMaxRequest + 1, ' '));
  EXPECT_EQ(answer.value("code", 0), EMSGSIZE);
}

TEST_F(Control, ARequestMayComeInPieces) {
  const UniqueFd socket = connect();
  for (const char c : std::string("{\"verb\":\"ps\"}\n")) {
    ASSERT_EQ(::send(socket.get(), &c, 1, 0), 1);
    ::usleep(1000);
  }
  EXPECT_TRUE(nlohmann::json::parse(read_answer(socket.get())).contains("ok"));
}

TEST_F(Control, AClientThatOnlyHangsUpIsForgotten) {
  connect().reset();
  EXPECT_TRUE(exchange("{\"verb\":\"ps\"}\n").contains("ok"));
}

TEST_F(Control, ClientsThatSayNothingDelayNobodyAndAreDroppedInTheEnd) {
  std::vector<UniqueFd> silent;
  for (int i = 0; i < 5; ++i) silent.push_back(connect());
  const auto start = Clock::now();
  EXPECT_TRUE(exchange("{\"verb\":\"ps\"}\n").contains("ok"));
  EXPECT_LT(Clock::now() - start, kControlTimeout - 100ms);
  EXPECT_EQ(read_answer(silent.front().get()), "");  // end of stream
  EXPECT_GE(Clock::now() - start, kControlTimeout - 100ms);
  EXPECT_LT(Clock::now() - start, kControlTimeout + 5s);
}

TEST_F(Control, ACrowdOfSilentClientsStillLetsOneAsk) {
  std::vector<UniqueFd> silent;
  for (std::size_t i = 0; i < kMaxClients; ++i) silent.push_back(connect());
  EXPECT_TRUE(exchange("{\"verb\":\"ps\"}\n").contains("ok"));
}

TEST_F(Control, StopEndsTheThreadAndFreesTheName) {
  const UniqueFd waiting = connect();
  server_->stop();
  server_->stop();
  const auto supervisors = running_supervisors();
  EXPECT_EQ(std::ranges::find(supervisors, ::getpid()), supervisors.end());
  const auto answer = ask(::getpid(), {{"verb", "ps"}});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ESRCH);
  EXPECT_TRUE(ControlServer::start(guests_));
}

TEST_F(Control, ThereIsOneServerAProcess) {
  const auto second = ControlServer::start(guests_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, EADDRINUSE);
}

TEST_F(Control, AnotherUserIsRefused) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become another user";
  const pid_t child = ::fork();
  if (child == 0) {
    constexpr uid_t kNobody = 65534;
    if (::setresuid(kNobody, kNobody, kNobody) != 0) ::_exit(99);
    const auto answer = ask(::getppid(), {{"verb", "ps"}});
    ::_exit(answer ? 0 : answer.error().code);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), EACCES);
  EXPECT_EQ(guests_.asked, 0);
}

TEST(ControlClient, FindsListeningSupervisorsOnly) {
  EXPECT_EQ(parse_supervisors("Num       RefCount Protocol Flags    Type St Inode Path\n"
                              "0000000000000000: 00000002 00000000 00010000 0001 01  1142 @pagefold/77\n"
                              "0000000000000000: 00000002 00000000 00010000 0001 01  1143 @pagefold/8\n"
                              "0000000000000000: 00000003 00000000 00000000 0001 03  1144 @pagefold/9\n"
                              "0000000000000000: 00000002 00000000 00010000 0001 01  1145 /run/@pagefold/10\n"
                              "0000000000000000: 00000002 00000000 00010000 0001 01  1146 @pagefold/x\n"
                              "0000000000000000: 00000002 00000000 00010000 0001 01  1147 @pagefold/12x\n"
                              "0000000000000000: 00000002 00000000 00010000 0001 01  1148 @pagefold/-3\n"
                              "0000000000000000: 00000002 00000000 00010000 0001 01  1149\n"),
            (std::vector<pid_t>{8, 77}));
}

TEST(ControlClient, ASupervisorThatIsStoppedIsReportedInTime) {
  // In a network namespace of its own, so that nobody else on this machine meets the supervisor that never answers.
  if (::unshare(CLONE_NEWNET) != 0) GTEST_SKIP() << "needs a network namespace of its own";
  UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const ControlAddress name = control_address(::getpid());
  ASSERT_EQ(::bind(listener.get(), name.get(), name.length), 0);
  ASSERT_EQ(::listen(listener.get(), 4), 0);  // and never accepts
  const auto start = Clock::now();
  const auto answer = ask(::getpid(), {{"verb", "ps"}}, 200ms);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ETIMEDOUT);
  EXPECT_LT(Clock::now() - start, 2s);
}

}  // namespace
}  // namespace pagefold::view
