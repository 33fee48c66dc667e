#include "base/http/client.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "absl/strings/match.h"
#include "base/strings.h"
#include "tests/support/tls/server.h"

namespace deepseek::http {
namespace {

using testing_tls::Authority;
using testing_tls::Exchange;
using testing_tls::Identity;

constexpr char kLocal[] = "DNS:localhost,IP:127.0.0.1";
constexpr char kStreamHead[] =
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";

std::string Chunk(const std::string& bytes) {
  return StrCat(absl::Hex(bytes.size()), "\r\n", bytes, "\r\n");
}

class ClientTest : public ::testing::Test {
 protected:
  std::unique_ptr<Client> Connect(const std::string& url, ClientTls tls = {}) {
    if (tls.ca_pem.empty()) tls.ca_pem = authority_.ca_pem();
    auto client = NewClient(
        {.base_url = url, .tls = std::move(tls), .stream_idle_timeout = absl::Seconds(1)});
    EXPECT_TRUE(client.ok()) << client.status();
    return *std::move(client);
  }
  static Request Get(const std::string& target) {
    return {.method = "GET", .target = target, .headers = {}, .body = "", .peer = ""};
  }
  static Request Post(const std::string& target) {
    return {.method = "POST",
            .target = target,
            .headers = {{"Content-Type", "application/json"}},
            .body = "{\"a\":1}",
            .peer = ""};
  }
  static absl::StatusOr<Response> Send(Client& client) {
    return client.Send(Get("/x"), absl::Seconds(20));
  }
  static absl::StatusOr<Response> Stream(Client& client, std::string* out, size_t most = 1 << 20) {
    return client.Stream(
        Get("/watch"), absl::Seconds(20),
        [out, most](std::string_view piece) {
          StrAppend(out, piece);
          return out->size() < most;
        },
        [] { return false; });
  }

  Authority authority_;
  Identity identity_ = authority_.Issue("server", kLocal);
  std::atomic<int> connections_{0};
};

TEST_F(ClientTest, SendsWhatWasAskedAndReusesTheConnection) {
  std::mutex mutex;
  std::string request;
  testing_tls::Server server(identity_, "", [&](Exchange& x) {
    connections_ = x.connection;
    const std::lock_guard lock(mutex);
    request = x.request;
    return x.Answer(409, "{\"reason\":\"Conflict\"}");
  });
  const auto client = Connect(server.url());
  for (int i = 0; i < 10; ++i) {
    const auto response =
        client->Send({.method = "PATCH",
                      .target = "/apis/x%20y?force=true&a=b%2Cc",
                      .headers = {{"Content-Type", "application/apply-patch+yaml"},
                                  {"Authorization", "Bearer t"},
                                  {"User-Agent", "us/1"}},
                      .body = "{\"a\":1}",
                      .peer = ""},
                     absl::Seconds(20));
    ASSERT_TRUE(response.ok()) << response.status();
    EXPECT_EQ(response->status, 409);
    EXPECT_EQ(response->body, "{\"reason\":\"Conflict\"}");
    EXPECT_EQ(FindHeader(response->headers, "content-type"), "application/json");
  }
  EXPECT_EQ(connections_, 1);
  EXPECT_TRUE(absl::StartsWith(request, "PATCH /apis/x%20y?force=true&a=b%2Cc HTTP/1.1\r\n"))
      << request;
  EXPECT_TRUE(absl::StrContains(request, "Content-Type: application/apply-patch+yaml\r\n"));
  EXPECT_TRUE(absl::StrContains(request, "Authorization: Bearer t\r\n"));
  EXPECT_TRUE(absl::StrContains(request, "User-Agent: us/1\r\n")) << request;
  EXPECT_TRUE(absl::EndsWith(request, "\r\n\r\n{\"a\":1}"));
}

TEST_F(ClientTest, TrustsOnlyTheGivenRootAndTheRightName) {
  const auto answer = [](Exchange& x) { return x.Answer(200, "{}"); };
  testing_tls::Server server(identity_, "", answer);
  EXPECT_TRUE(Send(*Connect(server.url())).ok());
  EXPECT_TRUE(Send(*Connect(server.url("localhost"))).ok());
  const Authority other;
  EXPECT_TRUE(
      absl::IsUnavailable(Send(*Connect(server.url(), {.ca_pem = other.ca_pem()})).status()));

  testing_tls::Server wrong(authority_.Issue("server", "DNS:api.example"), "", answer);
  EXPECT_TRUE(absl::IsUnavailable(Send(*Connect(wrong.url())).status()));
  EXPECT_TRUE(Send(*Connect(wrong.url(), {.server_name = "api.example"})).ok());
  EXPECT_FALSE(Send(*Connect(wrong.url(), {.server_name = "other.example"})).ok());

  testing_tls::Server expired(authority_.Issue("server", kLocal, /*expired=*/true), "", answer);
  EXPECT_TRUE(absl::IsUnavailable(Send(*Connect(expired.url())).status()));
}

TEST_F(ClientTest, PresentsItsCertificate) {
  const Authority clients;
  const Identity admin = clients.Issue("admin", "");
  testing_tls::Server server(identity_, clients.ca_pem(),
                             [](Exchange& x) { return x.Answer(200, x.client_name); });
  const auto response =
      Send(*Connect(server.url(), {.cert_pem = admin.cert_pem, .key_pem = admin.key_pem}));
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->body, "admin");
  EXPECT_FALSE(Send(*Connect(server.url())).ok());
}

TEST_F(ClientTest, ADeadlineEndsTheCall) {
  testing_tls::Server server(identity_, "", [](Exchange& x) {
    x.WaitForEnd();  // the client hangs up when it gives up
    return false;
  });
  const auto client = Connect(server.url());
  EXPECT_TRUE(absl::IsDeadlineExceeded(client->Send(Get("/x"), absl::Milliseconds(200)).status()));
  EXPECT_TRUE(absl::IsDeadlineExceeded(client->Send(Get("/x"), absl::ZeroDuration()).status()));
}

// The lease that bounds a write is measured by this clock. The wall clock may be set back
// meanwhile.
TEST_F(ClientTest, DeadlinesAreByAClockThatOnlyGoesForward) {
  const ClientOptions options{.base_url = "https://127.0.0.1:1"};
  const auto* const now = options.now.target<absl::Time (*)()>();
  ASSERT_NE(now, nullptr);
  EXPECT_EQ(*now, &MonotonicNow);
}

TEST_F(ClientTest, NoOtherClockThanTheGivenOneEndsACall) {
  std::atomic<int> hours{0};
  testing_tls::Server server(identity_, "", [&](Exchange& x) {
    hours += 2;
    x.Say("HTTP/1.1 200 OK\r\n");  // what comes makes the client look at its clock
    x.WaitForEnd();
    return false;
  });
  const auto client = *NewClient(
      {.base_url = server.url(), .tls = {.ca_pem = authority_.ca_pem()}, .now = [&hours] {
         return absl::UnixEpoch() + absl::Hours(hours.load());
       }});
  const auto late = [](const absl::StatusOr<Response>& answer) {
    return absl::IsDeadlineExceeded(answer.status());
  };
  EXPECT_TRUE(late(client->Send(Get("/x"), absl::Hours(1))));
  EXPECT_TRUE(late(client->Stream(
      Get("/x"), absl::Hours(1), [](std::string_view) { return true; }, [] { return false; })));

  // A clock that stands still ends nothing, however long it takes.
  testing_tls::Server slow(identity_, "", [](Exchange& x) {
    const absl::Time begin = MonotonicNow();
    while (MonotonicNow() - begin < absl::Milliseconds(5)) std::this_thread::yield();
    return x.Answer(200, "{}");
  });
  const auto patient =
      *NewClient({.base_url = slow.url(), .tls = {.ca_pem = authority_.ca_pem()}, .now = [] {
                    return absl::UnixEpoch();
                  }});
  EXPECT_TRUE(patient->Send(Get("/x"), absl::Milliseconds(1)).ok());
}

TEST_F(ClientTest, AConnectionThatWasClosedInThePoolIsReplaced) {
  testing_tls::Server server(identity_, "", [&](Exchange& x) {
    connections_ = x.connection;
    x.Answer(200, "{}");
    return false;  // closes without having said so in the answer
  });
  const auto client = Connect(server.url());
  for (int i = 0; i < 20; ++i) {
    const auto response = client->Send(Post("/x"), absl::Seconds(20));
    ASSERT_TRUE(response.ok()) << i << ": " << response.status();
  }
  EXPECT_EQ(connections_, 20);
}

TEST_F(ClientTest, ARequestThatMayHaveTakenEffectIsRepeatedOnlyWhereThatIsSafe) {
  std::atomic<int> asked{0};
  testing_tls::Server server(identity_, "", [&](Exchange& x) {
    ++asked;
    connections_ = x.connection;
    // The second request of the first connection is read, and never answered.
    return asked == 2 ? x.Cut() : x.Answer(200, "{}");
  });
  const auto client = Connect(server.url());
  ASSERT_TRUE(Send(*client).ok());
  EXPECT_TRUE(absl::IsUnavailable(client->Send(Post("/x"), absl::Seconds(20)).status()));
  EXPECT_EQ(asked, 2);

  asked = 0;
  ASSERT_TRUE(Send(*client).ok());
  EXPECT_TRUE(Send(*client).ok());
  EXPECT_EQ(asked, 3);
  EXPECT_EQ(connections_, 3);
}

TEST_F(ClientTest, AnAnswerThatEndsEarlyIsUnavailable) {
  testing_tls::Server server(identity_, "", [&](Exchange& x) {
    x.Say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345");
    return false;
  });
  EXPECT_TRUE(absl::IsUnavailable(Send(*Connect(server.url())).status()));
}

TEST_F(ClientTest, ThePathOfTheUrlGoesBeforeEveryTarget) {
  std::string line;
  testing_tls::Server server(identity_, "", [&](Exchange& x) {
    line = x.request.substr(0, x.request.find('\r'));
    return x.Answer(200, "{}");
  });
  EXPECT_TRUE(Send(*Connect(server.url() + "/k8s/clusters/c1/")).ok());
  EXPECT_EQ(line, "GET /k8s/clusters/c1/x HTTP/1.1");
}

TEST_F(ClientTest, NobodyThereIsUnavailable) {
  int port = 0;
  {
    testing_tls::Server server(identity_, "", [](Exchange&) { return false; });
    port = server.port();
  }
  EXPECT_TRUE(absl::IsUnavailable(Send(*Connect(StrCat("https://127.0.0.1:", port))).status()));
}

TEST_F(ClientTest, StreamsAsBytesComeAndStopsWhenToldTo) {
  std::mutex mutex;
  std::condition_variable changed;
  bool seen = false, ended = false;
  testing_tls::Server server(identity_, "", [&](Exchange& x) {
    x.Say(kStreamHead);
    x.Say(Chunk("{\"n\":1}\n"));
    {
      // The second event is sent only after the first one has reached the caller.
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return seen; });
    }
    x.Say(Chunk("{\"n\":2}\n"));
    x.WaitForEnd();
    const std::lock_guard lock(mutex);
    ended = true;
    changed.notify_all();
    return false;
  });
  const auto client = Connect(server.url());
  std::string got;
  const auto response = client->Stream(
      Get("/watch"), absl::Seconds(20),
      [&](std::string_view piece) {
        StrAppend(&got, piece);
        const std::lock_guard lock(mutex);
        seen = true;
        changed.notify_all();
        return true;
      },
      [&] { return got.size() >= 16; });
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(got, "{\"n\":1}\n{\"n\":2}\n");
  std::unique_lock lock(mutex);
  EXPECT_TRUE(changed.wait_for(lock, std::chrono::seconds(20), [&] { return ended; }))
      << "the connection of a stopped stream stays open";
}

// Connections are made, and nobody ever speaks.
class SilentListener {
 public:
  SilentListener() {
    const sockaddr_in any{.sin_family = AF_INET,
                          .sin_port = 0,
                          .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)},
                          .sin_zero = {}};
    sockaddr_in address = any;
    socklen_t size = sizeof(address);
    auto* const at = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(bind(fd_, at, size), 0);
    EXPECT_EQ(listen(fd_, 8), 0);
    EXPECT_EQ(getsockname(fd_, at, &size), 0);
    port_ = ntohs(address.sin_port);
  }
  ~SilentListener() { close(fd_); }
  std::string url() const { return StrCat("https://127.0.0.1:", port_); }

 private:
  const int fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int port_ = 0;
};

TEST_F(ClientTest, AStreamIsStoppedWhileItsConnectionIsMade) {
  const SilentListener listener;
  const auto response = Connect(listener.url())
                            ->Stream(
                                Get("/watch"), absl::Hours(1),
                                [](std::string_view) { return true; }, [] { return true; });
  EXPECT_TRUE(response.ok()) << response.status();
  EXPECT_TRUE(absl::IsDeadlineExceeded(
      Connect(listener.url())->Send(Get("/x"), absl::Milliseconds(50)).status()));
}

TEST_F(ClientTest, AllStreamsEndTogether) {
  testing_tls::Server server(identity_, "", [&](Exchange& x) {
    x.Say(kStreamHead);
    x.Say(Chunk("1"));
    x.WaitForEnd();
    return false;
  });
  const auto end = std::make_shared<StopSignal>();
  const auto client = *NewClient(
      {.base_url = server.url(), .tls = {.ca_pem = authority_.ca_pem()}, .streams_end = end});
  std::atomic<int> begun{0};
  const auto stream = [&] {
    const auto response = client->Stream(
        Get("/watch"), absl::Hours(1),
        [&](std::string_view) {
          ++begun;
          return true;
        },
        [] { return false; });
    EXPECT_TRUE(response.ok()) << response.status();
  };
  std::thread first(stream), second(stream);
  while (begun < 2) std::this_thread::yield();
  end->Set();
  first.join();
  second.join();
  stream();  // and none begins any more
  EXPECT_EQ(begun, 2);
}

TEST_F(ClientTest, AStreamThatEndsIsOkAndOneThatIsCutIsNot) {
  std::atomic<bool> cut{false};
  testing_tls::Server server(identity_, "", [&](Exchange& x) {
    x.Say(kStreamHead);
    x.Say(Chunk("abc"));
    if (!cut) x.Say("0\r\n\r\n");
    return false;
  });
  const auto client = Connect(server.url());
  std::string got;
  EXPECT_TRUE(Stream(*client, &got).ok());
  EXPECT_EQ(got, "abc");
  cut = true;
  EXPECT_FALSE(Stream(*client, &got).ok());
  EXPECT_EQ(got, "abcabc");
}

TEST_F(ClientTest, ASilentStreamIsGivenUp) {
  testing_tls::Server server(identity_, "", [&](Exchange& x) {
    x.Say(kStreamHead);
    x.Say(Chunk("abc"));
    x.WaitForEnd();
    return false;
  });
  std::string got;
  EXPECT_FALSE(Stream(*Connect(server.url()), &got).ok());
  EXPECT_EQ(got, "abc");
}

TEST_F(ClientTest, APeerThatNeverPausesIsLeftAtTheDeadlineAndWhenTold) {
  testing_tls::Server server(identity_, "", [](Exchange& x) {
    x.Say(kStreamHead);
    const std::string chunk = Chunk(std::string(size_t{16} << 10, 'x'));
    while (x.Say(chunk)) {
    }
    return false;
  });
  const auto client = Connect(server.url());
  const absl::Status late = client->Send(Get("/x"), absl::Milliseconds(100)).status();
  EXPECT_TRUE(absl::IsDeadlineExceeded(late)) << late;
  const auto all = [](std::string_view) { return true; };
  const absl::Status cut =
      client->Stream(Get("/x"), absl::Milliseconds(100), all, [] { return false; }).status();
  EXPECT_TRUE(absl::IsDeadlineExceeded(cut)) << cut;
  std::atomic<int> pieces{0};
  const auto stopped = client->Stream(
      Get("/x"), absl::Hours(1), [&](std::string_view) { return ++pieces > 0; },
      [&] { return pieces > 3; });
  EXPECT_TRUE(stopped.ok()) << stopped.status();
}

TEST_F(ClientTest, ARefusedStreamIsReturnedWhole) {
  testing_tls::Server server(identity_, "",
                             [&](Exchange& x) { return x.Answer(410, "{\"code\":410}"); });
  std::string got;
  const auto response = Stream(*Connect(server.url()), &got);
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->status, 410);
  EXPECT_EQ(response->body, "{\"code\":410}");
  EXPECT_EQ(got, "");
}

TEST_F(ClientTest, LargeAnswersArriveWhole) {
  std::string body(5 << 20, 'x');
  for (size_t i = 0; i < body.size(); i += 97) body[i] = static_cast<char>('a' + i % 26);
  testing_tls::Server server(identity_, "", [&](Exchange& x) {
    if (x.request.starts_with("GET /x")) return x.Answer(200, body);
    x.Say(kStreamHead);
    for (size_t i = 0; i < body.size(); i += 100'000) x.Say(Chunk(body.substr(i, 100'000)));
    x.Say("0\r\n\r\n");
    return false;
  });
  const auto client = Connect(server.url());
  EXPECT_TRUE(Send(*client)->body == body);
  std::string got;
  EXPECT_TRUE(Stream(*client, &got, size_t{1} << 30).ok());
  EXPECT_TRUE(got == body);
}

TEST_F(ClientTest, WrongMaterialIsRefusedBeforeAnyCall) {
  const Identity a = authority_.Issue("a", ""), b = authority_.Issue("b", "");
  const std::string url = "https://127.0.0.1:1";
  const auto refused = [&](const std::string& base, ClientTls tls) {
    return absl::IsInvalidArgument(NewClient({.base_url = base, .tls = std::move(tls)}).status());
  };
  EXPECT_TRUE(refused("ftp://x", {}));
  EXPECT_TRUE(refused("", {}));
  EXPECT_TRUE(refused("https://", {}));
  EXPECT_TRUE(refused("https://127.0.0.1:65536", {}));
  EXPECT_TRUE(refused(url, {.ca_pem = "no certificate"}));
  EXPECT_TRUE(refused(url, {.cert_pem = a.cert_pem}));
  EXPECT_TRUE(refused(url, {.key_pem = a.key_pem}));
  EXPECT_TRUE(refused(url, {.cert_pem = a.cert_pem, .key_pem = b.key_pem}));
  EXPECT_TRUE(refused(url, {.cert_pem = "x", .key_pem = a.key_pem}));
  EXPECT_FALSE(refused(url, {.cert_pem = a.cert_pem, .key_pem = a.key_pem}));
}

}  // namespace
}  // namespace deepseek::http
