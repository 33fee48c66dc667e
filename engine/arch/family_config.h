#pragma once
// The parts that families' config.json files share, and one parser per family.
//
// A new family is a file NAME_config.cc, a declaration here and a line in model_config.cc. Fields
// that only steer training (pretraining_tp, ep_size, aux_loss_alpha, seq_aux, initializer_range,
// attention_dropout, use_cache, auto_map) are not read. A field that changes the forward pass is
// either read or held to the one value that is served (ConfigReader::Only).
//
// DeepSeek-V3.2 and V4 will need: an indexer (heads, width, top-k) beside the MLA fields; a list of
// per-layer attention kinds with windows and compression ratios; residual streams; a second rope
// base. They belong into structs of their own inside ModelSpec, set by their own parsers.

#include <initializer_list>
#include <string_view>

#include "absl/status/statusor.h"
#include "base/json.h"
#include "engine/arch/config_reader.h"
#include "engine/arch/model_spec.h"

namespace deepseek::engine {

/// Sizes, norm epsilon, element types, FP8 blocks, token ids: what every family has.
void ReadCommon(ConfigReader* r, ModelSpec* spec);
/// rope_theta and rope_scaling (or rope_parameters, since transformers 5). A scaling that is not
/// among `served` is refused by name.
void ReadRope(ConfigReader* r, std::initializer_list<RopeScaling> served, RopeSpec* rope);
/// Grouped-query attention with rotary positions over the whole head, half layout.
void ReadGqa(ConfigReader* r, ModelSpec* spec);
/// Multi-head latent attention, interleaved layout unless the family says otherwise.
void ReadMla(ConfigReader* r, ModelSpec* spec);
/// Routed and shared experts, of as many layers as are set. `groups`: also n_group and topk_group,
/// with groups of at least `min_group` experts.
void ReadExperts(ConfigReader* r, bool groups, int32_t min_group, ModelSpec* spec);

absl::StatusOr<ModelSpec> ParseLlamaConfig(const Json& json);
absl::StatusOr<ModelSpec> ParseQwen2Config(const Json& json);
absl::StatusOr<ModelSpec> ParseDeepseekMoeConfig(const Json& json);
absl::StatusOr<ModelSpec> ParseDeepseekV2Config(const Json& json);
absl::StatusOr<ModelSpec> ParseDeepseekV3Config(const Json& json);

}  // namespace deepseek::engine
