#include "operator/kube/api_error.h"

#include <algorithm>
#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "base/json_full.h"
#include "base/strings.h"

namespace deepseek::kube {
namespace {

constexpr char kTerminatingUrl[] = "deepseek.kube/namespace-terminating";
constexpr char kFieldConflictsUrl[] = "deepseek.kube/field-conflicts";
// A proxy's HTML error page must not flood logs and conditions.
constexpr size_t kMaxForeignBodyBytes = 256;

absl::StatusCode CodeOf(int http, std::string_view reason, std::string_view message) {
  switch (http) {
    case 400:
    case 413:
    case 422:
      return absl::StatusCode::kInvalidArgument;
    case 401:
      return absl::StatusCode::kPermissionDenied;
    case 403:
      return absl::StrContains(ToAbsl(message), "exceeded quota")
                 ? absl::StatusCode::kResourceExhausted
                 : absl::StatusCode::kPermissionDenied;
    case 404:
      return absl::StatusCode::kNotFound;
    case 409:
      return reason == "AlreadyExists" ? absl::StatusCode::kAlreadyExists
                                       : absl::StatusCode::kAborted;
    case 410:
      return absl::StatusCode::kOutOfRange;
    case 408:
    case 429:
      return absl::StatusCode::kUnavailable;
    default:
      return http >= 500 ? absl::StatusCode::kUnavailable : absl::StatusCode::kInternal;
  }
}

std::string StringAt(const Json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : "";
}

// A patch with the uid of an object that was deleted and made anew is answered with 422 "field is
// immutable". To us it is the lost race that a 409 is.
bool IsUidMismatch(const Json& status) {
  const Json::json_pointer causes("/details/causes");
  if (!status.contains(causes) || !status.at(causes).is_array()) return false;
  for (const Json& cause : status.at(causes)) {
    if (cause.is_object() && StringAt(cause, "field") == "metadata.uid") return true;
  }
  return false;
}

// Causes read: {"reason": "FieldManagerConflict", "field": ".data.x", "message": "conflict with
// \"other\" using v1"}.
std::string ConflictsIn(const Json& status) {
  const Json::json_pointer causes("/details/causes");
  std::string out;
  if (!status.contains(causes) || !status.at(causes).is_array()) return out;
  for (const Json& cause : status.at(causes)) {
    if (!cause.is_object() || StringAt(cause, "reason") != "FieldManagerConflict") continue;
    const std::string message = StringAt(cause, "message");
    const size_t open = message.find('"'), close = message.find('"', open + 1);
    StrAppend(&out, out.empty() ? "" : ", ", StringAt(cause, "field"), " of ",
              close == std::string::npos ? message : message.substr(open + 1, close - open - 1));
  }
  return out;
}

bool HasCause(const Json& status, std::string_view reason) {
  const Json::json_pointer causes("/details/causes");
  if (!status.is_object() || !status.contains(causes) || !status.at(causes).is_array())
    return false;
  const Json& all = status.at(causes);
  return std::any_of(all.begin(), all.end(), [&](const Json& cause) {
    return cause.is_object() && StringAt(cause, "reason") == reason;
  });
}

}  // namespace

absl::Status ErrorOf(const Json& status, int code, std::string_view what) {
  std::string reason, message;
  bool lost_race = false;
  if (status.is_object()) {
    lost_race = code == 422 && IsUidMismatch(status);
    reason = StringAt(status, "reason");
    message = StringAt(status, "message");
    if (const auto it = status.find("code"); it != status.end() && it->is_number_integer()) {
      code = it->get<int>();
    }
  }
  if (message.empty()) message = reason.empty() ? "no message" : reason;
  absl::Status error(lost_race ? absl::StatusCode::kAborted : CodeOf(code, reason, message),
                     StrCat(what, ": ", message, " (HTTP ", code, ")"));
  if (code == 403 && HasCause(status, "NamespaceTerminating")) {
    error.SetPayload(kTerminatingUrl, absl::Cord("1"));
  }
  if (code == 409 && status.is_object()) {
    if (const std::string conflicts = ConflictsIn(status); !conflicts.empty()) {
      error.SetPayload(kFieldConflictsUrl, absl::Cord(conflicts));
    }
  }
  return error;
}

absl::Status ErrorOf(const HttpResponse& response, std::string_view what) {
  if (response.code >= 200 && response.code < 300) return absl::OkStatus();
  absl::StatusOr<Json> body = ParseJson(response.body, "body");
  if (body.ok() && body->is_object() && StringAt(*body, "kind") == "Status") {
    // The HTTP code rules: some proxies answer with a Status of another code inside.
    body->erase("code");
    return ErrorOf(*body, response.code, what);
  }
  const std::string_view text = std::string_view(response.body).substr(0, kMaxForeignBodyBytes);
  return ErrorOf(Json{{"message", text.empty() ? "no message" : text}}, response.code, what);
}

bool IsNamespaceTerminating(const absl::Status& status) {
  return status.GetPayload(kTerminatingUrl).has_value();
}

std::string FieldConflicts(const absl::Status& status) {
  const auto payload = status.GetPayload(kFieldConflictsUrl);
  return payload ? std::string(*payload) : "";
}

}  // namespace deepseek::kube
