#include "agent/rpc/typed.h"

#include <algorithm>
#include <cmath>

#include "agent/openai/inference.h"
#include "base/json_full.h"
#include "base/strings.h"

namespace deepseek::agent::rpc {
namespace {

constexpr int32_t kDefaultTokens = 256;
constexpr int32_t kMaxPriority = 100;

class Typed : public Format {
 public:
  std::string Opening(const AnswerMeta&, int32_t) const override { return {}; }
  std::string Chunk(const AnswerMeta&, const ChoiceText& choice) const override {
    v1::GenerateResponse piece;
    piece.set_text(choice.piece.content);
    piece.set_finish_reason(std::string(choice.finish_reason));
    return piece.SerializeAsString();
  }
  std::string UsageChunk(const AnswerMeta&, const AnswerUsage& usage) const override {
    v1::GenerateResponse last;
    last.mutable_usage()->set_prompt_tokens(usage.prompt_tokens);
    last.mutable_usage()->set_cached_tokens(usage.cached_tokens);
    last.mutable_usage()->set_completion_tokens(usage.completion_tokens);
    return last.SerializeAsString();
  }
  /// Never asked for: typed answers are always streamed.
  std::string Whole(const AnswerMeta&, const std::vector<ChoiceText>&,
                    const AnswerUsage&) const override {
    return {};
  }
};

grpc::StatusCode CodeOf(int http_status) {
  switch (http_status) {
    case 400:
    case 413:
      return grpc::StatusCode::INVALID_ARGUMENT;
    case 401:
      return grpc::StatusCode::UNAUTHENTICATED;
    case 403:
      return grpc::StatusCode::PERMISSION_DENIED;
    case 404:
      return grpc::StatusCode::NOT_FOUND;
    case 429:
      return grpc::StatusCode::RESOURCE_EXHAUSTED;
    case 503:
      return grpc::StatusCode::UNAVAILABLE;
    case 504:
      return grpc::StatusCode::DEADLINE_EXCEEDED;
    default:
      return grpc::StatusCode::INTERNAL;
  }
}

// JSON writes what is not finite as null, which reads as "not given": as text it is refused by
// name.
Json Number(double value) {
  return std::isfinite(value) ? Json(value) : Json(StrCat(value));
}

}  // namespace

std::string ToJson(const v1::GenerateRequest& r) {
  Json json = {{"model", r.model()},
               {"max_tokens", r.has_max_tokens() ? r.max_tokens() : kDefaultTokens},
               {"stream", true},
               {"stream_options", {{"include_usage", true}}},
               {"ignore_eos", r.ignore_eos()}};
  if (r.has_text()) json["prompt"] = r.text();
  if (r.has_tokens())
    json["prompt"] = std::vector<int32_t>(r.tokens().ids().begin(), r.tokens().ids().end());
  if (r.has_temperature()) json["temperature"] = Number(r.temperature());
  if (r.has_top_p()) json["top_p"] = Number(r.top_p());
  if (r.has_top_k()) json["top_k"] = r.top_k();
  if (r.has_min_p()) json["min_p"] = Number(r.min_p());
  if (r.has_repetition_penalty()) json["repetition_penalty"] = Number(r.repetition_penalty());
  if (r.has_presence_penalty()) json["presence_penalty"] = Number(r.presence_penalty());
  if (r.has_frequency_penalty()) json["frequency_penalty"] = Number(r.frequency_penalty());
  if (r.has_seed()) json["seed"] = r.seed();
  if (r.stop_size() > 0) json["stop"] = std::vector<std::string>(r.stop().begin(), r.stop().end());
  if (r.stop_token_ids_size() > 0) {
    json["stop_token_ids"] =
        std::vector<int32_t>(r.stop_token_ids().begin(), r.stop_token_ids().end());
  }
  return DumpJson(json);
}

std::string ToJson(const v1::TokenizeRequest& r) {
  return DumpJson({{"model", r.model()},
                   {"text", r.text()},
                   {"add_special_tokens", !r.has_add_special_tokens() || r.add_special_tokens()},
                   {"parse_special", !r.has_parse_special() || r.parse_special()}});
}

std::unique_ptr<Format> TypedFormat() {
  return std::make_unique<Typed>();
}

grpc::Status ToGrpc(const ApiError& error) {
  return {CodeOf(error.http_status), error.message, ErrorBody(error)};
}

absl::StatusOr<CallContext> ToCallContext(const v1::RequestContext& context,
                                          absl::Time call_deadline, absl::Time now) {
  CallContext out;
  out.request_id = RequestId(context.request_id());
  out.arrival = now;
  out.deadline = call_deadline;
  if (context.has_deadline()) {
    const auto& t = context.deadline();
    if (t.nanos() < 0 || t.nanos() > 999'999'999)
      return BadParam("context.deadline", "deadline: nanos must be from 0 to 999999999");
    out.deadline =
        std::min(out.deadline, absl::FromUnixSeconds(t.seconds()) + absl::Nanoseconds(t.nanos()));
  }
  out.priority = context.priority();
  if (out.priority < -kMaxPriority || out.priority > kMaxPriority) {
    return BadParam("context.priority",
                    StrCat("priority: must be from -", kMaxPriority, " to ", kMaxPriority));
  }
  return out;
}

}  // namespace deepseek::agent::rpc
