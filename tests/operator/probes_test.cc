#include "operator/probes.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "base/http/client.h"

namespace deepseek {
namespace {

TEST(Probes, ReadinessFollowsTheCachesAndLivenessDoesNot) {
  std::atomic<bool> ready{false};
  Probes probes([&] { return ready.load(); });
  const auto server = ServeProbes("127.0.0.1:0", probes);
  ASSERT_TRUE(server.ok()) << server.status();
  const auto client =
      http::NewClient({.base_url = absl::StrCat("http://", (*server)->addresses().front())});
  ASSERT_TRUE(client.ok()) << client.status();
  const auto status = [&](const std::string& method, const std::string& target) {
    const auto response =
        (*client)->Send({.method = method, .target = target, .headers = {}, .body = "", .peer = ""},
                        absl::Seconds(20));
    return response.ok() ? response->status : -1;
  };
  EXPECT_EQ(status("GET", "/healthz"), 200);
  EXPECT_EQ(status("GET", "/readyz"), 503);
  ready = true;
  EXPECT_EQ(status("GET", "/readyz?verbose"), 200);
  EXPECT_EQ(status("GET", "/metrics"), 404);
  EXPECT_EQ(status("DELETE", "/healthz"), 405);
}

}  // namespace
}  // namespace deepseek
