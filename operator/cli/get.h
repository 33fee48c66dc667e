#pragma once
// kubectl deepseek get: trees of DeepSeekDeployments.

#include <string>

#include "absl/status/status.h"
#include "operator/cli/session.h"

namespace deepseek::cli {

struct GetOptions {
  std::string name{};  ///< empty: all of the namespace
  bool all_namespaces = false;
  bool watch = false;
};

/// With `watch`: again at every change of a DeepSeekDeployment, until session.stop().
absl::Status Get(Session& session, const GetOptions& options);

}  // namespace deepseek::cli
