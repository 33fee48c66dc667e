#pragma once
// Errors in OpenAI's shape: {"error":{"message","type","param","code"}}. Inside the agent they
// travel as absl::Status whose payload keeps what the status itself cannot say.

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/http/message.h"

namespace deepseek::agent {

struct ApiError {
  int http_status = 500;
  std::string message;
  std::string type;   ///< "invalid_request_error", "rate_limit_error", "server_error", ...
  std::string param;  ///< the field at fault; empty: null
  std::string code;   ///< "model_not_found", "context_length_exceeded", ...; empty: null
  absl::Duration retry_after = absl::Seconds(1);  ///< of 429 and 503
};

/// A status that FromStatus turns back into `error`.
absl::Status ToStatus(const ApiError& error);

/// 400 that names the field.
absl::Status BadParam(std::string_view param, std::string_view message, std::string_view code = "");

/// 503 of a server that drains or stops: clients and the router try another one.
ApiError ShuttingDown(std::string message = "the server is shutting down");

/// The error of ToStatus, else one made from the status: kInvalidArgument 400,
/// kUnauthenticated 401, kPermissionDenied 403, kNotFound 404,
/// kResourceExhausted 429, kUnavailable ShuttingDown (the engine drains), kDeadlineExceeded 504,
/// all others 500 without the inner message's details. A refusal of the engine's keeps its
/// RetryAfter.
ApiError FromStatus(const absl::Status& status);

/// {"error":{...}}
std::string ErrorBody(const ApiError& error);

/// The whole answer; 401 carries WWW-Authenticate, 429 and 503 Retry-After: whole seconds, 1 to 60
/// (clients ignore more).
http::Response ErrorResponse(const ApiError& error);

/// The type that OpenAI uses with an HTTP status.
std::string_view TypeOf(int http_status);

}  // namespace deepseek::agent
