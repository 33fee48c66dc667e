#pragma once
// Answers over HTTP: JSON, or server-sent events.

#include <memory>
#include <string>

#include "agent/openai/answer_writer.h"
#include "base/http/server.h"

namespace deepseek::agent {

/// `request_id` is returned in a header.
std::shared_ptr<AnswerWriter> HttpAnswer(std::shared_ptr<http::ResponseWriter> writer,
                                         std::string request_id);

/// One server-sent event.
std::string Event(std::string_view json);
inline constexpr std::string_view kDoneEvent = "data: [DONE]\n\n";

}  // namespace deepseek::agent
