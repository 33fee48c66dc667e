#pragma once
// Where the answer to a generating request goes, whatever the protocol: HTTP (http_answer.h) or
// gRPC (agent/rpc).

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/openai/error.h"

namespace deepseek::agent {

/// Thread-safe as http::ResponseWriter is; calls never block. A piece is what a Format made.
class AnswerWriter {
 public:
  virtual ~AnswerWriter() = default;
  /// The whole answer at once.
  virtual void Whole(std::string answer) = 0;
  /// Begins a stream with these pieces.
  virtual void Start(std::vector<std::string> pieces) = 0;
  /// False: nobody reads any more, stop producing.
  virtual bool Piece(std::string piece) = 0;
  /// Ends a stream.
  virtual void Finish() = 0;
  /// Ends the answer, or the stream, with an error.
  virtual void Fail(const ApiError& error) = 0;
  /// Called at most once when the client is gone before the answer was complete; at once if it
  /// already is.
  virtual void OnGone(std::function<void()> callback) = 0;
};

}  // namespace deepseek::agent
