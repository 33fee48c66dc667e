#include "engine/first_prices.h"

#include <gtest/gtest.h>

namespace deepseek::engine {
namespace {

ModelSpec Spec(Attention attention) {
  ModelSpec s;
  s.attention = attention;
  s.layers = 8;
  s.heads = s.kv_heads = 16;
  s.head_dim = 192;
  s.hidden = 2048;
  s.vocab = 1000;
  s.dense_intermediate = 4096;
  s.kv_lora_rank = 512;
  s.nope_dim = s.v_dim = 128;
  s.rope_dim = 64;
  return s;
}

TEST(FirstPrices, MlaExpandsItsContextAndGqaPacksIt) {
  // 2 x 512 x (128 + 128) operations to expand a key, 2 x (192 + 128) for a row to see it.
  EXPECT_NEAR(FirstPrices(Spec(Attention::kMla)).pairs_per_key, 512.0 * 256 / 320, 1e-9);
  EXPECT_NEAR(FirstPrices(Spec(Attention::kGqa)).pairs_per_key, 3, 1e-9);
  // In the latent space 2 x (512 + 64 + 512) for a row to see a key.
  EXPECT_NEAR(FirstPrices(Spec(Attention::kMla)).absorbed_pair, 1088.0 / 320, 1e-9);
  EXPECT_EQ(FirstPrices(Spec(Attention::kGqa)).absorbed_pair, 1);
}

TEST(FirstPrices, ARowIsItsParameters) {
  const ModelSpec spec = Spec(Attention::kMla);
  EXPECT_NEAR(FirstPrices(spec).pairs_per_row * 320 * 16 * 8,
              static_cast<double>(spec.ActiveParameters()), 1);
  EXPECT_EQ(FirstPrices(spec).per_prompt_row, absl::ZeroDuration()) << "measured, not guessed";
}

TEST(FirstPrices, ExpertsAreAShareOfWhatIsRead) {
  ModelSpec spec = Spec(Attention::kMla);
  EXPECT_EQ(FirstPrices(spec).experts, 0);
  const auto dense = static_cast<double>(spec.ActiveParameters());
  spec.experts = 64;
  spec.experts_per_token = 6;
  spec.first_dense_layers = 1;
  spec.expert_intermediate = 512;
  const CostModel cost = FirstPrices(spec);
  EXPECT_EQ(cost.experts, 64);
  EXPECT_EQ(cost.experts_per_row, 6);
  const double experts = 7.0 * 64 * 3 * 2048 * 512;
  const double rest = dense - 7.0 * 3 * 2048 * 4096 + 7.0 * 2048 * 64;  // and the router
  EXPECT_NEAR(cost.expert_share, experts / (experts + rest), 1e-9);
}

TEST(FirstPrices, WithoutAttentionThereIsNoTerm) {
  for (const Attention attention : {Attention::kMla, Attention::kGqa}) {
    ModelSpec none;
    none.attention = attention;
    EXPECT_EQ(FirstPrices(none).pairs_per_key, 0);
    EXPECT_EQ(FirstPrices(none).pairs_per_row, 0);
  }
}

}  // namespace
}  // namespace deepseek::engine
