#include "operator/kube/client.h"

#include <gtest/gtest.h>

#include "base/json_full.h"
#include "base/strings.h"
#include "operator/kube/api_error.h"
#include "tests/support/fake_api_server.h"

namespace deepseek::kube {
namespace {

using resources::kConfigMap;
using resources::kPod;

// Answers with what the test says and keeps the requests.
class Scripted : public Transport {
 public:
  absl::StatusOr<HttpResponse> Send(const HttpRequest& request) override {
    requests.push_back(request);
    if (answers.empty()) return absl::UnavailableError("no more answers");
    auto answer = answers.front();
    answers.erase(answers.begin());
    return answer;
  }
  absl::StatusOr<HttpResponse> Stream(const HttpRequest& request,
                                      const std::function<bool(std::string_view)>& on_line,
                                      const std::function<bool()>& stop) override {
    requests.push_back(request);
    for (const std::string& line : lines) {
      if (stop() || !on_line(line)) break;
    }
    return answers.empty() ? HttpResponse{.code = 200, .headers = {}, .body = ""} : answers[0];
  }
  std::vector<HttpRequest> requests;
  std::vector<absl::StatusOr<HttpResponse>> answers;
  std::vector<std::string> lines;
};

class ClientTest : public ::testing::Test {
 protected:
  absl::Status ErrorFor(int code, std::string_view reason, std::string_view message) {
    transport_->answers = {FakeApiServer::Refusal(code, reason, message)};
    return client_.Get(kPod, "ns", "p").status();
  }
  static absl::StatusOr<HttpResponse> Ok(const std::string& body) {
    return HttpResponse{.code = 200, .headers = {}, .body = body};
  }
  std::shared_ptr<Scripted> transport_ = std::make_shared<Scripted>();
  Client client_{transport_};
};

TEST_F(ClientTest, RefusalsKeepTheServersWords) {
  using Code = absl::StatusCode;
  const struct {
    int http;
    const char* reason;
    const char* message;
    Code code;
  } kCases[] = {
      {400, "BadRequest", "m", Code::kInvalidArgument},
      {401, "Unauthorized", "m", Code::kPermissionDenied},
      {403, "Forbidden", "pods is forbidden", Code::kPermissionDenied},
      {403, "Forbidden", "pods \"p\" is forbidden: exceeded quota: q", Code::kResourceExhausted},
      {404, "NotFound", "m", Code::kNotFound},
      {409, "AlreadyExists", "m", Code::kAlreadyExists},
      {409, "Conflict", "m", Code::kAborted},
      {410, "Expired", "m", Code::kOutOfRange},
      {413, "RequestEntityTooLarge", "m", Code::kInvalidArgument},
      {422, "Invalid", "spec.replicas: m", Code::kInvalidArgument},
      {429, "TooManyRequests", "m", Code::kUnavailable},
      {500, "InternalError", "m", Code::kUnavailable},
      {503, "ServiceUnavailable", "m", Code::kUnavailable},
      {504, "Timeout", "m", Code::kUnavailable},
      {302, "", "m", Code::kInternal},
  };
  for (const auto& c : kCases) {
    const absl::Status status = ErrorFor(c.http, c.reason, c.message);
    EXPECT_EQ(status.code(), c.code) << c.http;
    EXPECT_EQ(status.message(), absl::StrCat("get pods ns/p: ", c.message, " (HTTP ", c.http, ")"));
  }
}

TEST_F(ClientTest, AProxysErrorPageIsCut) {
  transport_->answers = {
      HttpResponse{.code = 502, .headers = {}, .body = std::string(100'000, '<')}};
  const absl::Status status = client_.Get(kPod, "ns", "p").status();
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_LT(status.message().size(), 400u);
}

TEST_F(ClientTest, TransportErrorsNameTheCall) {
  transport_->answers = {absl::DeadlineExceededError("too slow")};
  const absl::Status status = client_.Delete(kPod, "ns", "p");
  EXPECT_TRUE(absl::IsDeadlineExceeded(status));
  EXPECT_EQ(status.message(), "delete pods ns/p: too slow");
}

TEST_F(ClientTest, NonsenseIsAnErrorNotACrash) {
  for (const char* body : {"", "{", "[]", "7", "{\"items\": 7}", "{\"items\": {}}"}) {
    transport_->answers = {Ok(body)};
    EXPECT_FALSE(client_.ListAll(kPod, {}).ok()) << body;
  }
  transport_->answers = {Ok("{\"items\": null, \"metadata\": {\"resourceVersion\": \"5\"}}")};
  EXPECT_EQ(client_.ListAll(kPod, {})->resource_version, "5");
}

TEST_F(ClientTest, PathsAreEscapedAndDeadlinesPassed) {
  const Client quick = client_.WithTimeout(absl::Seconds(3));
  transport_->answers = {Ok("{}"), Ok("{\"items\":[]}")};
  ASSERT_TRUE(Client(quick).Get(kPod, "a/../b", "x?y=z").ok());
  EXPECT_EQ(transport_->requests[0].path, "/api/v1/namespaces/a%2F..%2Fb/pods/x%3Fy%3Dz");
  EXPECT_EQ(transport_->requests[0].timeout, absl::Seconds(3));
  ASSERT_TRUE(Client(quick)
                  .ListAll(resources::kDeployment,
                           {.ns = "", .label_selector = "a in (b,c)", .field_selector = ""})
                  .ok());
  EXPECT_EQ(transport_->requests[1].path,
            "/apis/apps/v1/deployments?labelSelector=a%20in%20%28b%2Cc%29&limit=500");
}

TEST_F(ClientTest, AListWhosePagesExpireStartsAgainWithoutPages) {
  transport_->answers = {
      Ok(R"({"items":[{"metadata":{"name":"a"}}],"metadata":{"resourceVersion":"1","continue":"t"}})"),
      FakeApiServer::Refusal(410, "Expired", "too old"),
      Ok(R"({"items":[{"metadata":{"name":"b"}},{"metadata":{"name":"c"}}],"metadata":{"resourceVersion":"9"}})")};
  const auto list = client_.ListAll(kPod, {.ns = "n", .label_selector = "", .field_selector = ""});
  ASSERT_TRUE(list.ok()) << list.status();
  EXPECT_EQ(list->items.size(), 2u);
  EXPECT_EQ(list->resource_version, "9");
  EXPECT_EQ(transport_->requests[2].path, "/api/v1/namespaces/n/pods");
}

TEST_F(ClientTest, WatchTranslatesEventsAndErrors) {
  transport_->lines = {
      R"({"type":"ADDED","object":{"metadata":{"name":"a","managedFields":[{}]}}})", "",
      R"({"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"12"}}})",
      R"({"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"too old"}})"};
  std::vector<WatchEvent> events;
  const absl::Status end = client_.Watch(
      kPod, {}, "5", [&](const WatchEvent& e) { events.push_back(e); }, [] { return false; });
  EXPECT_TRUE(absl::IsOutOfRange(end)) << end;
  ASSERT_EQ(events.size(), 2u);
  EXPECT_FALSE((*events[0].object)["metadata"].contains("managedFields"));
  EXPECT_EQ(events[1].type, WatchEventType::kBookmark);
  EXPECT_NE(transport_->requests[0].path.find("resourceVersion=5"), std::string::npos);
  EXPECT_NE(transport_->requests[0].path.find("allowWatchBookmarks=true"), std::string::npos);
}

TEST_F(ClientTest, ABrokenWatchLineEndsTheWatch) {
  for (const char* line : {"{", "7", "{\"type\":\"NEW\"}", "{\"type\":\"ERROR\"}"}) {
    transport_->lines = {line};
    EXPECT_FALSE(client_
                     .Watch(
                         kPod, {}, "5", [](const WatchEvent&) {}, [] { return false; })
                     .ok())
        << line;
  }
}

TEST_F(ClientTest, ARefusedWatchIsAnError) {
  transport_->answers = {FakeApiServer::Refusal(403, "Forbidden", "no")};
  EXPECT_EQ(client_
                .Watch(
                    kPod, {}, "5", [](const WatchEvent&) {}, [] { return false; })
                .code(),
            absl::StatusCode::kPermissionDenied);
}

TEST(ClientOnFake, TheUpdateEntryIsFoldedOnce) {
  auto server = std::make_shared<FakeApiServer>();
  Client client(server);
  const Json object{{"apiVersion", "v1"},
                    {"kind", "ConfigMap"},
                    {"metadata", {{"name", "a"}}},
                    {"data", {{"x", "1"}}}};
  ASSERT_TRUE(client.Create(kConfigMap, "ns", object, "me").ok());
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(client.Apply(kConfigMap, "ns", "a", object, {.field_manager = "me"}).ok());
  }
  EXPECT_EQ(server->Calls(),
            (std::vector<std::string>{"create /configmaps ns/a", "apply /configmaps ns/a",
                                      "patch /configmaps ns/a", "apply /configmaps ns/a",
                                      "apply /configmaps ns/a"}));
}

TEST(ClientOnFake, CrashAfterAWriteLeavesItDone) {
  auto server = std::make_shared<FakeApiServer>();
  Client client(server);
  const Json object{{"apiVersion", "v1"}, {"kind", "ConfigMap"}, {"metadata", {{"name", "a"}}}};
  server->CrashAfterWrite(1);
  EXPECT_TRUE(absl::IsUnavailable(client.Create(kConfigMap, "ns", object, "me").status()));
  EXPECT_TRUE(absl::IsUnavailable(client.Get(kConfigMap, "ns", "a").status()));
  server->Restart();
  EXPECT_TRUE(client.Get(kConfigMap, "ns", "a").ok());
}

TEST(ClientOnFake, StaleListsShowThePast) {
  auto server = std::make_shared<FakeApiServer>();
  Client client(server);
  const auto before = std::make_shared<const FakeObjectStore::State>(server->Snapshot());
  const Json object{{"apiVersion", "v1"}, {"kind", "ConfigMap"}, {"metadata", {{"name", "a"}}}};
  ASSERT_TRUE(client.Create(kConfigMap, "ns", object, "me").ok());
  bool stale = true;
  server->set_list_state([&](const FakeCall&) { return stale ? before : nullptr; });
  const auto list = client.ListAll(kConfigMap, {});
  EXPECT_EQ(list->items.size(), 0u);
  stale = false;
  EXPECT_EQ(client.ListAll(kConfigMap, {})->items.size(), 1u);
  // A watch from there tells what the list did not.
  std::vector<std::string> seen;
  EXPECT_TRUE(client
                  .Watch(
                      kConfigMap, {}, list->resource_version,
                      [&](const WatchEvent& event) {
                        seen.push_back(event.object->at("metadata").at("name").get<std::string>());
                      },
                      [&] { return !seen.empty(); })
                  .ok());
  EXPECT_EQ(seen, std::vector<std::string>{"a"});
}

}  // namespace
}  // namespace deepseek::kube
