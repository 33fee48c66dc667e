#pragma once
// A conversation with a chat-completions API, wherever it is: messages in, streamed text out.

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace deepseek::agent {

/// Carries one streaming request. Calls `on_bytes` with the body's pieces (false: stop); `stop` is
/// polled.
class ChatTransport {
 public:
  virtual ~ChatTransport() = default;
  virtual absl::Status Post(const std::string& body,
                            const std::function<bool(std::string_view)>& on_bytes,
                            const std::function<bool()>& stop) = 0;
};

/// Cuts a stream of server-sent events into the data of each. Pure.
class EventReader {
 public:
  std::vector<std::string> Push(std::string_view bytes);

 private:
  std::string held_;
};

struct ChatPiece {
  std::string reasoning;
  std::string content;
};

class ChatSession {
 public:
  ChatSession(std::unique_ptr<ChatTransport> transport, std::string model)
      : transport_(std::move(transport)), model_(std::move(model)) {}

  /// Asks with the whole conversation before it. A stopped answer stays in the history as far as it
  /// came; a failed question leaves no trace.
  absl::Status Ask(const std::string& question,
                   const std::function<void(const ChatPiece&)>& on_piece,
                   const std::function<bool()>& stop);
  void Clear() { history_.clear(); }

 private:
  struct Message {
    std::string role, content;
  };
  std::string Body() const;

  std::unique_ptr<ChatTransport> transport_;
  const std::string model_;
  std::vector<Message> history_;
};

}  // namespace deepseek::agent
