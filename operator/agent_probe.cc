#include "operator/agent_probe.h"

#include <memory>

#include "base/http/client.h"
#include "base/json_full.h"
#include "base/status.h"
#include "base/strings.h"
#include "operator/api/names.h"

namespace deepseek {
namespace {

constexpr absl::Duration kTimeout = absl::Seconds(1);
constexpr size_t kMaxAnswer = size_t{64} << 10;

}  // namespace

absl::StatusOr<Json> AskAgentAt(const std::string& address) {
  ASSIGN_OR_RETURN(const std::unique_ptr<http::Client> client,
                   http::NewClient({.base_url = StrCat("http://", address)}));
  ASSIGN_OR_RETURN(const http::Response response,
                   client->Send({.method = "GET",
                                 .target = "/ready",
                                 .headers = {{"Accept", "application/json"}},
                                 .body = "",
                                 .peer = ""},
                                kTimeout));
  return ParseJson(response.body, StrCat("/ready of ", address),
                   {.max_bytes = kMaxAnswer, .max_depth = 8});
}

absl::StatusOr<Json> AskAgent(const std::string& pod_ip) {
  const bool v6 = pod_ip.find(':') != std::string::npos;
  return AskAgentAt(StrCat(v6 ? "[" : "", pod_ip, v6 ? "]:" : ":", api::kMetricsPort));
}

}  // namespace deepseek
