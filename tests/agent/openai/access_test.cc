// Who may use the HTTP API, and from which pages.
#include <gtest/gtest.h>

#include <fstream>

#include "absl/time/clock.h"
#include "agent/openai/api.h"
#include "base/json_full.h"
#include "base/strings.h"
#include "tests/support/agent/fake_agent.h"
#include "tests/support/http/raw_client.h"
#include "tests/support/temp_dir.h"

namespace deepseek::agent {
namespace {

using testing::BytesThenEos;
using testing::FakeEngine;
using testing::RawClient;
using testing::RawResponse;

constexpr char kChat[] = "/v1/chat/completions";
constexpr char kHi[] = R"({"messages":[{"role":"user","content":"hi"}]})";
constexpr char kAlice[] = "Authorization: Bearer alice-key\r\n";

class AccessTest : public ::testing::Test {
 protected:
  AccessTest() {
    std::ofstream(path_) << auth::HashOfKey("alice-key") << " alice tenant=acme\n"
                         << auth::HashOfKey("scraper-key") << " scraper roles=metrics\n";
    keys_ = *auth::ApiKeyFile::Open(path_);
    auto engine =
        std::make_unique<FakeEngine>(FakeEngine::Options{.script = [](const engine::Request& r) {
          return BytesThenEos(StrCat("salt ", r.cache_salt));
        }});
    engine_ = engine.get();
    model_ = testing::FakeModel(std::move(engine));
    service_.Serve(model_.get());
  }
  ~AccessTest() override {
    model_->engine->Drain(absl::Now());
    server_.reset();
  }
  void Start(bool with_keys, std::vector<std::string> origins = {}, bool admit = true) {
    gate_ = with_keys ? Gate(keys_) : Gate();
    api_ = std::make_unique<Api>(inference_, probes_, gate_, Cors(std::move(origins)));
    http::ServerOptions options;
    options.addresses = {"127.0.0.1:0"};
    options.refusal = RefusalResponse;
    if (admit) options.admit = [this](const http::Request& head) { return api_->Admit(head); };
    server_ = *http::StartServer(std::move(options), *api_);
  }
  RawResponse Send(std::string_view method, std::string_view path, std::string_view headers = "",
                   std::string_view body = "") {
    RawClient client(server_->addresses().front());
    client.Send(StrCat(method, " ", path, " HTTP/1.1\r\nHost: x\r\n", headers,
                       "Content-Length: ", body.size(), "\r\n\r\n", body));
    return client.Read();
  }
  static std::string CodeOf(const RawResponse& response) {
    const Json json = Json::parse(response.body, nullptr, false);
    return json.is_object() && json.contains("error") && json["error"]["code"].is_string()
               ? json["error"]["code"].get<std::string>()
               : "";
  }

  const TempDir dir_{"access_test"};
  const std::string path_ = (dir_ / "keys").string();
  std::shared_ptr<auth::ApiKeyFile> keys_;
  metrics::Registry registry_;
  Telemetry telemetry_{registry_, "fake"};
  Service service_;
  Probes probes_{service_, nullptr, R"({"version":"t"})"};
  Inference inference_{service_, telemetry_, RequestLimits{}};
  Gate gate_;
  std::unique_ptr<Api> api_;
  FakeEngine* engine_ = nullptr;
  std::unique_ptr<LoadedModel> model_;
  std::unique_ptr<http::Server> server_;
};

TEST_F(AccessTest, EveryRouteButTheProbesNeedsAKey) {
  // With and without the look at the head: a handler alone must not let anybody in.
  for (const bool admit : {true, false}) {
    Start(/*with_keys=*/true, {}, admit);
    for (const char* route :
         {"POST /v1/chat/completions", "POST /v1/completions", "GET /v1/models",
          "GET /v1/models/fake", "POST /generate", "POST /predict", "POST /tokenize",
          "POST /detokenize", "POST /v1/responses", "GET /metrics", "GET /", "GET /health/",
          "GET /healthz", "GET //health", "OPTIONS /v1/models", "PUT /v1/models", "GET /V1/models",
          "GET /health?/../v1/models"}) {
      const std::string_view line = route;
      const std::string_view method = line.substr(0, line.find(' '));
      const std::string_view path = line.substr(line.find(' ') + 1);
      const bool open = path.starts_with("/health?");
      for (const char* headers :
           {"", "Authorization: Bearer nobody\r\n", "Authorization: Basic alice-key\r\n",
            "Cookie: alice-key\r\n", "X-Api-Key: alice-key\r\n",
            "Authorization: Bearer alice-key\r\nauthorization: Bearer nobody\r\n",
            "Authorization: Bearer alice-key\r\nAuthorization: Bearer alice-key\r\n"}) {
        const RawResponse response = Send(method, path, headers, "{}");
        EXPECT_EQ(response.status, open ? 200 : 401) << route << " " << headers;
        if (open) continue;
        EXPECT_EQ(CodeOf(response), "invalid_api_key") << response.body;
        EXPECT_EQ(response.headers.at("www-authenticate"), "Bearer");
        EXPECT_TRUE(response.headers.contains("x-request-id"));
      }
    }
    for (const char* path : {"/health", "/ready", "/version"})
      EXPECT_EQ(Send("GET", path).status, 200) << path;
    server_.reset();
  }
  EXPECT_TRUE(engine_->requests().empty());
}

TEST_F(AccessTest, AKeyOpensWhatItsRolesSay) {
  Start(/*with_keys=*/true);
  EXPECT_EQ(Send("POST", kChat, kAlice, kHi).status, 200);
  EXPECT_EQ(Send("GET", "/v1/models", "authorization: bearer alice-key\r\n").status, 200);
  EXPECT_EQ(Send("GET", "/nothing", kAlice).status, 404);
  const RawResponse weak = Send("POST", kChat, "Authorization: Bearer scraper-key\r\n", kHi);
  EXPECT_EQ(weak.status, 403);
  EXPECT_EQ(CodeOf(weak), "insufficient_permissions");
}

TEST_F(AccessTest, TheBodyOfAStrangerIsNotRead) {
  Start(/*with_keys=*/true);
  RawClient client(server_->addresses().front());
  client.Send(StrCat("POST ", kChat, " HTTP/1.1\r\nHost: x\r\nContent-Length: 8000000\r\n\r\n"));
  EXPECT_EQ(client.Read().status, 401);
  EXPECT_TRUE(client.ClosedByPeer());
}

TEST_F(AccessTest, ARevokedKeyIsRefusedFromTheNextRequestOn) {
  Start(/*with_keys=*/true);
  RawClient client(server_->addresses().front());
  client.Post(kChat, kHi, kAlice);
  EXPECT_EQ(client.Read().status, 200);
  std::ofstream(path_) << auth::HashOfKey("other") << " bob\n";
  ASSERT_TRUE(*keys_->Refresh());
  client.Post(kChat, kHi, kAlice);
  EXPECT_EQ(client.Read().status, 401) << "on the same connection";
}

TEST_F(AccessTest, WithoutKeysEverybodyMay) {
  Start(/*with_keys=*/false);
  EXPECT_EQ(Send("POST", kChat, "", kHi).status, 200);
  EXPECT_EQ(Send("POST", kChat, "Authorization: Bearer anything\r\n", kHi).status, 200);
}

TEST_F(AccessTest, RefusalsAreCountedByReason) {
  Start(/*with_keys=*/true);
  Send("POST", kChat, "", kHi);
  Send("POST", kChat, "Authorization: Bearer scraper-key\r\n", kHi);
  const std::string text = registry_.Text();
  for (const char* reason : {"unauthenticated", "forbidden"}) {
    EXPECT_NE(text.find(StrCat("deepseek_request_refused_total{model_name=\"fake\",reason=\"",
                               reason, "\"} 1")),
              std::string::npos)
        << text;
  }
}

TEST_F(AccessTest, TenantsAreTheKeysBusiness) {
  auth::Principal mine;
  mine.tenant = "acme";
  EXPECT_EQ(*TenantOf(mine, ""), "acme");
  EXPECT_EQ(*TenantOf(mine, "acme"), "acme");
  EXPECT_FALSE(TenantOf(mine, "other").ok());
  EXPECT_EQ(*TenantOf({}, "any"), "any");
  EXPECT_EQ(*TenantOf({}, ""), "");
}

TEST_F(AccessTest, TenantsShareNoCachedPrompts) {
  constexpr char kSalted[] = R"({"messages":[{"role":"user","content":"hi"}],"cache_salt":"mine"})";
  Start(/*with_keys=*/true);
  EXPECT_NE(Send("POST", kChat, kAlice, kHi).body.find("\"salt 4:acme\""), std::string::npos);
  EXPECT_NE(Send("POST", kChat, kAlice, kSalted).body.find("\"salt 4:acmemine\""),
            std::string::npos);
  server_.reset();
  Start(/*with_keys=*/false);
  EXPECT_NE(Send("POST", kChat, "", kSalted).body.find("\"salt mine\""), std::string::npos);
}

constexpr char kPage[] = "Origin: https://chat.example\r\n";

TEST_F(AccessTest, PagesOfNamedOriginsMayCall) {
  Start(/*with_keys=*/true, {"https://chat.example"});
  const RawResponse preflight =
      Send("OPTIONS", kChat,
           StrCat(kPage, "Access-Control-Request-Method: POST\r\n",
                  "Access-Control-Request-Headers: authorization,content-type,x-stainless-os\r\n"));
  EXPECT_EQ(preflight.status, 204);
  EXPECT_EQ(preflight.headers.at("access-control-allow-origin"), "https://chat.example");
  EXPECT_EQ(preflight.headers.at("access-control-allow-headers"),
            "authorization,content-type,x-stainless-os");
  EXPECT_EQ(preflight.headers.at("vary"), "Origin");
  EXPECT_FALSE(preflight.headers.contains("access-control-allow-credentials"));
  const std::string stream = R"({"messages":[{"role":"user","content":"hi"}],"stream":true})";
  for (const std::string& body : {std::string(kHi), stream}) {
    const RawResponse answer = Send("POST", kChat, StrCat(kPage, kAlice), body);
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.headers.at("access-control-allow-origin"), "https://chat.example");
  }
  const RawResponse refused = Send("POST", kChat, kPage, kHi);
  EXPECT_EQ(refused.status, 401) << "the origin is no key";
  EXPECT_EQ(refused.headers.at("access-control-allow-origin"), "https://chat.example")
      << "the page may read why";
}

TEST_F(AccessTest, OtherOriginsGetNoHeaders) {
  for (const bool named : {true, false}) {
    Start(/*with_keys=*/false,
          named ? std::vector<std::string>{"https://chat.example"} : std::vector<std::string>{});
    for (const char* origin : {"https://evil.example", "https://chat.example.evil.example",
                               "http://chat.example", "https://chat.example:444", "null"}) {
      const std::string header = StrCat("Origin: ", origin, "\r\n");
      const RawResponse preflight =
          Send("OPTIONS", kChat, StrCat(header, "Access-Control-Request-Method: POST\r\n"));
      EXPECT_EQ(preflight.status, 405);
      EXPECT_FALSE(preflight.headers.contains("access-control-allow-origin"));
      EXPECT_FALSE(
          Send("POST", kChat, header, kHi).headers.contains("access-control-allow-origin"));
    }
    server_.reset();
  }
}

TEST(CheckOrigin, WhatIsOne) {
  for (const char* good : {"https://a.example", "http://localhost:3000", "http://[::1]:8080"})
    EXPECT_TRUE(CheckOrigin(good).ok()) << good;
  for (const char* bad : {"", "*", "a.example", "https://", "https://a.example/",
                          "https://A.example", "https://*.example", "ftp://a", "null"})
    EXPECT_FALSE(CheckOrigin(bad).ok()) << bad;
}

}  // namespace
}  // namespace deepseek::agent
