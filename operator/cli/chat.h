#pragma once
// kubectl deepseek chat: talk to the model through the API server's proxy of its Service, so that
// neither a port-forward nor a way into the pod network is needed.

#include <string>

#include "absl/status/status.h"
#include "operator/cli/session.h"

namespace deepseek::cli {

struct ChatOptions {
  std::string name;
  std::string question{};  ///< empty: a conversation, line by line from session.in until its end
  int max_tokens = 512;
  double temperature = -1;  ///< below 0: the model's own
  bool prompt = true;       ///< write "> " before each line that is read
};

/// The answer is streamed. -o json prints {"question", "answer"} per line instead.
absl::Status Chat(Session& session, const ChatOptions& options);

/// The text of one line of a stream of server-sent events; empty if it carries none. Pure.
std::string TextOfEvent(std::string_view line);

}  // namespace deepseek::cli
