// Qwen2 and Qwen2.5 (arXiv 2407.10671): R1-Distill-Qwen.

#include <algorithm>

#include "base/json_full.h"
#include "engine/arch/family_config.h"

namespace deepseek::engine {
namespace {

// Written since transformers 4.53. Without sliding windows every layer attends to everything.
void CheckLayerTypes(ConfigReader* r) {
  const Json* types = r->Find("layer_types");
  if (types == nullptr) return;
  if (!types->is_array()) return r->Fail("layer_types", "a list");
  for (const Json& type : *types) {
    if (type != "full_attention") {
      return r->Fail(absl::UnimplementedError(
          "config.json: layer_types has other entries than \"full_attention\", which alone is "
          "served"));
    }
  }
}

}  // namespace

absl::StatusOr<ModelSpec> ParseQwen2Config(const Json& json) {
  ModelSpec spec;
  ConfigReader r(json, "");
  ReadCommon(&r, &spec);
  ReadRope(&r, {RopeScaling::kYarn, RopeScaling::kNone}, &spec.rope);
  ReadGqa(&r, &spec);
  spec.qkv_bias = true;  // no field says so: q, k and v have biases, o has none
  // sliding_window and max_window_layers mean nothing while this is false.
  r.Only("use_sliding_window", false);
  r.Only("use_mrope", false);
  CheckLayerTypes(&r);
  if (!r.ok()) return r.status();
  RopeSpec& rope = spec.rope;
  if (rope.scaling == RopeScaling::kYarn) {
    // The transformers library takes the ratio of mscales only when both are there.
    if (rope.mscale == 0 || rope.mscale_all_dim == 0) {
      rope.mscale = 1;
      rope.mscale_all_dim = 0;
    }
    // max_position_embeddings keeps the length before stretching when a user adds yarn, as the
    // cards of Qwen2.5 tell them to.
    const double stretched = rope.factor * rope.original_max_positions;
    spec.max_positions =
        std::max(spec.max_positions, static_cast<int32_t>(std::min(stretched, 0x1p26)));
  }
  return spec;
}

}  // namespace deepseek::engine
