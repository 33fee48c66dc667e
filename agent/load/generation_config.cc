#include <algorithm>
#include <charconv>
#include <cmath>

#include "agent/load/loaded_model.h"
#include "base/json_full.h"
#include "base/status.h"
#include "base/strings.h"

namespace deepseek::agent {
namespace {

constexpr std::string_view kFile = "generation_config.json";

absl::Status Bad(std::string_view key, const Json& value, std::string_view expected) {
  return absl::DataLossError(
      StrCat(kFile, ": ", key, ": ", DumpJson(value), ": must be ", expected));
}

// Hand-written and converted files hold "40" for 40; nothing else is meant by it.
double NumberIn(const Json& value) {
  if (value.is_number()) return value.get<double>();
  double number = std::nan("");
  if (!value.is_string()) return number;
  const std::string& text = value.get_ref<const std::string&>();
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? number : std::nan("");
}

bool Present(const Json& json, const char* key) {
  return json.contains(key) && !json.at(key).is_null();
}

absl::Status ReadFloat(const Json& json, const char* key, float low, float high, float* out) {
  if (!Present(json, key)) return absl::OkStatus();
  const Json& value = json.at(key);
  const double number = NumberIn(value);
  if (!(number >= low && number <= high))
    return Bad(key, value, StrCat("a number from ", low, " to ", high));
  *out = static_cast<float>(number);
  return absl::OkStatus();
}

// 0 and, as in vLLM, -1: off.
absl::Status ReadTopK(const Json& json, int32_t* out) {
  float number = 0;
  RETURN_IF_ERROR(ReadFloat(json, "top_k", -1, 1e6F, &number));
  if (number != std::floor(number)) return Bad("top_k", json.at("top_k"), "an integer");
  *out = std::max(static_cast<int32_t>(number), 0);
  return absl::OkStatus();
}

// null and -1 stand for "none", also within a list.
absl::Status AddId(const Json& value, const char* key, int32_t vocab, std::vector<int32_t>* ids) {
  if (value.is_null() || value == -1) return absl::OkStatus();
  if (!value.is_number_integer() || value.get<int64_t>() < 0 || value.get<int64_t>() >= vocab) {
    return Bad(key, value, StrCat("a token id from 0 to ", vocab - 1));
  }
  ids->push_back(value.get<int32_t>());
  return absl::OkStatus();
}

// One id, or a list of them.
absl::Status ReadIds(const Json& json, const char* key, int32_t vocab, std::vector<int32_t>* out) {
  if (!Present(json, key)) return absl::OkStatus();
  const Json& value = json.at(key);
  std::vector<int32_t> ids;
  if (value.is_array()) {
    for (const Json& id : value) RETURN_IF_ERROR(AddId(id, key, vocab, &ids));
  } else {
    RETURN_IF_ERROR(AddId(value, key, vocab, &ids));
  }
  if (!ids.empty()) *out = std::move(ids);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<GenerationDefaults> ParseGenerationConfig(std::string_view generation_config_json,
                                                         const engine::ModelSpec& spec) {
  GenerationDefaults d;
  d.eos_ids = spec.eos_ids;
  d.bos_id = spec.bos_id;
  if (!generation_config_json.empty()) {
    auto parsed = ParseJson(generation_config_json, kFile, ModelFileLimits(size_t{1} << 20));
    if (!parsed.ok()) return absl::DataLossError(parsed.status().message());
    if (!parsed->is_object()) return absl::DataLossError(StrCat(kFile, ": must be a JSON object"));
    const Json& json = *parsed;
    RETURN_IF_ERROR(ReadFloat(json, "temperature", 0, 100, &d.temperature));
    RETURN_IF_ERROR(ReadFloat(json, "top_p", 0, 1, &d.top_p));
    RETURN_IF_ERROR(ReadFloat(json, "min_p", 0, 0.999999F, &d.min_p));
    RETURN_IF_ERROR(ReadFloat(json, "repetition_penalty", 1e-6F, 1e6F, &d.repetition_penalty));
    RETURN_IF_ERROR(ReadTopK(json, &d.top_k));
    if (Present(json, "do_sample") && json.at("do_sample") == false) d.temperature = 0;
    RETURN_IF_ERROR(ReadIds(json, "eos_token_id", spec.vocab, &d.eos_ids));
    std::vector<int32_t> bos;
    RETURN_IF_ERROR(ReadIds(json, "bos_token_id", spec.vocab, &bos));
    if (!bos.empty()) d.bos_id = bos.front();
  }
  std::sort(d.eos_ids.begin(), d.eos_ids.end());
  d.eos_ids.erase(std::unique(d.eos_ids.begin(), d.eos_ids.end()), d.eos_ids.end());
  return d;
}

}  // namespace deepseek::agent
