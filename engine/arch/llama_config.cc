// Llama (arXiv 2302.13971, 2407.21783): DeepSeek-LLM, DeepSeek-Coder, R1-Distill-Llama.

#include "base/json_full.h"
#include "engine/arch/family_config.h"

namespace deepseek::engine {

absl::StatusOr<ModelSpec> ParseLlamaConfig(const Json& json) {
  ModelSpec spec;
  ConfigReader r(json, "");
  ReadCommon(&r, &spec);
  ReadRope(&r, {RopeScaling::kLlama3, RopeScaling::kLinear, RopeScaling::kNone}, &spec.rope);
  ReadGqa(&r, &spec);
  r.Only("attention_bias", false);
  if (!r.ok()) return r.status();
  return spec;
}

}  // namespace deepseek::engine
