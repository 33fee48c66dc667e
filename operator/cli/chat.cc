#include "operator/cli/chat.h"

#include "base/json_full.h"
#include "base/status.h"
#include "base/strings.h"
#include "operator/decide/json_read.h"
#include "operator/kube/api_error.h"

namespace deepseek::cli {
namespace {

// An answer may take its time, but not for ever.
constexpr absl::Duration kAnswer = absl::Minutes(30);

struct Conversation {
  std::string path, model;
  Json messages = Json::array();
};

absl::StatusOr<std::string> Ask(Session& session, const ChatOptions& options,
                                Conversation* conversation, const std::string& question) {
  Json messages = conversation->messages;
  messages.push_back({{"role", "user"}, {"content", question}});
  Json body = {{"model", conversation->model},
               {"messages", messages},
               {"max_tokens", options.max_tokens},
               {"stream", true}};
  if (options.temperature >= 0) body["temperature"] = options.temperature;
  const kube::HttpRequest request{.method = "POST",
                                  .path = conversation->path,
                                  // Without "close" Go's server shuts the request's body when it
                                  // passes on the first bytes of the answer, and its proxy, should
                                  // it still look for the body's end, cuts the answer: one in 60.
                                  .headers = {{"Content-Type", "application/json"},
                                              {"Accept", "text/event-stream"},
                                              {"Connection", "close"}},
                                  .body = DumpJson(body),
                                  .timeout = kAnswer};
  std::string answer, problem;
  bool done = false;
  const auto on_line = [&](std::string_view line) {
    done = line == "data: [DONE]";
    if (line.starts_with("data: {\"error\"")) problem = std::string(line.substr(6));
    const std::string text = TextOfEvent(line);
    answer += text;
    if (!session.json) {
      session.out << text;
      session.out.flush();
    }
    // How the connection ends after the last word is nobody's concern.
    return !done && !session.stop();
  };
  ASSIGN_OR_RETURN(const kube::HttpResponse response,
                   session.transport->Stream(request, on_line, session.stop));
  RETURN_IF_ERROR(kube::ErrorOf(response, StrCat("chat with ", session.ns, "/", options.name)));
  if (!problem.empty()) {
    const auto json = ParseJson(problem, "error");
    return absl::UnavailableError(
        StrCat("chat with ", options.name, ": ",
               json.ok() ? decide::TextAt(*json, "/error/message") : problem));
  }
  if (session.json) {
    session.out << DumpJson({{"question", question}, {"answer", answer}}) << "\n";
  } else {
    session.out << "\n";
  }
  messages.push_back({{"role", "assistant"}, {"content", answer}});
  conversation->messages = std::move(messages);
  return answer;
}

}  // namespace

std::string TextOfEvent(std::string_view line) {
  constexpr std::string_view kData = "data: ";
  if (!line.starts_with(kData) || line == "data: [DONE]") return "";
  const auto event = ParseJson(line.substr(kData.size()), "event");
  if (!event.ok()) return "";
  const Json* choices = decide::Find(*event, "/choices");
  if (choices == nullptr || !choices->is_array() || choices->empty()) return "";
  return StrCat(decide::TextAt(choices->front(), "/delta/reasoning_content"),
                decide::TextAt(choices->front(), "/delta/content"));
}

absl::Status Chat(Session& session, const ChatOptions& options) {
  ASSIGN_OR_RETURN(
      const kube::Object dsd,
      session.client().Get(kube::resources::kDeepSeekDeployment, session.ns, options.name));
  Conversation conversation;
  conversation.model = decide::TextAt(*dsd, "/status/model/name");
  if (conversation.model.empty()) {
    return absl::UnavailableError(StrCat("chat: ", session.ns, "/", options.name,
                                         " serves nothing yet (kubectl deepseek why ", options.name,
                                         ")"));
  }
  conversation.path = StrCat(kube::ObjectPath(kube::resources::kService, session.ns,
                                              StrCat(options.name, ":http"), "proxy"),
                             "/v1/chat/completions");
  if (!options.question.empty())
    return Ask(session, options, &conversation, options.question).status();
  std::string line;
  const auto next = [&] {
    if (options.prompt) {
      session.out << "> ";
      session.out.flush();
    }
    return !session.stop() && static_cast<bool>(std::getline(session.in, line));
  };
  while (next()) {
    if (line.empty()) continue;
    const auto answer = Ask(session, options, &conversation, line);
    if (!answer.ok()) {
      // One that failed leaves no trace in the conversation, which goes on.
      session.out << session.style.Bad(ErrorLine(answer.status())) << "\n";
    }
  }
  if (options.prompt) session.out << "\n";
  return absl::OkStatus();
}

}  // namespace deepseek::cli
