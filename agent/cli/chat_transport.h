#pragma once
// Ways to a chat-completions API: over HTTP, or in this process.

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "agent/cli/chat_session.h"
#include "agent/load/loaded_model.h"

namespace deepseek::agent {

/// `url`: "http://host:8000", with or without /v1. kInvalidArgument: malformed.
absl::StatusOr<std::unique_ptr<ChatTransport>> HttpTransport(const std::string& url);

/// Answers with `model` through the same API that `serve` has.
std::unique_ptr<ChatTransport> LocalTransport(std::unique_ptr<LoadedModel> model);

}  // namespace deepseek::agent
