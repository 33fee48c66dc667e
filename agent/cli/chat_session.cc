#include "agent/cli/chat_session.h"

#include <utility>

#include "base/json_full.h"
#include "base/status.h"
#include "base/strings.h"

namespace deepseek::agent {
namespace {

/// The error of a chunk or of a whole answer, if it has one.
absl::Status ErrorOf(const Json& json) {
  const auto error = json.find("error");
  if (error == json.end() || !error->is_object()) return absl::OkStatus();
  return absl::UnavailableError(error->value("message", "the server refused without saying why"));
}

std::string Text(const Json& delta, const char* name) {
  const auto it = delta.find(name);
  return it != delta.end() && it->is_string() ? it->get<std::string>() : std::string();
}

}  // namespace

std::vector<std::string> EventReader::Push(std::string_view bytes) {
  held_ += bytes;
  std::vector<std::string> events;
  for (size_t end; (end = held_.find('\n')) != std::string::npos; held_.erase(0, end + 1)) {
    std::string_view line = std::string_view(held_).substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.starts_with("data:")) continue;  // comments, event names and blank lines
    line.remove_prefix(5);
    if (line.starts_with(' ')) line.remove_prefix(1);
    events.emplace_back(line);
  }
  return events;
}

std::string ChatSession::Body() const {
  Json body = {{"stream", true}, {"messages", Json::array()}};
  if (!model_.empty()) body["model"] = model_;
  for (const Message& m : history_)
    body["messages"].push_back({{"role", m.role}, {"content", m.content}});
  return DumpJson(body);
}

absl::Status ChatSession::Ask(const std::string& question,
                              const std::function<void(const ChatPiece&)>& on_piece,
                              const std::function<bool()>& stop) {
  history_.push_back({"user", question});
  EventReader reader;
  std::string answer;
  absl::Status error;
  const auto on_bytes = [&](std::string_view bytes) {
    for (const std::string& event : reader.Push(bytes)) {
      const Json json = Json::parse(event, nullptr, /*allow_exceptions=*/false);
      if (!json.is_object()) continue;  // [DONE]
      error = ErrorOf(json);
      if (!error.ok()) return false;
      const auto choices = json.find("choices");
      if (choices == json.end() || !choices->is_array() || choices->empty()) continue;
      const Json& choice = choices->front();
      const auto delta = choice.is_object() ? choice.find("delta") : choice.end();
      if (!choice.is_object() || delta == choice.end() || !delta->is_object()) continue;
      ChatPiece piece{Text(*delta, "reasoning_content"), Text(*delta, "content")};
      if (piece.reasoning.empty()) piece.reasoning = Text(*delta, "reasoning");
      answer += piece.content;
      if (!piece.reasoning.empty() || !piece.content.empty()) on_piece(piece);
    }
    return true;
  };
  absl::Status status = transport_->Post(Body(), on_bytes, stop);
  if (!error.ok()) status = error;
  if (status.ok()) {
    history_.push_back({"assistant", std::move(answer)});
  } else {
    history_.pop_back();
  }
  return status;
}

}  // namespace deepseek::agent
