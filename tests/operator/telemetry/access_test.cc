#include "operator/telemetry/access.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "base/json_full.h"
#include "base/strings.h"

namespace deepseek::telemetry {
namespace {

using ::testing::HasSubstr;

// An API server that knows the token "good" (of prometheus, who may), "weak" (of nobody in
// particular, who may not) and no other.
class Reviews : public kube::Transport {
 public:
  absl::StatusOr<kube::HttpResponse> Send(const kube::HttpRequest& request) override {
    ++calls;
    if (away) return absl::UnavailableError("cut");
    if (forbidden) {
      return kube::HttpResponse{403, {}, R"({"kind":"Status","message":"you may not ask"})"};
    }
    Json body = Json::parse(request.body);
    if (absl::StrContains(request.path, "/tokenreviews")) {
      const std::string token = body["spec"]["token"];
      const bool known = token == "good" || token == "weak";
      body["status"] = {{"authenticated", known}};
      if (known) {
        body["status"]["user"] = {{"username", token == "good" ? "prometheus" : "stranger"},
                                  {"groups", {"system:serviceaccounts"}}};
      }
    } else {
      asked = body["spec"];
      body["status"] = {{"allowed", body["spec"]["user"] == "prometheus"}};
    }
    return kube::HttpResponse{201, {}, body.dump()};
  }
  absl::StatusOr<kube::HttpResponse> Stream(const kube::HttpRequest&,
                                            const std::function<bool(std::string_view)>&,
                                            const std::function<bool()>&) override {
    return absl::UnimplementedError("");
  }
  int calls = 0;
  bool away = false, forbidden = false;
  Json asked;
};

class AccessTest : public ::testing::Test {
 protected:
  absl::Status Check(const std::string& header, const std::string& path = "/metrics") {
    return access_.Check(header, path);
  }
  std::shared_ptr<Reviews> reviews_ = std::make_shared<Reviews>();
  absl::Time now_;
  Access access_{kube::Client(reviews_), [this] { return now_; }};
};

TEST_F(AccessTest, WhoMay) {
  EXPECT_TRUE(Check("Bearer good").ok());
  EXPECT_EQ(reviews_->asked,
            Json::parse(R"({"user":"prometheus","groups":["system:serviceaccounts"],
      "nonResourceAttributes":{"path":"/metrics","verb":"get"}})"));
}

TEST_F(AccessTest, WhoMayNotIsNamed) {
  const absl::Status status = Check("Bearer weak");
  EXPECT_TRUE(absl::IsPermissionDenied(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("stranger may not get /metrics"));
}

TEST_F(AccessTest, NobodyIsNotAskedAbout) {
  for (const char* header : {"", "Basic abc", "Bearer", "Bearer "})
    EXPECT_TRUE(absl::IsUnauthenticated(Check(header))) << header;
  EXPECT_TRUE(absl::IsUnauthenticated(Check("Bearer " + std::string(100'000, 'x'))));
  EXPECT_EQ(reviews_->calls, 0);
  EXPECT_TRUE(absl::IsUnauthenticated(Check("Bearer made-up")));
  EXPECT_EQ(reviews_->calls, 1) << "without a user there is no right to ask about";
}

TEST_F(AccessTest, AnswersAreRememberedForAWhile) {
  EXPECT_TRUE(Check("bearer good").ok());
  EXPECT_TRUE(Check("Bearer good").ok());
  EXPECT_EQ(reviews_->calls, 2);
  EXPECT_TRUE(Check("Bearer good", "/other").ok());
  EXPECT_EQ(reviews_->calls, 4) << "a right is about a path";
  now_ += absl::Seconds(61);
  EXPECT_TRUE(Check("Bearer good").ok());
  EXPECT_EQ(reviews_->calls, 6);
  EXPECT_FALSE(Check("Bearer weak").ok());
  EXPECT_FALSE(Check("Bearer weak").ok());
  EXPECT_EQ(reviews_->calls, 8);
  now_ += absl::Seconds(11);
  EXPECT_FALSE(Check("Bearer weak").ok());
  EXPECT_EQ(reviews_->calls, 10) << "a refusal is forgotten sooner: the right may have come";
}

TEST_F(AccessTest, AnApiServerThatCannotBeAskedLetsNobodyIn) {
  reviews_->away = true;
  EXPECT_TRUE(absl::IsUnavailable(Check("Bearer good")));
  reviews_->away = false;
  reviews_->forbidden = true;
  EXPECT_TRUE(absl::IsUnavailable(Check("Bearer good"))) << "our own lack of rights is not theirs";
  reviews_->forbidden = false;
  EXPECT_TRUE(Check("Bearer good").ok()) << "and nothing of it is remembered";
}

TEST_F(AccessTest, StrangersCannotFillTheMemory) {
  for (int i = 0; i < 1500; ++i) EXPECT_FALSE(Check(StrCat("Bearer made-up-", i)).ok());
  EXPECT_TRUE(Check("Bearer good").ok());
}

}  // namespace
}  // namespace deepseek::telemetry
