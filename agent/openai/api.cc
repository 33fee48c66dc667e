#include "agent/openai/api.h"

#include <algorithm>
#include <array>
#include <random>
#include <utility>

#include "absl/time/clock.h"
#include "agent/openai/error.h"
#include "base/json_full.h"
#include "base/log.h"
#include "base/status.h"
#include "base/strings.h"
#include "base/version.h"

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

std::string RandomHex() {
  thread_local std::mt19937_64 generator{std::random_device{}()};
  return StrCat(absl::Hex(generator(), absl::kZeroPad16), absl::Hex(generator(), absl::kZeroPad16));
}

void SendJson(http::ResponseWriter& writer, const std::string& request_id, const Json& json) {
  http::Response response;
  response.headers = {{"x-request-id", request_id}};
  response.body = DumpJson(json);
  writer.Send(std::move(response));
}

absl::Status CheckModel(const LoadedModel& model, std::string_view name) {
  if (name.empty() || name == model.served_name) return absl::OkStatus();
  return ToStatus(
      {404,
       StrCat("The model `", name, "` does not exist. This server has `", model.served_name, "`."),
       "invalid_request_error", "model", "model_not_found"});
}

/// Tokens depend on the version, the model and how it is computed; OpenAI's clients log this next
/// to a seed.
std::string Fingerprint(const LoadedModel& model) {
  const engine::ModelOptions& o = model.engine->options();
  uint64_t hash = 14695981039346656037U;  // FNV-1a
  for (const unsigned char c :
       StrCat(kVersion, "/", model.served_name, "/", static_cast<int>(o.device), "/",
              static_cast<int>(o.compute), "/", static_cast<int>(o.weights), "/",
              static_cast<int>(o.kv))) {
    hash = (hash ^ c) * 1099511628211U;
  }
  return StrCat("fp_", absl::Hex(hash, absl::kZeroPad16));
}

Refusal ReasonOf(const ApiError& error) {
  if (error.code == "model_not_found") return Refusal::kUnknownModel;
  if (error.code == "context_length_exceeded") return Refusal::kContextLength;
  if (error.http_status == 429) return Refusal::kQueueFull;
  return error.http_status >= 500 ? Refusal::kError : Refusal::kInvalid;
}

}  // namespace

std::string RequestId(std::string_view given) {
  const auto printable = [](unsigned char c) { return c > 0x20 && c < 0x7f; };
  if (!given.empty() && given.size() <= 128 && std::all_of(given.begin(), given.end(), printable)) {
    return std::string(given);
  }
  return StrCat("req-", RandomHex());
}

http::Response RefusalResponse(int status, std::string_view message) {
  const std::string_view code = status == 413 ? "request_too_large" : "";
  return ErrorResponse(
      {status, std::string(message), std::string(TypeOf(status)), "", std::string(code)});
}

Api::Api(Service& service, Telemetry& telemetry, Probes& probes, RequestLimits limits)
    : service_(service), telemetry_(telemetry), probes_(probes), limits_(limits) {}

void Api::Handle(http::Request request, std::shared_ptr<http::ResponseWriter> writer) {
  if (probes_.TryHandle(request, *writer)) return;
  const std::string request_id = RequestId(request.Get("x-request-id"));
  if (const absl::Status status = Dispatch(request, writer, request_id); !status.ok()) {
    Refuse(status, request_id, *writer);
  }
}

void Api::Refuse(const absl::Status& status, const std::string& request_id,
                 http::ResponseWriter& writer) {
  const ApiError error = FromStatus(status);
  // The inner message may quote the request; the log gets only what is ours.
  log::Debug("request refused",
             {{"request_id", request_id}, {"status", error.http_status}, {"code", error.code}});
  if (error.code == "server_loading") {
    telemetry_.OnRefused(Refusal::kLoading);
  } else if (error.code == "server_shutting_down") {
    telemetry_.OnRefused(Refusal::kDraining);
  } else {
    telemetry_.OnRefused(ReasonOf(error));
  }
  http::Response response = ErrorResponse(error);
  response.headers.push_back({"x-request-id", request_id});
  writer.Send(std::move(response));
}

absl::Status Api::Dispatch(const http::Request& request,
                           std::shared_ptr<http::ResponseWriter> writer,
                           const std::string& request_id) {
  const std::string_view path = request.path();
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
    response.headers.push_back({"x-request-id", request_id});
    writer->Send(std::move(response));
    return absl::OkStatus();
  }
  const LoadedModel* model = service_.model();
  if (!model) {
    const bool loading = service_.phase() == Phase::kLoading;
    return ToStatus({503,
                     loading ? "the model is still being loaded, try again later"
                             : "the server is shutting down",
                     "server_error", "", loading ? "server_loading" : "server_shutting_down"});
  }
  const Call call{*model, request, std::move(writer), request_id, absl::Now()};
  if (path == "/v1/chat/completions") return Chat(call);
  if (path == "/v1/completions") return Complete(call);
  if (path == "/generate") return Generate(call, "prompt");
  if (path == "/predict") return Generate(call, "text");
  if (path == "/tokenize") return Tokenize(call);
  if (path == "/detokenize") return Detokenize(call);
  return Models(call);
}

void Api::Run(const Call& call, const char* id_prefix, GenerationJob job) {
  job.model = &call.model;
  job.meta = {StrCat(id_prefix, RandomHex()), call.model.served_name, Fingerprint(call.model),
              absl::ToUnixSeconds(call.arrival)};
  job.request_id = call.request_id;
  job.arrival = call.arrival;
  job.telemetry = &telemetry_;
  StartGeneration(std::move(job), call.writer);
}

absl::Status Api::Chat(const Call& call) {
  ASSIGN_OR_RETURN(ChatRequest request, ParseChatRequest(call.request.body, limits_));
  RETURN_IF_ERROR(CheckModel(call.model, request.params.model));
  ASSIGN_OR_RETURN(ChatPlan plan, PlanChat(call.model, request, grammars_));
  GenerationJob job;
  job.params = std::move(request.params);
  job.prompts.push_back(std::move(plan.prompt));
  job.format = ChatFormat(*call.model.text.tokenizer);
  job.tools = std::move(plan.tools);
  job.constraint = std::move(plan.constraint);
  Run(call, "chatcmpl-", std::move(job));
  return absl::OkStatus();
}

absl::Status Api::Complete(const Call& call) {
  ASSIGN_OR_RETURN(CompletionRequest request, ParseCompletionRequest(call.request.body, limits_));
  RETURN_IF_ERROR(CheckModel(call.model, request.params.model));
  GenerationJob job;
  ASSIGN_OR_RETURN(job.constraint, PlanText(call.model, request.params, grammars_));
  for (Prompt& prompt : request.prompts) {
    EncodedPrompt& encoded = job.prompts.emplace_back();
    if (const auto* text = std::get_if<std::string>(&prompt)) {
      if (request.echo) encoded.echo = *text;
      encoded.ids =
          call.model.text.Encode(*text, request.add_special_tokens, request.parse_special);
    } else {
      encoded.ids = std::get<std::vector<int32_t>>(std::move(prompt));
      if (request.echo) encoded.echo = call.model.text.tokenizer->Decode(encoded.ids);
    }
  }
  job.params = std::move(request.params);
  job.format = CompletionFormat(*call.model.text.tokenizer);
  Run(call, "cmpl-", std::move(job));
  return absl::OkStatus();
}

absl::Status Api::Generate(const Call& call, std::string_view prompt_field) {
  ASSIGN_OR_RETURN(CompletionRequest request,
                   ParseGenerateRequest(call.request.body, prompt_field, limits_));
  RETURN_IF_ERROR(CheckModel(call.model, request.params.model));
  GenerationJob job;
  ASSIGN_OR_RETURN(job.constraint, PlanText(call.model, request.params, grammars_));
  EncodedPrompt& prompt = job.prompts.emplace_back();
  prompt.ids = call.model.text.Encode(std::get<std::string>(request.prompts.front()),
                                      request.add_special_tokens, request.parse_special);
  if (prompt_field == "text") prompt.param = "text";
  job.params = std::move(request.params);
  job.format = GenerateFormat();
  Run(call, "gen-", std::move(job));
  return absl::OkStatus();
}

absl::Status Api::Tokenize(const Call& call) {
  ASSIGN_OR_RETURN(const TokenizeRequest request, ParseTokenizeRequest(call.request.body, limits_));
  RETURN_IF_ERROR(CheckModel(call.model, request.model));
  std::vector<int32_t> ids;
  if (request.variables) {
    ASSIGN_OR_RETURN(EncodedPrompt prompt,
                     EncodeChat(call.model, *request.variables, request.tools.get()));
    ids = std::move(prompt.ids);
  } else {
    ids = call.model.text.Encode(request.text, request.add_special_tokens, request.parse_special);
  }
  SendJson(*call.writer, call.request_id,
           {{"tokens", ids},
            {"count", ids.size()},
            {"max_model_len", call.model.engine->max_context()}});
  return absl::OkStatus();
}

absl::Status Api::Detokenize(const Call& call) {
  ASSIGN_OR_RETURN(const DetokenizeRequest request,
                   ParseDetokenizeRequest(call.request.body, limits_));
  RETURN_IF_ERROR(CheckModel(call.model, request.model));
  const std::string text = call.model.text.tokenizer->Decode(request.tokens);
  SendJson(*call.writer, call.request_id,
           {{"text", text}, {"prompt", text}});  // vLLM's clients read "prompt"
  return absl::OkStatus();
}

absl::Status Api::Models(const Call& call) {
  const std::string_view path = call.request.path();
  const Json model = {{"id", call.model.served_name},
                      {"object", "model"},
                      {"created", 0},
                      {"owned_by", "deepseek-operator"},
                      {"max_model_len", call.model.engine->max_context()}};
  if (path.starts_with(kModelPrefix)) {
    const std::string_view name = path.substr(kModelPrefix.size());
    RETURN_IF_ERROR(CheckModel(call.model, name));
    SendJson(*call.writer, call.request_id, model);
  } else {
    SendJson(*call.writer, call.request_id, {{"object", "list"}, {"data", Json::array({model})}});
  }
  return absl::OkStatus();
}

}  // namespace deepseek::agent
