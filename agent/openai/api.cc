#include "agent/openai/api.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "absl/time/clock.h"
#include "agent/openai/error.h"
#include "agent/openai/http_answer.h"
#include "base/json_full.h"
#include "base/status.h"
#include "base/strings.h"

namespace deepseek::agent {
namespace {

struct Route {
  std::string_view path;
  std::string_view method;
};

constexpr std::array kRoutes = {Route{"/v1/chat/completions", "POST"},
                                Route{"/v1/completions", "POST"},
                                Route{"/v1/models", "GET"},
                                Route{"/generate", "POST"},
                                Route{"/predict", "POST"},
                                Route{"/tokenize", "POST"},
                                Route{"/detokenize", "POST"}};
/// Of APIs that clients may look for here.
constexpr std::array<std::string_view, 12> kUnserved = {
    "/v1/responses",   "/v1/messages",   "/v1/embeddings", "/v1/moderations",
    "/v1/audio",       "/v1/images",     "/v1/files",      "/v1/batches",
    "/v1/fine_tuning", "/v1/assistants", "/v1/threads",    "/v1/rerank"};
constexpr std::string_view kModelPrefix = "/v1/models/";

/// Percent-encoded bytes of a path decoded; what encodes none stays as it is.
std::string Decoded(std::string_view path) {
  std::string out;
  for (size_t i = 0; i < path.size(); ++i) {
    uint8_t byte = 0;
    const char* digits = path.data() + i + 1;
    if (path[i] == '%' && path.size() - i > 2 &&
        std::from_chars(digits, digits + 2, byte, 16).ptr == digits + 2) {
      out += static_cast<char>(byte);
      i += 2;
    } else {
      out += path[i];
    }
  }
  return out;
}

void SendJson(http::ResponseWriter& writer, const std::string& request_id, const Json& json) {
  http::Response response;
  response.headers = {{"x-request-id", request_id}};
  response.body = DumpJson(json);
  writer.Send(std::move(response));
}

}  // namespace

http::Response RefusalResponse(int status, std::string_view message, const http::Request& head) {
  const std::string_view code = status == 413 ? "request_too_large" : "";
  http::Response response = ErrorResponse(
      {status, std::string(message), std::string(TypeOf(status)), "", std::string(code)});
  response.headers.push_back({"x-request-id", RequestId(head.Get("x-request-id"))});
  return response;
}

Api::Api(Inference& inference, Probes& probes, const Gate& gate, Cors cors)
    : inference_(inference), probes_(probes), gate_(gate), cors_(std::move(cors)) {}

std::optional<http::Response> Api::Admit(const http::Request& head) {
  if (cors_.Preflight(head)) return std::nullopt;
  const absl::Status status = gate_.Admit(head.path(), head.credentials()).status();
  if (status.ok()) return std::nullopt;
  const std::string request_id = RequestId(head.Get("x-request-id"));
  http::Response response = ErrorResponse(inference_.Refused(status, request_id));
  response.headers.push_back({"x-request-id", request_id});
  cors_.Allow(head, &response);
  return response;
}

void Api::Handle(http::Request request, std::shared_ptr<http::ResponseWriter> writer) {
  if (std::optional<http::Response> answer = cors_.Preflight(request))
    return writer->Send(*std::move(answer));
  writer = cors_.Allow(request, std::move(writer));
  CallContext context;
  context.request_id = RequestId(request.Get("x-request-id"));
  context.arrival = absl::Now();
  const std::string request_id = context.request_id;
  if (const absl::Status status = Dispatch(request, std::move(context), writer); !status.ok())
    HttpAnswer(writer, request_id)->Fail(inference_.Refused(status, request_id));
}

absl::Status Api::Dispatch(const http::Request& request, CallContext context,
                           std::shared_ptr<http::ResponseWriter> writer) {
  const std::string_view path = request.path();
  ASSIGN_OR_RETURN(const auth::Principal caller, gate_.Admit(path, request.credentials()));
  if (probes_.TryHandle(request, *writer)) return absl::OkStatus();
  context.client = caller.name;
  ASSIGN_OR_RETURN(context.tenant, TenantOf(caller, ""));
  const bool one_model = path.starts_with(kModelPrefix);
  const auto route = std::find_if(kRoutes.begin(), kRoutes.end(), [&](const Route& r) {
    return r.path == path || (one_model && r.path == "/v1/models");
  });
  const bool head = request.method == "HEAD" && route != kRoutes.end() && route->method == "GET";
  for (const std::string_view unserved : kUnserved) {
    if (path != unserved && !path.starts_with(StrCat(unserved, "/"))) continue;
    return ToStatus({404,
                     StrCat(unserved,
                            " is not served (use /v1/chat/completions or "
                            "/v1/completions)"),
                     "invalid_request_error", "", "unsupported_endpoint"});
  }
  if (route == kRoutes.end() || (route->method != request.method && !head)) {
    http::Response response =
        route == kRoutes.end() ? NotFound(request) : MethodNotAllowed(request, route->method);
    response.headers.push_back({"x-request-id", context.request_id});
    writer->Send(std::move(response));
    return absl::OkStatus();
  }
  if (path == "/tokenize") {
    ASSIGN_OR_RETURN(const Inference::Tokens tokens, inference_.Tokenize(request.body));
    SendJson(*writer, context.request_id,
             {{"tokens", tokens.ids},
              {"count", tokens.ids.size()},
              {"max_model_len", tokens.max_context}});
    return absl::OkStatus();
  }
  if (path == "/detokenize") {
    ASSIGN_OR_RETURN(const std::string text, inference_.Detokenize(request.body));
    SendJson(*writer, context.request_id,
             {{"text", text}, {"prompt", text}});  // vLLM's clients read "prompt"
    return absl::OkStatus();
  }
  if (route->path == "/v1/models") return Models(path, context, *writer);
  auto answer = HttpAnswer(std::move(writer), context.request_id);
  if (path == "/v1/chat/completions")
    return inference_.Chat(request.body, std::move(context), std::move(answer));
  if (path == "/v1/completions")
    return inference_.Complete(request.body, std::move(context), std::move(answer));
  const char* prompt_field = path == "/predict" ? "text" : "prompt";
  return inference_.Generate(request.body, prompt_field, std::move(context), std::move(answer));
}

absl::Status Api::Models(std::string_view path, const CallContext& context,
                         http::ResponseWriter& writer) {
  ASSIGN_OR_RETURN(const LoadedModel* model, inference_.Model());
  const Json card = {{"id", model->served_name},
                     {"object", "model"},
                     {"created", 0},
                     {"owned_by", "deepseek-operator"},
                     {"max_model_len", model->engine->max_context()}};
  if (path.starts_with(kModelPrefix) && path != kModelPrefix) {
    RETURN_IF_ERROR(Inference::CheckModel(*model, Decoded(path.substr(kModelPrefix.size()))));
    SendJson(writer, context.request_id, card);
  } else {
    SendJson(writer, context.request_id, {{"object", "list"}, {"data", Json::array({card})}});
  }
  return absl::OkStatus();
}

}  // namespace deepseek::agent
