#include "agent/openai/inference.h"

#include <algorithm>
#include <random>
#include <utility>

#include "base/log.h"
#include "base/status.h"
#include "base/strings.h"
#include "base/version.h"

namespace deepseek::agent {
namespace {

std::string RandomHex() {
  thread_local std::mt19937_64 generator{std::random_device{}()};
  return StrCat(absl::Hex(generator(), absl::kZeroPad16), absl::Hex(generator(), absl::kZeroPad16));
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
  if (error.code == "server_loading") return Refusal::kLoading;
  if (error.code == "server_shutting_down") return Refusal::kDraining;
  if (error.code == "model_not_found") return Refusal::kUnknownModel;
  if (error.code == "context_length_exceeded") return Refusal::kContextLength;
  if (error.http_status == 401) return Refusal::kUnauthenticated;
  if (error.http_status == 403) return Refusal::kForbidden;
  if (error.code == "client_limit") return Refusal::kClientLimit;
  if (error.http_status == 429) return Refusal::kQueueFull;
  return error.http_status >= 500 ? Refusal::kError : Refusal::kInvalid;
}

EncodedPrompt Encode(const TextModel& model, const CompletionRequest& request, Prompt prompt) {
  EncodedPrompt out;
  if (auto* text = std::get_if<std::string>(&prompt)) {
    out.ids = model.Encode(*text, request.add_special_tokens, request.parse_special);
    if (request.echo) {
      const size_t own = model.Encode(*text, false, request.parse_special).size();
      out.echo = {std::move(*text), out.ids.size() - own};
    }
  } else {
    out.ids = std::get<std::vector<int32_t>>(std::move(prompt));
    if (request.echo) out.echo = {model.tokenizer->Decode(out.ids), 0};
  }
  return out;
}

/// An answer with all of them is put together in memory.
absl::Status CheckEchoedLogprobs(const std::vector<EncodedPrompt>& prompts,
                                 const GenerationParams& params, const RequestLimits& limits) {
  int64_t tokens = 0;
  for (const EncodedPrompt& prompt : prompts) tokens += static_cast<int64_t>(prompt.ids.size());
  const int64_t wanted = tokens * params.n * (1 + params.top_logprobs);
  if (wanted <= limits.max_echoed_logprobs) return absl::OkStatus();
  return BadParam(
      "logprobs",
      StrCat("echoing ", tokens, " tokens, n = ", params.n, ", with ", params.top_logprobs,
             " alternatives each are ", wanted, " log-probs, at most ", limits.max_echoed_logprobs,
             " are answered at once (send fewer prompts in a request)"),
      "invalid_value");
}

}  // namespace

std::string RequestId(std::string_view given) {
  const auto printable = [](unsigned char c) { return c > 0x20 && c < 0x7f; };
  if (!given.empty() && given.size() <= 128 && std::all_of(given.begin(), given.end(), printable)) {
    return std::string(given);
  }
  return StrCat("req-", RandomHex());
}

absl::StatusOr<const LoadedModel*> Inference::Model() const {
  if (const LoadedModel* model = service_.model()) return model;
  if (service_.phase() != Phase::kLoading) return ToStatus(ShuttingDown());
  return ToStatus({503, "the model is still being loaded, try again later", "server_error", "",
                   "server_loading"});
}

absl::Status Inference::CheckModel(const LoadedModel& model, std::string_view name) {
  if (name.empty() || name == model.served_name) return absl::OkStatus();
  return ToStatus(
      {404,
       StrCat("The model `", name, "` does not exist. This server has `", model.served_name, "`."),
       "invalid_request_error", "model", "model_not_found"});
}

ApiError Inference::Refused(const absl::Status& status, const std::string& request_id) {
  ApiError error = FromStatus(status);
  // The inner message may quote the request; the log gets only what is ours.
  log::Debug("request refused",
             {{"request_id", request_id}, {"status", error.http_status}, {"code", error.code}});
  telemetry_.OnRefused(ReasonOf(error));
  return error;
}

void Inference::Run(const LoadedModel& model, const char* id_prefix, GenerationJob job,
                    CallContext context, Writer writer) {
  job.model = &model;
  job.meta = {StrCat(id_prefix, RandomHex()), model.served_name, Fingerprint(model),
              absl::ToUnixSeconds(context.arrival), job.params.include_usage};
  job.context = std::move(context);
  job.telemetry = &telemetry_;
  StartGeneration(std::move(job), std::move(writer));
}

absl::Status Inference::Chat(std::string_view body, CallContext context, Writer writer) {
  ASSIGN_OR_RETURN(const LoadedModel* model, Model());
  ASSIGN_OR_RETURN(ChatRequest request, ParseChatRequest(body, limits_));
  RETURN_IF_ERROR(CheckModel(*model, request.params.model));
  GenerationJob job;
  ASSIGN_OR_RETURN(job.places, clients_->Take(context.client, request.params.n));
  ASSIGN_OR_RETURN(ChatPlan plan, PlanChat(*model, request, grammars_));
  job.params = std::move(request.params);
  job.prompts.push_back(std::move(plan.prompt));
  job.format = ChatFormat(*model->text.tokenizer);
  job.tools = std::move(plan.tools);
  job.constraint = std::move(plan.constraint);
  Run(*model, "chatcmpl-", std::move(job), std::move(context), std::move(writer));
  return absl::OkStatus();
}

absl::Status Inference::Complete(std::string_view body, CallContext context, Writer writer,
                                 std::shared_ptr<const Format> format) {
  ASSIGN_OR_RETURN(const LoadedModel* model, Model());
  ASSIGN_OR_RETURN(CompletionRequest request, ParseCompletionRequest(body, limits_));
  RETURN_IF_ERROR(CheckModel(*model, request.params.model));
  GenerationJob job;
  const auto prompts = static_cast<int64_t>(request.prompts.size());
  ASSIGN_OR_RETURN(job.places, clients_->Take(context.client, request.params.n * prompts));
  ASSIGN_OR_RETURN(job.constraint, PlanText(*model, request.params, grammars_));
  for (Prompt& prompt : request.prompts) {
    if (const auto* text = std::get_if<std::string>(&prompt))
      RETURN_IF_ERROR(CheckBytes(*model, text->size(), "prompt"));
    job.prompts.push_back(Encode(model->text, request, std::move(prompt)));
  }
  if (request.echo && request.params.top_logprobs >= 0)
    RETURN_IF_ERROR(CheckEchoedLogprobs(job.prompts, request.params, limits_));
  job.params = std::move(request.params);
  job.format = format ? std::move(format) : CompletionFormat(*model->text.tokenizer);
  Run(*model, "cmpl-", std::move(job), std::move(context), std::move(writer));
  return absl::OkStatus();
}

absl::Status Inference::Generate(std::string_view body, std::string_view prompt_field,
                                 CallContext context, Writer writer) {
  ASSIGN_OR_RETURN(const LoadedModel* model, Model());
  ASSIGN_OR_RETURN(CompletionRequest request, ParseGenerateRequest(body, prompt_field, limits_));
  RETURN_IF_ERROR(CheckModel(*model, request.params.model));
  GenerationJob job;
  ASSIGN_OR_RETURN(job.places, clients_->Take(context.client, request.params.n));
  ASSIGN_OR_RETURN(job.constraint, PlanText(*model, request.params, grammars_));
  EncodedPrompt& prompt = job.prompts.emplace_back();
  if (prompt_field == "text") prompt.param = "text";
  const auto& text = std::get<std::string>(request.prompts.front());
  RETURN_IF_ERROR(CheckBytes(*model, text.size(), prompt.param));
  prompt.ids = model->text.Encode(text, request.add_special_tokens, request.parse_special);
  job.params = std::move(request.params);
  job.format = GenerateFormat();
  Run(*model, "gen-", std::move(job), std::move(context), std::move(writer));
  return absl::OkStatus();
}

absl::StatusOr<Inference::Tokens> Inference::Tokenize(std::string_view body) {
  ASSIGN_OR_RETURN(const LoadedModel* model, Model());
  ASSIGN_OR_RETURN(const TokenizeRequest request, ParseTokenizeRequest(body, limits_));
  RETURN_IF_ERROR(CheckModel(*model, request.model));
  Tokens out{{}, model->engine->max_context()};
  if (request.variables) {
    ASSIGN_OR_RETURN(EncodedPrompt prompt, EncodeChat(*model, *request.variables,
                                                      request.tools.get(), /*any_length=*/true));
    out.ids = std::move(prompt.ids);
  } else {
    out.ids = model->text.Encode(request.text, request.add_special_tokens, request.parse_special);
  }
  return out;
}

absl::StatusOr<std::string> Inference::Detokenize(std::string_view body) {
  ASSIGN_OR_RETURN(const LoadedModel* model, Model());
  ASSIGN_OR_RETURN(const DetokenizeRequest request, ParseDetokenizeRequest(body, limits_));
  RETURN_IF_ERROR(CheckModel(*model, request.model));
  const engine::Tokenizer& tokenizer = *model->text.tokenizer;
  for (size_t i = 0; i < request.tokens.size(); ++i) {
    if (!tokenizer.TokenBytes(request.tokens[i]).empty()) continue;
    return BadParam(
        request.field,
        StrCat("'", request.field, "[", i, "]': ", request.tokens[i],
               " is no token of this model (its ids end at ", tokenizer.size() - 1, ")"),
        "invalid_value");
  }
  return tokenizer.Decode(request.tokens);
}

}  // namespace deepseek::agent
