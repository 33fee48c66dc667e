// The parameters that all generating endpoints share.
#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/numbers.h"
#include "agent/openai/fields.h"
#include "base/strings.h"

namespace deepseek::agent {
namespace {

constexpr int64_t kMaxInt32 = std::numeric_limits<int32_t>::max();

void ReadStops(Fields& fields, const RequestLimits& limits, std::vector<std::string>* stops) {
  const OrderedJson* value = fields.Find("stop");
  if (!value) return;
  if (value->is_string()) {
    stops->push_back(value->get<std::string>());
  } else if (value->is_array() && std::all_of(value->begin(), value->end(),
                                              [](const OrderedJson& s) { return s.is_string(); })) {
    for (const OrderedJson& s : *value) stops->push_back(s.get<std::string>());
  } else {
    return fields.Fail("stop", "expected a string or an array of strings", "invalid_type");
  }
  if (stops->size() > static_cast<size_t>(limits.max_stops)) {
    fields.Fail("stop",
                StrCat("expected at most ", limits.max_stops, " strings, got ", stops->size()),
                "invalid_value");
  }
  for (const std::string& s : *stops) {
    if (s.size() > limits.max_stop_bytes) {
      fields.Fail(
          "stop",
          StrCat("a stop string may have ", limits.max_stop_bytes, " bytes, one has ", s.size()),
          "invalid_value");
    }
  }
  std::erase_if(*stops, [](const std::string& s) { return s.empty(); });
}

void ReadLogitBias(Fields& fields, std::vector<std::pair<int32_t, float>>* bias) {
  const OrderedJson* value = fields.Find("logit_bias");
  if (!value) return;
  if (!value->is_object()) {
    return fields.Fail("logit_bias",
                       StrCat("expected an object of token id: bias, got ", Kind(*value)),
                       "invalid_type");
  }
  for (const auto& [key, number] : value->items()) {
    int32_t id = 0;
    if (key.empty() || key.find_first_not_of("0123456789") != std::string::npos ||
        !absl::SimpleAtoi(key, &id)) {
      return fields.Fail("logit_bias", StrCat("'", key, "' is not a token id"), "invalid_value");
    }
    if (!number.is_number() || number.get<double>() < -100 || number.get<double>() > 100) {
      return fields.Fail("logit_bias",
                         StrCat("the bias of token ", key, " must be a number from -100 to 100"),
                         "invalid_value");
    }
    bias->emplace_back(id, number.get<float>());
  }
}

/// Refuses `name` unless it has a value that asks for nothing.
void RefuseUnlessFalse(Fields& fields, const char* name) {
  const OrderedJson* value = fields.Find(name);
  if (value && !(value->is_boolean() && !value->get<bool>())) fields.Unsupported(name);
}

void RefuseUnlessEmpty(Fields& fields, const char* name) {
  const OrderedJson* value = fields.Find(name);
  if (value && !((value->is_array() || value->is_object()) && value->empty()) &&
      !(value->is_string() && value->get_ref<const std::string&>().empty())) {
    fields.Unsupported(name);
  }
}

/// Known fields of OpenAI's, vLLM's, SGLang's and llama.cpp's APIs whose meaning we would have to
/// drop.
void RefuseUnserved(Fields& fields) {
  for (const char* name :
       {"audio", "prediction", "web_search_options", "prompt_logprobs", "truncate_prompt_tokens",
        "bad_words", "allowed_token_ids", "logits_processors", "chat_template", "documents",
        "functions", "images"}) {
    RefuseUnlessEmpty(fields, name);
  }
  // What response_format asks for, by other names.
  for (const char* name :
       {"guided_json", "guided_regex", "guided_choice", "guided_grammar", "structured_outputs",
        "grammar", "regex", "ebnf", "json_schema", "structural_tag"}) {
    RefuseUnlessEmpty(fields, name);
  }
  for (const char* name : {"use_beam_search", "include_stop_str_in_output", "return_token_ids",
                           "return_tokens_as_token_ids"}) {
    RefuseUnlessFalse(fields, name);
  }
  if (const auto min_tokens = fields.Integer("min_tokens", 0, kMaxInt32);
      min_tokens && *min_tokens > 0) {
    fields.Unsupported("min_tokens");
  }
  // Some clients write out what holds anyway.
  if (const OrderedJson* penalty = fields.Find("length_penalty"); penalty && *penalty != 1)
    fields.Unsupported("length_penalty", "other values than 1");
  if (const OrderedJson* typical = fields.Find("typical_p"); typical && *typical != 1)
    fields.Unsupported("typical_p", "other values than 1");
  if (const OrderedJson* verbosity = fields.Find("verbosity"); verbosity && *verbosity != "medium")
    fields.Unsupported("verbosity", "other values than \"medium\"");
  if (const OrderedJson* modalities = fields.Find("modalities");
      modalities && *modalities != OrderedJson::array({"text"})) {
    fields.Unsupported("modalities", "only [\"text\"] is served");
  }
}

}  // namespace

void CheckAnswers(Fields& fields, const char* name, int64_t answers, const RequestLimits& limits) {
  if (answers <= limits.most_at_once) return;
  fields.Fail(name,
              StrCat("asks for ", answers, " answers, this server holds ", limits.most_at_once,
                     " at once, running and waiting (send fewer in a request, or start it with a "
                     "larger --max-batch or --max-queue)"),
              "invalid_value");
}

void ReadParams(Fields& fields, const RequestLimits& limits, GenerationParams* params,
                int32_t least_tokens) {
  RefuseUnserved(fields);
  params->model = fields.String("model").value_or("");
  params->temperature = fields.Number("temperature", 0, 2);
  params->top_p = fields.Number("top_p", 0, 1);
  // -1 means "off" to vLLM's clients, 0 to ours.
  if (const auto top_k = fields.Integer("top_k", -1, kMaxInt32)) {
    params->top_k = static_cast<int32_t>(std::max<int64_t>(*top_k, 0));
  }
  params->min_p = fields.Number("min_p", 0, 1, false, /*high_open=*/true);
  params->repetition_penalty = fields.Number("repetition_penalty", 0, 10, /*low_open=*/true);
  params->presence_penalty = fields.Number("presence_penalty", -2, 2).value_or(0.0F);
  params->frequency_penalty = fields.Number("frequency_penalty", -2, 2).value_or(0.0F);
  if (const auto seed = fields.Integer("seed", std::numeric_limits<int64_t>::min(),
                                       std::numeric_limits<int64_t>::max())) {
    params->seed = static_cast<uint64_t>(*seed);
  }
  ReadLogitBias(fields, &params->logit_bias);
  ReadResponseFormat(fields, &params->response_format);
  ReadStops(fields, limits, &params->stop);
  if (!params->stop.empty() && params->response_format.kind != ResponseFormat::kText)
    fields.Fail("stop", "a stop string could cut the JSON that response_format promises",
                "invalid_value");
  params->stop_token_ids = fields.TokenIds("stop_token_ids").value_or(std::vector<int32_t>{});
  params->ignore_eos = fields.Bool("ignore_eos").value_or(false);
  params->skip_special_tokens = fields.Bool("skip_special_tokens").value_or(true);
  for (const char* name : {"max_tokens", "max_completion_tokens"}) {  // the newer name wins
    if (const auto max = fields.Integer(name, least_tokens, kMaxInt32))
      params->max_tokens = static_cast<int32_t>(*max);
  }
  params->n = static_cast<int32_t>(fields.Integer("n", 1, limits.max_choices).value_or(1));
  if (params->max_tokens != 0) CheckAnswers(fields, "n", params->n, limits);
  if (const auto best_of = fields.Integer("best_of", 1, limits.max_choices);
      best_of && *best_of != params->n) {
    fields.Unsupported("best_of", "other values than n");
  }
  // Lower goes first here, higher in the engine: the least value has no opposite.
  params->priority =
      static_cast<int32_t>(fields.Integer("priority", -kMaxInt32, kMaxInt32).value_or(0));
  params->cache_salt = fields.String("cache_salt").value_or("");
  if (params->cache_salt.size() > limits.max_salt_bytes) {
    fields.Fail(
        "cache_salt",
        StrCat("may have ", limits.max_salt_bytes, " bytes, has ", params->cache_salt.size()),
        "invalid_value");
  }
  params->stream = fields.Bool("stream").value_or(false);
  fields.String("user");
  if (const OrderedJson* options = fields.Find("stream_options")) {
    if (!options->is_object()) {
      fields.Fail("stream_options", StrCat("expected an object, got ", Kind(*options)),
                  "invalid_type");
    } else if (!params->stream) {
      fields.Fail("stream_options", "only allowed when 'stream' is true", "invalid_value");
    } else {
      Fields inner(*options, "stream_options.");
      params->include_usage = inner.Bool("include_usage").value_or(false);
      if (inner.Bool("continuous_usage_stats").value_or(false))
        inner.Unsupported("continuous_usage_stats");
      fields.Adopt(inner);
    }
  }
}

}  // namespace deepseek::agent
