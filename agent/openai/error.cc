#include "agent/openai/error.h"

#include <algorithm>
#include <utility>

#include "absl/strings/cord.h"
#include "base/json_full.h"
#include "base/strings.h"
#include "engine/refusal.h"

namespace deepseek::agent {
namespace {

// Debian's absl::string_view borders on ours here only.
constexpr char kPayload[] = "deepseek/openai-error";

absl::StatusCode CodeOf(int http_status) {
  switch (http_status) {
    case 400:
      return absl::StatusCode::kInvalidArgument;
    case 401:
      return absl::StatusCode::kUnauthenticated;
    case 403:
      return absl::StatusCode::kPermissionDenied;
    case 404:
      return absl::StatusCode::kNotFound;
    case 429:
      return absl::StatusCode::kResourceExhausted;
    case 503:
      return absl::StatusCode::kUnavailable;
    default:
      return absl::StatusCode::kInternal;
  }
}

int HttpStatusOf(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kInvalidArgument:
      return 400;
    case absl::StatusCode::kUnauthenticated:
      return 401;
    case absl::StatusCode::kPermissionDenied:
      return 403;
    case absl::StatusCode::kNotFound:
      return 404;
    case absl::StatusCode::kResourceExhausted:
      return 429;
    case absl::StatusCode::kDeadlineExceeded:
      return 504;
    default:
      return 500;
  }
}

Json OrNull(const std::string& text) {
  return text.empty() ? Json(nullptr) : Json(text);
}

}  // namespace

std::string_view TypeOf(int http_status) {
  if (http_status == 429) return "rate_limit_error";
  return http_status >= 500 ? "server_error" : "invalid_request_error";
}

absl::Status ToStatus(const ApiError& error) {
  absl::Status status(CodeOf(error.http_status), error.message);
  const Json payload = {error.http_status, error.type, error.param, error.code};
  status.SetPayload(kPayload, absl::Cord(DumpJson(payload)));
  return status;
}

absl::Status BadParam(std::string_view param, std::string_view message, std::string_view code) {
  return ToStatus(
      {400, std::string(message), "invalid_request_error", std::string(param), std::string(code)});
}

ApiError ShuttingDown(std::string message) {
  return {503, std::move(message), "server_error", "", "server_shutting_down"};
}

ApiError FromStatus(const absl::Status& status) {
  ApiError error;
  error.message = std::string(ToStd(status.message()));
  if (const auto payload = status.GetPayload(kPayload)) {
    const Json json = Json::parse(std::string(*payload), nullptr, /*allow_exceptions=*/false);
    if (json.is_array() && json.size() == 4) {
      error.http_status = json[0].get<int>();
      error.type = json[1].get<std::string>();
      error.param = json[2].get<std::string>();
      error.code = json[3].get<std::string>();
      return error;
    }
  }
  if (absl::IsUnavailable(status)) return ShuttingDown();
  error.http_status = HttpStatusOf(status.code());
  error.type = std::string(TypeOf(error.http_status));
  if (const auto after = engine::RetryAfter(status)) error.retry_after = *after;
  if (error.http_status == 500) error.message = "the server failed to answer this request";
  return error;
}

std::string ErrorBody(const ApiError& error) {
  return DumpJson({{"error",
                    {{"message", error.message},
                     {"type", error.type},
                     {"param", OrNull(error.param)},
                     {"code", OrNull(error.code)}}}});
}

http::Response ErrorResponse(const ApiError& error) {
  http::Response response;
  response.status = error.http_status;
  response.body = ErrorBody(error);
  if (error.http_status == 401) response.headers.push_back({"WWW-Authenticate", "Bearer"});
  if (error.http_status == 429 || error.http_status == 503) {
    const absl::Duration after = std::clamp(error.retry_after, absl::Seconds(1), absl::Seconds(60));
    response.headers.push_back(
        {"Retry-After", StrCat(absl::ToInt64Seconds(absl::Ceil(after, absl::Seconds(1))))});
  }
  return response;
}

}  // namespace deepseek::agent
