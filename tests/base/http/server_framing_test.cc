// What a request is made of: where it ends, what of it is taken, and what is refused.
#include <atomic>

#include "tests/base/http/server_fixture.h"

namespace deepseek::http {
namespace {

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
    RawResponse response = client.Read();
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
  client.Send("hi");
  EXPECT_EQ(client.Read().body, "POST / hi");
  EXPECT_EQ(client.received().find("100 Continue"), std::string::npos);
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
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
        "0\r\n\r\n"}) {
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

}  // namespace
}  // namespace deepseek::http
