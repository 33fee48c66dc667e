#include "base/http/server.h"

#include <atomic>
#include <stdexcept>
#include <thread>

#include "absl/time/clock.h"
#include "tests/base/http/server_fixture.h"

namespace deepseek::http {
namespace {

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
    Kept kept;
    StartKeeping(&kept);
    RawClient client(address_);
    client.Get("/");
    ASSERT_TRUE(kept.handling.Wait());
    reset ? client.Reset() : client.Close();
    EXPECT_TRUE(kept.gone.Wait());
    EXPECT_FALSE(kept.writer->Write("x"));
    kept.writer.reset();
    server_.reset();
  }
}

TEST_F(ServerTest, AClientGoneBehindPipelinedBytesIsNoticed) {
  for (const bool reset : {false, true}) {
    Kept kept;
    StartKeeping(&kept);
    RawClient client(address_);
    client.Get("/");
    ASSERT_TRUE(kept.handling.Wait());
    client.Send(StrCat("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n",
                       std::string(100000, 'x')));
    reset ? client.Reset() : client.Close();
    EXPECT_TRUE(kept.gone.Wait());
    kept.writer.reset();
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
