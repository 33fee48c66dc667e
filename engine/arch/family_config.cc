#include "engine/arch/family_config.h"

#include <algorithm>

#include "base/json_full.h"
#include "base/strings.h"

namespace deepseek::engine {
namespace {

// Generous bounds that keep what is counted, up to the bytes of all layers and of their cache,
// inside int64.
constexpr int64_t kMaxLayers = 1024;
constexpr int64_t kMaxWidth = int64_t{1} << 20;  // of a row between two products
constexpr int64_t kMaxVocab = int64_t{1} << 24;
constexpr int64_t kMaxExperts = 65536;
// Experts of all layers (DeepSeek-V3: 15,934): three tensors each, listed before weights are read.
constexpr int64_t kMaxExpertsOfAllLayers = int64_t{1} << 17;
constexpr int64_t kMaxPositions = int64_t{1} << 26;
constexpr int64_t kMaxHeads = 4096;
constexpr int64_t kMaxHeadDim = 65536;

void ReadBlockSize(const Json& block, ConfigReader* r, ModelSpec* spec) {
  if (block.is_null()) {
    return r->Fail(absl::UnimplementedError(
        "config.json: quantization_config.weight_block_size is null, one scale for a whole tensor, "
        "which is not served (served: blocks, [rows, columns])"));
  }
  const auto valid = [](const Json& n) {
    return n.is_number_integer() && n.get<int64_t>() >= 2 && n.get<int64_t>() <= 65536 &&
           n.get<int64_t>() % 2 == 0;
  };
  if (!block.is_array() || block.size() != 2 || !valid(block[0]) || !valid(block[1])) {
    return r->Fail("weight_block_size", "two even integers from 2 to 65536, [rows, columns]");
  }
  spec->fp8_block_rows = block[0].get<int32_t>();
  spec->fp8_block_cols = block[1].get<int32_t>();
}

void ReadQuantization(const Json& json, ConfigReader* parent, ModelSpec* spec) {
  if (!json.is_object()) return parent->Fail("quantization_config", "an object or null");
  ConfigReader r(json, "quantization_config.");
  const auto given = json.find("weight_block_size");
  std::string method;
  r.String("quant_method", &method);
  if (r.ok() && method != "fp8") {
    r.Fail(absl::UnimplementedError(StrCat("config.json: quantization_config.quant_method \"",
                                           method, "\" is not served (served: fp8)")));
  }
  r.Only("fmt", "e4m3");
  // transformers: blocks of 128 x 128 where nothing is said.
  if (r.ok() && given != json.end()) ReadBlockSize(*given, &r, spec);
  if (!r.ok()) return parent->Fail(r.status());
  spec->fp8_blocks = true;
}

// `channels`: of a head, the wider of what is asked with and what comes out.
void CheckHeads(int64_t channels, ConfigReader* r, const ModelSpec& spec) {
  if (!r->ok() || spec.heads * channels <= kMaxWidth) return;
  r->Fail("num_attention_heads",
          StrCat("at most ", kMaxWidth / channels, " (heads of ", channels, " channels)"));
}

void ReadTokenIds(ConfigReader* r, ModelSpec* spec) {
  r->OptionalInt("bos_token_id", -1, spec->vocab - 1, &spec->bos_id);
  const Json* eos = r->Find("eos_token_id");
  if (eos == nullptr) return;
  const auto add = [&](const Json& id) {
    if (id.is_null() || id == -1) return;  // "none", also within a list
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

}  // namespace

void ReadCommon(ConfigReader* r, ModelSpec* spec) {
  r->Int("num_hidden_layers", 1, kMaxLayers, &spec->layers);
  r->Int("hidden_size", 2, kMaxWidth, &spec->hidden);
  r->Int("vocab_size", 2, kMaxVocab, &spec->vocab);
  r->Int("max_position_embeddings", 1, kMaxPositions, &spec->max_positions);
  r->Int("num_attention_heads", 1, kMaxHeads, &spec->heads);
  r->Int("intermediate_size", 2, kMaxWidth, &spec->dense_intermediate);
  r->Number("rms_norm_eps", 1e-12, 0.1, &spec->rms_norm_eps);
  r->OptionalBool("tie_word_embeddings", &spec->tie_embeddings);
  r->Only("hidden_act", "silu");
  r->Only("mlp_bias", false);
  r->Only("partial_rotary_factor", 1);
  r->OptionalString("torch_dtype", &spec->torch_dtype);
  r->OptionalString("dtype", &spec->torch_dtype);
  if (const Json* q = r->Find("quantization_config")) ReadQuantization(*q, r, spec);
  if (r->ok()) ReadTokenIds(r, spec);
}

void ReadGqa(ConfigReader* r, ModelSpec* spec) {
  spec->attention = Attention::kGqa;
  spec->rope.layout = RopeLayout::kHalf;
  spec->kv_heads = spec->heads;
  r->OptionalInt("num_key_value_heads", 1, kMaxHeads, &spec->kv_heads);
  if (!r->ok()) return;
  if (spec->heads % spec->kv_heads != 0) {
    return r->Fail("num_key_value_heads",
                   StrCat("a divisor of num_attention_heads (", spec->heads, ")"));
  }
  if (r->Find("head_dim") != nullptr) {
    r->Int("head_dim", 2, kMaxHeadDim, &spec->head_dim);
    if (r->ok() && spec->head_dim % 2 != 0) r->Fail("head_dim", "an even number");
    return CheckHeads(spec->head_dim, r, *spec);
  }
  spec->head_dim = spec->hidden / spec->heads;
  if (spec->hidden % (2 * spec->heads) != 0) {
    r->Fail("hidden_size",
            StrCat("an even multiple of num_attention_heads (", spec->heads, "), or a head_dim"));
  }
}

void ReadMla(ConfigReader* r, ModelSpec* spec) {
  spec->attention = Attention::kMla;
  spec->rope.layout = RopeLayout::kInterleaved;
  r->Only("attention_bias", false);
  r->OptionalInt("q_lora_rank", 1, kMaxWidth, &spec->q_lora_rank);  // null: a plain q_proj
  r->Int("kv_lora_rank", 1, kMaxWidth, &spec->kv_lora_rank);
  r->Int("qk_nope_head_dim", 1, kMaxHeadDim, &spec->nope_dim);
  r->Int("qk_rope_head_dim", 2, kMaxHeadDim, &spec->rope_dim);
  r->Int("v_head_dim", 1, kMaxHeadDim, &spec->v_dim);
  if (r->ok() && spec->rope_dim % 2 != 0) r->Fail("qk_rope_head_dim", "an even number");
  CheckHeads(std::max(spec->nope_dim + spec->rope_dim, spec->v_dim), r, *spec);
  if (!r->ok()) return;
  spec->kv_heads = spec->heads;
  spec->head_dim = spec->nope_dim + spec->rope_dim;
  r->OptionalInt("num_key_value_heads", 1, kMaxHeads, &spec->kv_heads);
  if (r->ok() && spec->kv_heads != spec->heads) {
    r->Fail("num_key_value_heads",
            StrCat(spec->heads, " (num_attention_heads: MLA shares one latent)"));
  }
}

void ReadExperts(ConfigReader* r, bool groups, int32_t min_group, ModelSpec* spec) {
  r->Only("moe_layer_freq", 1);
  r->Int("first_k_dense_replace", 0, kMaxLayers, &spec->first_dense_layers);
  r->Int("n_routed_experts", 1, kMaxExperts, &spec->experts);
  r->Int("num_experts_per_tok", 1, 1024, &spec->experts_per_token);
  r->Int("moe_intermediate_size", 1, kMaxWidth, &spec->expert_intermediate);
  r->OptionalInt("n_shared_experts", 0, 1024, &spec->shared_experts);
  r->Bool("norm_topk_prob", &spec->normalize_topk);
  if (groups) {
    r->Int("n_group", 1, kMaxExperts, &spec->expert_groups);
    r->Int("topk_group", 1, kMaxExperts, &spec->groups_kept);
  }
  if (!r->ok()) return;
  const int64_t experts =
      (int64_t{spec->layers} + spec->mtp_layers) * (spec->experts + spec->shared_experts);
  if (experts > kMaxExpertsOfAllLayers) {
    return r->Fail(absl::DataLossError(
        StrCat("config.json: num_hidden_layers x n_routed_experts is ", experts,
               " with shared experts and MTP layers, at most ", kMaxExpertsOfAllLayers)));
  }
  if (spec->experts % spec->expert_groups != 0) {
    return r->Fail("n_group", StrCat("a divisor of n_routed_experts (", spec->experts, ")"));
  }
  const int32_t group = spec->experts / spec->expert_groups;
  if (group < min_group) {
    return r->Fail("n_group", StrCat("at most ", spec->experts / min_group,
                                     " (a group's score is the sum of its best two experts)"));
  }
  if (spec->groups_kept > spec->expert_groups) {
    return r->Fail("topk_group", StrCat("at most n_group (", spec->expert_groups, ")"));
  }
  if (spec->experts_per_token > group * spec->groups_kept) {
    return r->Fail("num_experts_per_tok",
                   StrCat("at most ", group * spec->groups_kept,
                          groups ? " (the experts of topk_group groups)" : " (n_routed_experts)"));
  }
}

}  // namespace deepseek::engine
