#pragma once
// Errors are values: absl::Status everywhere, with a message that says WHAT: WHERE: WHY (what to
// do).

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

/// Returns from the enclosing function when `expr` (an absl::Status) is not OK.
#define RETURN_IF_ERROR(expr)          \
  do {                                 \
    absl::Status status_ = (expr);     \
    if (!status_.ok()) return status_; \
  } while (false)

#define DEEPSEEK_CONCAT_INNER(a, b) a##b
#define DEEPSEEK_CONCAT(a, b) DEEPSEEK_CONCAT_INNER(a, b)

/// `ASSIGN_OR_RETURN(auto x, F())`: x is F()'s value, or the enclosing function returns F()'s
/// error.
#define ASSIGN_OR_RETURN(lhs, expr) \
  DEEPSEEK_ASSIGN_OR_RETURN(DEEPSEEK_CONCAT(status_or_, __LINE__), lhs, expr)
#define DEEPSEEK_ASSIGN_OR_RETURN(var, lhs, expr) \
  auto var = (expr);                              \
  if (!var.ok()) return std::move(var).status();  \
  lhs = *std::move(var)

namespace deepseek {

/// Exit codes of the programs (docs/reference/cli.md): 1 wrong use, 2 invalid model, 3 not enough
/// memory, 4 device failure. kInvalidArgument -> 1, kDataLoss/kNotFound/kUnimplemented -> 2,
/// kResourceExhausted -> 3, kUnavailable -> 4.
int ExitCode(const absl::Status& status);

/// `error: ` + the message on one line of valid UTF-8: newlines become spaces, control characters
/// are dropped, malformed bytes become U+FFFD.
std::string ErrorLine(const absl::Status& status);

}  // namespace deepseek
