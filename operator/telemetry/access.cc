#include "operator/telemetry/access.h"

#include <utility>

#include "absl/strings/match.h"
#include "base/json_full.h"
#include "base/status.h"
#include "base/strings.h"
#include "operator/decide/json_read.h"
#include "operator/decide/resolve.h"

namespace deepseek::telemetry {
namespace {

using decide::TextAt;

// A right that was taken away works so much longer; one that was granted is not seen so long.
constexpr absl::Duration kRememberYes = absl::Minutes(1), kRememberNo = absl::Seconds(10);
// Strangers may try as many tokens as they like: what is remembered is bounded.
constexpr size_t kMostKnown = 1000;
constexpr size_t kMostToken = size_t{16} << 10;

const kube::Resource kTokenReview{"authentication.k8s.io", "v1", "tokenreviews", "TokenReview",
                                  /*namespaced=*/false};
const kube::Resource kAccessReview{"authorization.k8s.io", "v1", "subjectaccessreviews",
                                   "SubjectAccessReview", /*namespaced=*/false};

}  // namespace

Access::Access(kube::Client client, std::function<absl::Time()> now)
    : client_(std::move(client)), now_(std::move(now)) {}

absl::Status Access::Check(std::string_view authorization_header, std::string_view path) {
  constexpr std::string_view kBearer = "Bearer ";
  if (!absl::StartsWithIgnoreCase(ToAbsl(authorization_header), ToAbsl(kBearer)) ||
      authorization_header.size() <= kBearer.size() || authorization_header.size() > kMostToken) {
    return absl::UnauthenticatedError("a bearer token of the cluster is needed");
  }
  const std::string token(authorization_header.substr(kBearer.size()));
  const std::string key = decide::Sha256Hex(StrCat(path, "\n", token));
  {
    const std::lock_guard lock(mutex_);
    const auto it = known_.find(key);
    if (it != known_.end() && now_() < it->second.until) return it->second.answer;
  }
  absl::Status answer = Ask(token, path);
  const bool no = absl::IsUnauthenticated(answer) || absl::IsPermissionDenied(answer);
  if (!answer.ok() && !no) return answer;
  const std::lock_guard lock(mutex_);
  if (known_.size() >= kMostKnown) known_.clear();
  known_[key] = {answer, now_() + (no ? kRememberNo : kRememberYes)};
  return answer;
}

absl::Status Access::Ask(const std::string& token, std::string_view path) {
  // A refusal of our own right to ask must not look like one of the caller's.
  const auto ask = [&](const kube::Resource& r, const Json& spec) -> absl::StatusOr<kube::Object> {
    absl::StatusOr<kube::Object> review =
        client_.Create(r, "", {{"apiVersion", r.ApiVersion()}, {"kind", r.kind}, {"spec", spec}},
                       "deepseek-operator");
    if (review.ok()) return review;
    return absl::UnavailableError(review.status().message());
  };
  ASSIGN_OR_RETURN(const kube::Object who, ask(kTokenReview, {{"token", token}}));
  if (!decide::BoolAt(*who, "/status/authenticated"))
    return absl::UnauthenticatedError("the token is nobody's");
  const std::string name = TextAt(*who, "/status/user/username");
  Json spec = {{"user", name},
               {"nonResourceAttributes", {{"path", std::string(path)}, {"verb", "get"}}}};
  for (const char* field : {"uid", "groups", "extra"}) {
    const Json* value = decide::Find(*who, StrCat("/status/user/", field));
    if (value != nullptr) spec[field] = *value;
  }
  ASSIGN_OR_RETURN(const kube::Object may, ask(kAccessReview, spec));
  if (decide::BoolAt(*may, "/status/allowed")) return absl::OkStatus();
  return absl::PermissionDeniedError(
      StrCat(name, " may not get ", path, " (bind the ClusterRole ...-metrics-reader)"));
}

}  // namespace deepseek::telemetry
