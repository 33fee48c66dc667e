#include "base/http/server.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "absl/time/clock.h"
#include "base/strings.h"
#include "tests/support/http/raw_client.h"

namespace deepseek::http {
namespace {

using testing::RawClient;
using testing::RawResponse;

using Function = std::function<void(Request, std::shared_ptr<ResponseWriter>)>;

class FunctionHandler : public Handler {
 public:
  explicit FunctionHandler(Function f) : f_(std::move(f)) {}
  void Handle(Request request, std::shared_ptr<ResponseWriter> writer) override {
    f_(std::move(request), std::move(writer));
  }

 private:
  Function f_;
};

/// A thing that happens on another thread.
class Event {
 public:
  void Set() {
    const std::lock_guard lock(mutex_);
    set_ = true;
    changed_.notify_all();
  }
  bool Wait() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(20), [this] { return set_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool set_ = false;
};

class ServerTest : public ::testing::Test {
 protected:
  void Start(Function f, ServerLimits limits = {},
             std::function<std::optional<Response>(const Request&)> admit = nullptr) {
    handler_ = std::make_unique<FunctionHandler>(std::move(f));
    ServerOptions options;
    options.addresses = {"127.0.0.1:0"};
    options.limits = limits;
    options.admit = std::move(admit);
    auto server = StartServer(options, *handler_);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    address_ = server_->addresses().front();
  }

  static void Echo(Request request, std::shared_ptr<ResponseWriter> writer) {
    writer->Send(
        {200, "text/plain", {}, StrCat(request.method, " ", request.target, " ", request.body)});
  }

  std::unique_ptr<FunctionHandler> handler_;
  std::unique_ptr<Server> server_;
  std::string address_;
};

TEST_F(ServerTest, AnswersAndKeepsTheConnection) {
  Start(Echo);
  RawClient client(address_);
  for (int i = 0; i < 3; ++i) {
    client.Post("/a?b=c", StrCat("body", i));
    const RawResponse response = client.Read();
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body, StrCat("POST /a?b=c body", i));
    EXPECT_FALSE(response.headers.contains("connection"));
  }
}

TEST_F(ServerTest, PipelinedRequestsAreAnsweredInOrder) {
  Start(Echo);
  RawClient client(address_);
  std::string burst;
  for (int i = 0; i < 50; ++i) StrAppend(&burst, "GET /", i, " HTTP/1.1\r\nHost: x\r\n\r\n");
  client.Send(burst);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(client.Read().body, StrCat("GET /", i, " "));
}

TEST_F(ServerTest, HeadersArriveAndNamesIgnoreCase) {
  Start([](Request request, std::shared_ptr<ResponseWriter> writer) {
    writer->Send({200, "text/plain", {{"x-request-id", "7"}}, std::string(request.Get("X-THING"))});
  });
  RawClient client(address_);
  client.Send("GET / HTTP/1.1\r\nHost: x\r\nx-thing: yes\r\n\r\n");
  const RawResponse response = client.Read();
  EXPECT_EQ(response.body, "yes");
  EXPECT_EQ(response.headers.at("x-request-id"), "7");
}

TEST_F(ServerTest, HeadHasNoBody) {
  Start(Echo);
  RawClient client(address_);
  client.Send("HEAD / HTTP/1.1\r\nHost: x\r\n\r\nGET /next HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(client.WaitFor("GET /next"));
  EXPECT_EQ(client.received().find("HEAD /"), std::string::npos);
}

TEST_F(ServerTest, ChunkedBodiesAreRead) {
  Start(Echo);
  RawClient client(address_);
  client.Send(
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
      "chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
  EXPECT_EQ(client.Read().body, "POST / abcde");
}

TEST_F(ServerTest, HundredMegabytesAreRefusedByTheirLengthAndTheConnectionEndsCleanly) {
  std::atomic<int> handled = 0;
  Start([&](Request, std::shared_ptr<ResponseWriter>) { ++handled; });
  RawClient client(address_);
  const size_t size = size_t{100} << 20;
  ASSERT_TRUE(
      client.Send(StrCat("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ", size, "\r\n\r\n")));
  const std::string piece(size_t{1} << 20, 'x');
  for (size_t sent = 0; sent < size; sent += piece.size()) ASSERT_TRUE(client.Send(piece));
  const RawResponse response = client.Read();
  EXPECT_EQ(response.status, 413);
  EXPECT_TRUE(response.complete);
  EXPECT_EQ(response.headers.at("connection"), "close");
  EXPECT_TRUE(client.ClosedByPeer());
  EXPECT_EQ(handled, 0);
}

TEST_F(ServerTest, EndlessChunksAreRefused) {
  Start(Echo, {.body_bytes = 1000});
  RawClient client(address_);
  client.Send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < 20; ++i) client.Send(StrCat("64\r\n", std::string(100, 'x'), "\r\n"));
  EXPECT_EQ(client.Read().status, 413);
}

TEST_F(ServerTest, EndlessChunkExtensionsAndTrailersAreRefused) {
  std::atomic<int> handled = 0;
  Start([&](Request, std::shared_ptr<ResponseWriter>) { ++handled; });
  std::string trailers;
  for (int i = 0; i < 1000; ++i) trailers += "T: x\r\n";
  for (const auto& [begin, piece] :
       {std::pair{"1;", std::string(6000, 'a')}, std::pair{"1\r\nx\r\n0\r\n", trailers},
        std::pair{"0;", std::string(6000, 'a')}}) {
    RawClient client(address_);
    client.Send("GET /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.Send(begin);
    for (int i = 0; i < 100; ++i) ASSERT_TRUE(client.Send(piece));
    RawResponse response = client.Read(absl::Seconds(5));
    EXPECT_EQ(response.status, 431) << begin;
    EXPECT_EQ(response.headers["connection"], "close");
    EXPECT_TRUE(client.ClosedByPeer());
  }
  EXPECT_EQ(handled, 0);
}

TEST_F(ServerTest, ShortChunkExtensionsAndTrailersAreDropped) {
  Start(Echo);
  RawClient client(address_);
  client.Send(
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
      "1;a=b\r\nx\r\n0\r\nT: y\r\n\r\n");
  EXPECT_EQ(client.Read().body, "POST / x");
}

TEST_F(ServerTest, TrailersAreNoHeaders) {
  Start([](Request request, std::shared_ptr<ResponseWriter> writer) {
    writer->Send({200, "text/plain", {}, StrCat("id ", request.Get("x-request-id"))});
  });
  RawClient client(address_);
  for (int i = 0; i < 2; ++i) {
    client.Send(
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        "0\r\nX-Request-Id: 7\r\nConnection: close\r\n\r\n");
    RawResponse response = client.Read();
    EXPECT_EQ(response.body, "id ");
    EXPECT_FALSE(response.headers.contains("connection"));
  }
}

TEST_F(ServerTest, ExpectContinueIsAnswered) {
  Start(Echo);
  RawClient client(address_);
  client.Send("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  ASSERT_TRUE(client.WaitFor("100 Continue"));
  client.Send("hi");
  EXPECT_EQ(client.Read().body, "POST / hi");
}

TEST_F(ServerTest, OldClientsAreNotAskedToContinue) {
  Start(Echo);
  RawClient client(address_);
  client.Send("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_FALSE(client.WaitFor("100 Continue", absl::Milliseconds(100)));
  client.Send("hi");
  EXPECT_EQ(client.Read().body, "POST / hi");
}

TEST_F(ServerTest, OneHostIsNeeded) {
  Start(Echo);
  for (const auto& [request, status] :
       {std::pair{"GET / HTTP/1.1\r\n\r\n", 400},
        std::pair{"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
        std::pair{"GET / HTTP/1.1\r\nHost:\r\n\r\n", 200},
        std::pair{"GET / HTTP/1.0\r\n\r\n", 200}}) {
    RawClient client(address_);
    client.Send(request);
    EXPECT_EQ(client.Read().status, status) << request;
  }
}

TEST_F(ServerTest, AnAnswerWithoutContentHasNoLength) {
  Start([](Request, std::shared_ptr<ResponseWriter> writer) { writer->Send({204, "", {}, ""}); });
  RawClient client(address_);
  client.Get("/");
  ASSERT_TRUE(client.WaitFor("\r\n\r\n"));
  EXPECT_EQ(client.received().find("Content-Length"), std::string::npos) << client.received();
}

TEST_F(ServerTest, CompressedBodiesAreRefusedByName) {
  Start(Echo);
  RawClient client(address_);
  client.Post("/", "x", "Content-Encoding: gzip\r\n");
  const RawResponse refused = client.Read();
  EXPECT_EQ(refused.status, 415);
  EXPECT_NE(refused.body.find("Content-Encoding"), std::string::npos) << refused.body;
  RawClient plain(address_);
  plain.Post("/", "x", "Content-Encoding: Identity\r\n");
  EXPECT_EQ(plain.Read().status, 200);
}

TEST_F(ServerTest, TooLargeHeadersAreRefused) {
  Start(Echo);
  RawClient client(address_);
  client.Send(StrCat("GET / HTTP/1.1\r\nHost: x\r\nA: ", std::string(20000, 'a'), "\r\n\r\n"));
  EXPECT_EQ(client.Read().status, 431);
}

TEST_F(ServerTest, WhoIsNotAdmittedIsToldBeforeTheBodyIsRead) {
  const auto admit = [](const Request& head) -> std::optional<Response> {
    EXPECT_TRUE(head.body.empty());
    if (head.Get("x-who") == "friend") return std::nullopt;
    return Response{401, "text/plain", {{"WWW-Authenticate", "Bearer"}}, "no"};
  };
  Start(Echo, {}, admit);
  RawClient stranger(address_);
  // Nothing of the announced body is ever sent.
  stranger.Send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 8000000\r\n\r\n");
  const RawResponse refused = stranger.Read();
  EXPECT_EQ(refused.status, 401);
  EXPECT_EQ(refused.body, "no");
  EXPECT_EQ(refused.headers.at("www-authenticate"), "Bearer");
  EXPECT_EQ(refused.headers.at("connection"), "close");
  EXPECT_TRUE(stranger.ClosedByPeer());
  RawClient expecting(address_);
  expecting.Send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(expecting.Read().status, 401) << "it is not even asked to go on";
  RawClient friendly(address_);
  friendly.Post("/", "hello", "X-Who: friend\r\n");
  EXPECT_EQ(friendly.Read().body, "POST / hello");
}

TEST_F(ServerTest, NonsenseIsRefused) {
  Start(Echo);
  for (const char* bytes :
       {"\x16\x03\x01\x02\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"}) {
    RawClient client(address_);
    client.Send(bytes);
    EXPECT_EQ(client.Read().status, 400) << bytes;
    EXPECT_TRUE(client.ClosedByPeer());
  }
}

TEST_F(ServerTest, ABodyWhoseEndIsUnclearIsNoSecondRequest) {
  std::atomic<int> handled = 0;
  Start([&](Request request, std::shared_ptr<ResponseWriter> writer) {
    ++handled;
    Echo(std::move(request), std::move(writer));
  });
  struct Case {
    const char* line;
    const char* headers;
    int status;
  };
  for (const Case& c :
       {Case{"HTTP/1.1", "Transfer-Encoding: gzip\r\n", 501},
        Case{"HTTP/1.1", "Transfer-Encoding: identity\r\n", 501},
        Case{"HTTP/1.1", "Transfer-Encoding: xchunked\r\n", 501},
        Case{"HTTP/1.1", "Transfer-Encoding: \"chunked\"\r\n", 501},
        Case{"HTTP/1.1", "Transfer-Encoding: chunked;q=1\r\n", 501},
        Case{"HTTP/1.1", "Transfer-Encoding:\r\n", 501},
        Case{"HTTP/1.1", "Transfer-Encoding: gzip, chunked\r\n", 501},
        Case{"HTTP/1.1", "Transfer-Encoding: gzip\r\ntransfer-encoding: chunked\r\n", 501},
        Case{"HTTP/1.1", "Transfer-Encoding: chunked, gzip\r\n", 400},
        Case{"HTTP/1.1", "Transfer-Encoding: chunked, chunked\r\n", 400},
        Case{"HTTP/1.1", "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n", 400},
        Case{"HTTP/1.1", "Transfer-Encoding: gzip\r\nContent-Length: 5\r\n", 400},
        Case{"HTTP/1.0", "Transfer-Encoding: chunked\r\n", 400}}) {
    RawClient client(address_);
    client.Send(StrCat("POST /first ", c.line, "\r\nHost: x\r\n", c.headers,
                       "\r\n0\r\n\r\nGET /second HTTP/1.1\r\nHost: x\r\n\r\n"));
    const RawResponse response = client.Read();
    EXPECT_EQ(response.status, c.status) << c.headers;
    EXPECT_TRUE(client.ClosedByPeer());
    EXPECT_EQ(client.received().find("second"), std::string::npos) << c.headers;
  }
  EXPECT_EQ(handled, 0);
  RawClient fair(address_);
  fair.Send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked \r\n\r\n0\r\n\r\n");
  EXPECT_EQ(fair.Read().status, 200);
}

TEST_F(ServerTest, SlowHeadersAndSilentConnectionsAreClosed) {
  Start(Echo, {.header_timeout = absl::Milliseconds(200)});
  RawClient slow(address_), silent(address_);
  slow.Send("GET / HT");
  EXPECT_EQ(slow.Read().status, 408);
  EXPECT_TRUE(silent.ClosedByPeer());
}

TEST_F(ServerTest, SlowBodiesAndIdleConnectionsAreClosed) {
  Start(Echo, {.body_timeout = absl::Milliseconds(200), .idle_timeout = absl::Milliseconds(200)});
  RawClient slow(address_), idle(address_);
  slow.Send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
  EXPECT_EQ(slow.Read().status, 408);
  idle.Get("/");
  EXPECT_EQ(idle.Read().status, 200);
  EXPECT_TRUE(idle.ClosedByPeer());
}

TEST_F(ServerTest, ClientsThatSendByteByByteAreClosedAndOthersServed) {
  ServerLimits limits;
  limits.header_timeout = limits.body_timeout = limits.linger = absl::Milliseconds(300);
  Start(Echo, limits);
  std::vector<std::unique_ptr<RawClient>> slow;
  for (int i = 0; i < 200; ++i) {
    slow.push_back(std::make_unique<RawClient>(address_));
    slow.back()->Send(i % 2 == 0 ? "POST / HTTP/1.1\r\nHost: x\r\nX-Slow: "
                                 : "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n");
  }
  // A byte of each between two answers to an honest one, until the server has ended all of them.
  const absl::Time deadline = absl::Now() + absl::Seconds(20);
  while (server_->connections() > 1 && absl::Now() < deadline) {
    RawClient honest(address_);
    honest.Post("/", "hello");
    ASSERT_EQ(honest.Read().body, "POST / hello");
    for (const auto& client : slow) client->Send("x");  // to a closed one in vain
  }
  for (const auto& client : slow) EXPECT_TRUE(client->ClosedByPeer());
}

TEST_F(ServerTest, StreamsPieces) {
  Start([](Request, std::shared_ptr<ResponseWriter> writer) {
    std::thread([writer] {
      writer->Start({200, "text/event-stream", {}, "first,"});
      for (int i = 0; i < 100; ++i) EXPECT_TRUE(writer->Write(StrCat(i, ",")));
      writer->Finish();
      EXPECT_FALSE(writer->Write("late"));
    }).join();
  });
  std::string want = "first,";
  for (int i = 0; i < 100; ++i) StrAppend(&want, i, ",");
  RawClient client(address_);
  for (int round = 0; round < 2; ++round) {
    client.Get("/");
    const RawResponse response = client.Read();
    EXPECT_TRUE(response.complete);
    EXPECT_EQ(response.body, want);
  }
  RawClient old(address_);  // HTTP/1.0 knows no chunks
  old.Send("GET / HTTP/1.0\r\n\r\n");
  EXPECT_EQ(old.Read().body, want);
}

TEST_F(ServerTest, AGoneClientIsNoticed) {
  for (const bool reset : {false, true}) {
    Event handling, gone;
    std::shared_ptr<ResponseWriter> kept;
    Start([&](Request, std::shared_ptr<ResponseWriter> writer) {
      writer->OnGone([&] { gone.Set(); });
      kept = std::move(writer);
      handling.Set();
    });
    RawClient client(address_);
    client.Get("/");
    ASSERT_TRUE(handling.Wait());
    reset ? client.Reset() : client.Close();
    EXPECT_TRUE(gone.Wait());
    EXPECT_FALSE(kept->Write("x"));
    kept.reset();
    server_.reset();
  }
}

TEST_F(ServerTest, AClientGoneBehindPipelinedBytesIsNoticed) {
  for (const bool reset : {false, true}) {
    Event handling, gone;
    std::shared_ptr<ResponseWriter> kept;
    Start([&](Request, std::shared_ptr<ResponseWriter> writer) {
      writer->OnGone([&] { gone.Set(); });
      kept = std::move(writer);
      handling.Set();
    });
    RawClient client(address_);
    client.Get("/");
    ASSERT_TRUE(handling.Wait());
    client.Send(StrCat("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n",
                       std::string(100000, 'x')));
    reset ? client.Reset() : client.Close();
    EXPECT_TRUE(gone.Wait());
    kept.reset();
    server_.reset();
  }
}

TEST_F(ServerTest, ALargePipelinedRequestIsAnswered) {
  Event finish;
  Start([&](Request request, std::shared_ptr<ResponseWriter> writer) {
    if (request.path() == "/slow") finish.Wait();
    writer->Send({200, "text/plain", {}, StrCat(request.body.size())});
  });
  RawClient client(address_);
  client.Get("/slow");
  client.Post("/", std::string(100000, 'x'));
  finish.Set();
  EXPECT_EQ(client.Read().body, "0");
  EXPECT_EQ(client.Read().body, "100000");
}

TEST_F(ServerTest, AHalfClosedClientStillGetsAWholeAnswer) {
  Start(Echo);
  RawClient client(address_);
  client.Get("/half");
  client.HalfClose();
  EXPECT_EQ(client.Read().body, "GET /half ");
  EXPECT_TRUE(client.ClosedByPeer());
}

TEST_F(ServerTest, WhoDoesNotReadIsCutOff) {
  Event gone;
  std::atomic<size_t> taken = 0;
  Start(
      [&](Request, std::shared_ptr<ResponseWriter> writer) {
        writer->OnGone([&] { gone.Set(); });
        writer->Start({200, "text/plain", {}, ""});
        const std::string piece(size_t{64} << 10, 'x');
        while (writer->Write(piece)) taken += piece.size();
      },
      {.max_buffered_bytes = size_t{256} << 10});
  RawClient client(address_);
  client.Get("/");
  EXPECT_TRUE(gone.Wait());
  server_.reset();
  EXPECT_LT(taken, size_t{64} << 20);
}

TEST_F(ServerTest, AStuckWriteTimesOut) {
  Event gone;
  Start(
      [&](Request, std::shared_ptr<ResponseWriter> writer) {
        writer->OnGone([&] { gone.Set(); });
        writer->Start({200, "text/plain", {}, std::string(size_t{32} << 20, 'x')});
        gone.Wait();  // holds the writer
      },
      {.write_timeout = absl::Milliseconds(200)});
  RawClient client(address_);
  client.Get("/");
  EXPECT_TRUE(gone.Wait());
  server_.reset();
}

TEST_F(ServerTest, AForgottenAnswerIsAnError) {
  Start([](Request request, std::shared_ptr<ResponseWriter> writer) {
    if (request.path() == "/stream") writer->Start({200, "text/plain", {}, "part"});
  });
  EXPECT_EQ(testing::HttpGet(address_, "/").status, 500);
  const RawResponse cut = testing::HttpGet(address_, "/stream");
  EXPECT_EQ(cut.status, 200);
  EXPECT_FALSE(cut.complete);
}

TEST_F(ServerTest, AHandlerThatThrowsFailsItsRequestOnly) {
  Start([](Request request, std::shared_ptr<ResponseWriter> writer) {
    if (request.path() == "/stream") writer->Start({200, "text/plain", {}, "part"});
    if (request.path() != "/fine") throw std::out_of_range("the user's text");
    Echo(std::move(request), std::move(writer));
  });
  ::testing::internal::CaptureStderr();
  RawClient client(address_);
  client.Send("GET / HTTP/1.1\r\nHost: x\r\nX-Request-Id: r-17\r\n\r\n");
  RawResponse failed = client.Read();
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(failed.status, 500);
  EXPECT_EQ(failed.body, "the server failed to answer this request\n");
  EXPECT_EQ(failed.headers["connection"], "close");
  EXPECT_TRUE(client.ClosedByPeer());
  EXPECT_NE(log.find("r-17"), std::string::npos) << log;
  EXPECT_NE(log.find("std::out_of_range"), std::string::npos) << log;
  EXPECT_EQ(log.find("the user's text"), std::string::npos) << log;
  EXPECT_FALSE(testing::HttpGet(address_, "/stream").complete);
  EXPECT_EQ(testing::HttpGet(address_, "/fine").status, 200);
}

TEST_F(ServerTest, TooManyConnectionsAreToldSo) {
  Start(Echo, {.max_connections = 2});
  RawClient a(address_), b(address_);
  a.Get("/");
  b.Get("/");
  EXPECT_EQ(a.Read().status, 200);
  EXPECT_EQ(b.Read().status, 200);
  RawClient c(address_);
  EXPECT_EQ(c.Read().status, 503);
  a.Get("/still");
  EXPECT_EQ(a.Read().status, 200);
}

TEST_F(ServerTest, ClosingServerSaysSoInItsAnswers) {
  Start(Echo);
  RawClient client(address_);
  client.Get("/");
  EXPECT_FALSE(client.Read().headers.contains("connection"));
  server_->CloseAfterResponse();
  client.Get("/");
  EXPECT_EQ(client.Read().headers.at("connection"), "close");
  EXPECT_TRUE(client.ClosedByPeer());
  EXPECT_EQ(testing::HttpGet(address_, "/new").status, 200);
}

TEST_F(ServerTest, StopLetsStreamsFinish) {
  Event started, finish;
  Start([&](Request, std::shared_ptr<ResponseWriter> writer) {
    writer->Start({200, "text/plain", {}, "a"});
    started.Set();
    finish.Wait();
    writer->Write("b");
    writer->Finish();
  });
  RawClient client(address_);
  client.Get("/");
  ASSERT_TRUE(started.Wait());
  int cut = -1;
  std::thread stopper([&] { cut = server_->Stop(absl::Now() + absl::Seconds(20)); });
  RawClient late(address_);  // either refused by the kernel or never answered
  finish.Set();
  EXPECT_EQ(client.Read().body, "ab");
  client.Close();
  stopper.join();
  EXPECT_EQ(cut, 0);
  server_.reset();
}

TEST_F(ServerTest, StopCutsAtTheDeadlineAndCounts) {
  Event started, gone;
  std::shared_ptr<ResponseWriter> kept;
  Start([&](Request, std::shared_ptr<ResponseWriter> writer) {
    writer->OnGone([&] { gone.Set(); });
    writer->Start({200, "text/plain", {}, "a"});
    kept = std::move(writer);
    started.Set();
  });
  RawClient client(address_), idle(address_);
  client.Get("/");
  ASSERT_TRUE(started.Wait());
  EXPECT_EQ(server_->Stop(absl::Now() + absl::Milliseconds(50)), 1);
  EXPECT_TRUE(gone.Wait());
  EXPECT_TRUE(idle.ClosedByPeer());
  server_.reset();
  EXPECT_FALSE(kept->Write("after the server's end"));
}

TEST(Path, IsTheTargetWithoutQuerySchemeAndAuthority) {
  for (const auto& [target, path] :
       {std::pair{"/v1/models?limit=3", "/v1/models"},
        std::pair{"http://127.0.0.1:8000/v1/models", "/v1/models"},
        std::pair{"HTTPS://[::1]:1/a/b?c=http://d/e", "/a/b"}, std::pair{"http://host?a=/b", "/"},
        std::pair{"http://host", "/"}, std::pair{"http://", "/"},
        std::pair{"/http://host/a", "/http://host/a"}, std::pair{"ftp://host/a", "ftp://host/a"},
        std::pair{"*", "*"}, std::pair{"", ""}}) {
    Request request;
    request.target = target;
    EXPECT_EQ(request.path(), path) << target;
  }
}

TEST(ServerAddresses, AreChecked) {
  EXPECT_EQ(ParseHostPort("127.0.0.1:80")->port, 80);
  EXPECT_EQ(ParseHostPort("[::1]:81")->host, "::1");
  EXPECT_EQ(ParseHostPort(":82")->host, "");
  for (const char* bad : {"", "80", "host:", "host:x", "host:70000", "::1:80", "a:-1"}) {
    EXPECT_FALSE(ParseHostPort(bad).ok()) << bad;
  }
}

TEST_F(ServerTest, AUsedPortIsAnErrorThatNamesIt) {
  Start(Echo);
  ServerOptions options;
  options.addresses = {address_};
  const auto second = StartServer(options, *handler_);
  ASSERT_FALSE(second.ok());
  EXPECT_NE(second.status().ToString().find(address_), std::string::npos);
}

}  // namespace
}  // namespace deepseek::http
