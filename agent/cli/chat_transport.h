#pragma once
// Ways to a chat-completions API: over HTTP, or in this process.

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "agent/cli/chat_session.h"
#include "agent/load/loaded_model.h"

namespace deepseek::agent {

struct ServerAccess {
  std::string api_key;  ///< empty: none is sent
  std::string ca_pem;   ///< whom to trust; empty: the system's authorities
};

/// `url`: "http://host:8000", with or without /v1. kInvalidArgument: malformed.
absl::StatusOr<std::unique_ptr<ChatTransport>> HttpTransport(const std::string& url,
                                                             const ServerAccess& access = {});

/// Answers with `model` through the same API that `serve` has.
std::unique_ptr<ChatTransport> LocalTransport(std::unique_ptr<LoadedModel> model);

}  // namespace deepseek::agent
