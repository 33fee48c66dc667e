// config.json -> ModelSpec, one parser per family. Field meanings: the released DeepSeek-V3
// config.json.

#include <array>
#include <utility>

#include "base/json_full.h"
#include "base/status.h"
#include "base/strings.h"
#include "engine/arch/config_reader.h"
#include "engine/arch/model_spec.h"

namespace deepseek::engine {
namespace {

// Generous bounds that keep every product of two sizes far inside int64.
constexpr int64_t kMaxLayers = 1024;
constexpr int64_t kMaxWidth = int64_t{1} << 20;
constexpr int64_t kMaxVocab = int64_t{1} << 24;
constexpr int64_t kMaxExperts = 65536;
constexpr int64_t kMaxPositions = int64_t{1} << 26;

void ReadRopeScaling(const Json& json, std::string path, ConfigReader* parent, RopeSpec* rope) {
  ConfigReader r(json, std::move(path));
  if (!json.is_object()) {
    parent->Fail("rope_scaling", "an object or null");
    return;
  }
  // "type" in old files, "rope_type" in new ones.
  std::string type;
  r.OptionalString("type", &type);
  r.OptionalString("rope_type", &type);
  r.OptionalNumber("rope_theta", 1.0000001, 1e12, &rope->theta);
  if (type.empty()) r.Fail("type", "\"yarn\"");
  if (r.ok() && type == "yarn") {
    rope->scaling = RopeScaling::kYarn;
    r.Number("factor", 1, 1e6, &rope->factor);
    r.Int("original_max_position_embeddings", 1, kMaxPositions, &rope->original_max_positions);
    r.OptionalNumber("beta_fast", 1e-6, 1e6, &rope->beta_fast);
    r.OptionalNumber("beta_slow", 1e-6, 1e6, &rope->beta_slow);
    // Absent: 1 and 0 in the official code (mscale=1, mscale_all_dim=0).
    rope->mscale = 1;
    r.OptionalNumber("mscale", 0, 1e3, &rope->mscale);
    r.OptionalNumber("mscale_all_dim", 0, 1e3, &rope->mscale_all_dim);
  } else if (r.ok() && type != "default") {
    r.Fail(absl::UnimplementedError(
        StrCat("config.json: rope scaling \"", type, "\" is not served (served: yarn, default)")));
  }
  if (!r.ok()) parent->Fail(r.status());
}

void ReadQuantization(const Json& json, ConfigReader* parent, ModelSpec* spec) {
  if (!json.is_object()) {
    parent->Fail("quantization_config", "an object or null");
    return;
  }
  ConfigReader r(json, "quantization_config.");
  std::string method;
  r.String("quant_method", &method);
  if (r.ok() && method != "fp8") {
    r.Fail(absl::UnimplementedError(StrCat("config.json: quantization_config.quant_method \"",
                                           method, "\" is not served (served: fp8)")));
  }
  r.Only("fmt", "e4m3");
  const Json* block = r.Find("weight_block_size");
  if (r.ok()) {
    const auto valid = [](const Json& n) {
      return n.is_number_integer() && n.get<int64_t>() >= 2 && n.get<int64_t>() <= 65536 &&
             n.get<int64_t>() % 2 == 0;
    };
    if (block == nullptr || !block->is_array() || block->size() != 2 || !valid((*block)[0]) ||
        !valid((*block)[1])) {
      r.Fail("weight_block_size", "two even integers from 2 to 65536, [rows, columns]");
    } else {
      spec->fp8_block_rows = (*block)[0].get<int32_t>();
      spec->fp8_block_cols = (*block)[1].get<int32_t>();
      spec->fp8_blocks = true;
    }
  }
  if (!r.ok()) parent->Fail(r.status());
}

void ReadTokenIds(ConfigReader* r, ModelSpec* spec) {
  r->OptionalInt("bos_token_id", 0, spec->vocab - 1, &spec->bos_id);
  const Json* eos = r->Find("eos_token_id");
  if (eos == nullptr) return;
  const auto add = [&](const Json& id) {
    if (!id.is_number_integer() || id.get<int64_t>() < 0 || id.get<int64_t>() >= spec->vocab) {
      r->Fail("eos_token_id", "token ids below vocab_size");
    } else {
      spec->eos_ids.push_back(id.get<int32_t>());
    }
  };
  if (eos->is_array()) {
    for (const Json& id : *eos) add(id);
  } else {
    add(*eos);
  }
}

// What every family has.
void ReadCommon(ConfigReader* r, ModelSpec* spec) {
  r->Int("num_hidden_layers", 1, kMaxLayers, &spec->layers);
  r->Int("hidden_size", 2, kMaxWidth, &spec->hidden);
  r->Int("vocab_size", 2, kMaxVocab, &spec->vocab);
  r->Int("max_position_embeddings", 1, kMaxPositions, &spec->max_positions);
  r->Int("num_attention_heads", 1, 4096, &spec->heads);
  r->Int("intermediate_size", 2, kMaxWidth, &spec->dense_intermediate);
  r->Number("rms_norm_eps", 1e-12, 0.1, &spec->rms_norm_eps);
  r->OptionalBool("tie_word_embeddings", &spec->tie_embeddings);
  r->Only("hidden_act", "silu");
  r->OptionalString("torch_dtype", &spec->torch_dtype);
  r->OptionalString("dtype", &spec->torch_dtype);
  if (const Json* q = r->Find("quantization_config")) ReadQuantization(*q, r, spec);
  if (r->ok()) ReadTokenIds(r, spec);
}

void ReadRope(ConfigReader* r, ModelSpec* spec) {
  const Json* parameters = r->Find("rope_parameters");  // since transformers 5
  if (parameters == nullptr || r->Find("rope_theta") != nullptr) {
    r->Number("rope_theta", 1.0000001, 1e12, &spec->rope.theta);
  }
  if (const Json* scaling = r->Find("rope_scaling")) {
    ReadRopeScaling(*scaling, "rope_scaling.", r, &spec->rope);
  } else if (parameters != nullptr) {
    ReadRopeScaling(*parameters, "rope_parameters.", r, &spec->rope);
  }
}

void CheckExpertGroups(ConfigReader* r, const ModelSpec& spec) {
  if (!r->ok()) return;
  if (spec.experts % spec.expert_groups != 0) {
    return r->Fail("n_group", StrCat("a divisor of n_routed_experts (", spec.experts, ")"));
  }
  const int32_t group = spec.experts / spec.expert_groups;
  if (group < 2) {
    return r->Fail("n_group", StrCat("at most ", spec.experts / 2,
                                     " (a group's score is the sum of its best two experts)"));
  }
  if (spec.groups_kept > spec.expert_groups) {
    return r->Fail("topk_group", StrCat("at most n_group (", spec.expert_groups, ")"));
  }
  if (spec.experts_per_token > group * spec.groups_kept) {
    return r->Fail("num_experts_per_tok", StrCat("at most ", group * spec.groups_kept,
                                                 " (the experts of topk_group groups)"));
  }
}

absl::StatusOr<ModelSpec> ParseDeepseekV3(const Json& json) {
  ModelSpec spec;
  spec.attention = Attention::kMla;
  spec.router = Router::kSigmoidNoauxTc;
  spec.rope.layout = RopeLayout::kInterleaved;
  ConfigReader r(json, "");
  ReadCommon(&r, &spec);
  ReadRope(&r, &spec);
  r.Only("attention_bias", false);
  r.OptionalInt("q_lora_rank", 1, kMaxWidth, &spec.q_lora_rank);  // null: a plain q_proj
  r.Int("kv_lora_rank", 1, kMaxWidth, &spec.kv_lora_rank);
  r.Int("qk_nope_head_dim", 1, 65536, &spec.nope_dim);
  r.Int("qk_rope_head_dim", 2, 65536, &spec.rope_dim);
  r.Int("v_head_dim", 1, 65536, &spec.v_dim);
  if (r.ok() && spec.rope_dim % 2 != 0) r.Fail("qk_rope_head_dim", "an even number");
  if (r.ok()) {
    int32_t kv_heads = spec.heads;
    r.OptionalInt("num_key_value_heads", 1, 4096, &kv_heads);
    if (r.ok() && kv_heads != spec.heads) {
      r.Fail("num_key_value_heads",
             StrCat(spec.heads, " (num_attention_heads: MLA shares one latent)"));
    }
  }
  r.Only("scoring_func", "sigmoid");
  r.Only("topk_method", "noaux_tc");
  r.Only("moe_layer_freq", 1);
  r.Int("first_k_dense_replace", 0, kMaxLayers, &spec.first_dense_layers);
  r.Int("n_routed_experts", 1, kMaxExperts, &spec.experts);
  r.Int("num_experts_per_tok", 1, 1024, &spec.experts_per_token);
  r.Int("moe_intermediate_size", 1, kMaxWidth, &spec.expert_intermediate);
  r.OptionalInt("n_shared_experts", 0, 1024, &spec.shared_experts);
  r.Int("n_group", 1, kMaxExperts, &spec.expert_groups);
  r.Int("topk_group", 1, kMaxExperts, &spec.groups_kept);
  r.Bool("norm_topk_prob", &spec.normalize_topk);
  r.Number("routed_scaling_factor", 0, 1e6, &spec.routed_scale);
  r.OptionalInt("num_nextn_predict_layers", 0, 16, &spec.mtp_layers);
  CheckExpertGroups(&r, spec);
  if (!r.ok()) return r.status();
  spec.kv_heads = spec.heads;
  spec.head_dim = spec.nope_dim + spec.rope_dim;
  return spec;
}

struct Family {
  std::string_view model_type;
  std::string_view architecture;
  absl::StatusOr<ModelSpec> (*parse)(const Json&);
};
constexpr std::array<Family, 1> kFamilies{
    {{"deepseek_v3", "DeepseekV3ForCausalLM", &ParseDeepseekV3}}};

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
  for (const Family& family : kFamilies) {
    if (family.model_type != type) continue;
    const Json* names = r.Find("architectures");
    if (names != nullptr &&
        (!names->is_array() || names->empty() || (*names)[0] != std::string(family.architecture))) {
      r.Fail("architectures", StrCat("[\"", family.architecture, "\"] for model_type ", type));
      return r.status();
    }
    ASSIGN_OR_RETURN(ModelSpec spec, family.parse(*json));
    spec.family = type;
    spec.architecture = family.architecture;
    return spec;
  }
  return absl::UnimplementedError(StrCat("config.json: model_type \"", type.substr(0, 60),
                                         "\" is not served (served: ", Served(), ")"));
}

}  // namespace deepseek::engine
