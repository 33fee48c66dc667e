// The registry of families, and what config.json must say to choose one.

#include <algorithm>
#include <array>

#include "base/json_full.h"
#include "base/status.h"
#include "base/strings.h"
#include "engine/arch/family_config.h"

namespace deepseek::engine {
namespace {

struct Family {
  std::string_view model_type;
  std::string_view architecture;
  absl::StatusOr<ModelSpec> (*parse)(const Json&);
};
constexpr std::array kFamilies{
    Family{"llama", "LlamaForCausalLM", &ParseLlamaConfig},
    Family{"qwen2", "Qwen2ForCausalLM", &ParseQwen2Config},
    Family{"deepseek", "DeepseekForCausalLM", &ParseDeepseekMoeConfig},
    Family{"deepseek_v2", "DeepseekV2ForCausalLM", &ParseDeepseekV2Config},
    Family{"deepseek_v3", "DeepseekV3ForCausalLM", &ParseDeepseekV3Config},
};

std::string Served() {
  std::string text;
  for (const Family& f : kFamilies) StrAppend(&text, text.empty() ? "" : ", ", f.model_type);
  return text;
}

}  // namespace

absl::StatusOr<ModelSpec> ParseModelConfig(std::string_view config_json) {
  auto json = ParseJson(config_json, "config.json", ModelFileLimits(size_t{1} << 20));
  if (!json.ok()) return absl::DataLossError(json.status().message());
  if (!json->is_object()) return absl::DataLossError("config.json: expected a JSON object");
  ConfigReader r(*json, "");
  std::string type;
  r.String("model_type", &type);
  if (!r.ok()) return r.status();
  const auto* const family =
      std::find_if(kFamilies.begin(), kFamilies.end(),
                   [&](const Family& known) { return known.model_type == type; });
  if (family == kFamilies.end()) {
    return absl::UnimplementedError(StrCat("config.json: model_type \"", type.substr(0, 60),
                                           "\" is not served (served: ", Served(), ")"));
  }
  const Json* names = r.Find("architectures");
  if (names != nullptr &&
      (!names->is_array() || names->empty() || (*names)[0] != std::string(family->architecture))) {
    r.Fail("architectures", StrCat("[\"", family->architecture, "\"] for model_type ", type));
    return r.status();
  }
  ASSIGN_OR_RETURN(ModelSpec spec, family->parse(*json));
  spec.family = type;
  spec.architecture = family->architecture;
  return spec;
}

}  // namespace deepseek::engine
