#include "engine/profiling_backend.h"

#include <gtest/gtest.h>

#include "engine/engine.h"
#include "engine/kernels/cpu/cpu_backend.h"
#include "tests/support/engine/recording_sink.h"

namespace deepseek::engine {
namespace {

using Mode = StepProfile::Mode;

// Small operations on a real backend: the counts are worked out by hand.
class ProfilingBackendTest : public ::testing::Test {
 protected:
  ProfilingBackendTest() {
    backend_ = ProfileBackend(*CreateCpuBackend({Compute::kFp32, 1}), profile_);
  }

  PackedWeight Pack(const std::string& name, int64_t rows, int64_t cols) {
    values_.assign(static_cast<size_t>(rows * cols), 0.5F);
    HostMatrix m;
    m.name = name;
    m.data = values_.data();
    m.rows = rows;
    m.cols = m.row_stride = cols;
    return *backend_->Pack(m);
  }
  Buffer Zeros(int64_t rows, int64_t cols, DType dtype = DType::kF32) {
    return *backend_->Allocate({rows, cols, 0}, dtype, false);
  }
  void Begin(const std::vector<Segment>& segments, int32_t rows) {
    StepPlan plan;
    plan.max_rows = plan.max_logit_rows = 8;
    plan.hidden = plan.ffn_intermediate = plan.expert_intermediate = 32;
    plan.experts = 4;
    plan.experts_per_token = 2;
    plan.heads = 2;
    plan.kv_lora_rank = 16;
    plan.nope_dim = plan.rope_dim = plan.v_dim = 8;
    ASSERT_TRUE(backend_->Plan(plan).ok());
    const std::vector<int32_t> tokens(static_cast<size_t>(rows), 0), blocks{0, 1, 2, 3};
    backend_->BeginStep({tokens, segments, blocks, {}});
  }

  std::shared_ptr<StepProfile> profile_ = std::make_shared<StepProfile>();
  std::unique_ptr<Backend> backend_;
  std::vector<float> values_;
};

TEST_F(ProfilingBackendTest, LinearsAreToldApartByTheirNames) {
  const std::pair<const char*, Op> kNames[] = {
      {"model.layers.0.self_attn.q_a_proj.weight", Op::kQuery},
      {"model.layers.0.self_attn.q_proj.weight", Op::kQuery},
      {"model.layers.0.self_attn.kv_a_proj_with_mqa.weight", Op::kKeyValue},
      {"model.layers.0.self_attn.v_proj.weight", Op::kKeyValue},
      {"model.layers.0.self_attn.o_proj.weight", Op::kOutput},
      {"model.layers.3.mlp.gate.weight", Op::kRouter},
      {"lm_head.weight", Op::kHead},
      {"model.embed_tokens.weight", Op::kHead},
      {"model.layers.8.eh_proj.weight", Op::kOther},
  };
  profile_->mode = Mode::kCount;
  for (const auto& [name, op] : kNames) {
    *profile_ = StepProfile();
    profile_->mode = Mode::kCount;
    const PackedWeight w = Pack(name, 32, 16);
    const Buffer x = Zeros(3, 16), out = Zeros(3, 32);
    Begin({{0, 3, 0, RowPath::kMaterialised, 0, 1}}, 3);
    backend_->Linear(x, w, 3, false, out);
    EXPECT_EQ(profile_->at(op).calls, 1) << name;
    EXPECT_EQ(profile_->at(op).weight_bytes, w.bytes) << name;
    EXPECT_GE(w.bytes, 32 * 16 * 4);
    EXPECT_EQ(profile_->at(op).flops, 2.0 * 3 * 32 * 16) << name;
    EXPECT_EQ(profile_->at(op).seconds, 0) << "not asked for";
  }
}

TEST_F(ProfilingBackendTest, OffCountsNothingAndTimeAddsUp) {
  const PackedWeight w = Pack("lm_head.weight", 32, 16);
  const Buffer x = Zeros(3, 16), out = Zeros(3, 32);
  Begin({{0, 3, 0, RowPath::kMaterialised, 0, 1}}, 3);
  backend_->Linear(x, w, 3, false, out);
  EXPECT_EQ(profile_->Total().calls, 0);
  profile_->mode = Mode::kTime;
  for (int i = 0; i < 1000; ++i) backend_->Linear(x, w, 3, false, out);
  EXPECT_EQ(profile_->at(Op::kHead).calls, 1000);
  EXPECT_GT(profile_->at(Op::kHead).seconds, 0);
  EXPECT_GT(profile_->at(Op::kHead).cpu_seconds, 0);
}

TEST_F(ProfilingBackendTest, AnExpertIsReadOnceHoweverManyRowsItHas) {
  std::vector<FfnWeights> experts;
  experts.reserve(4);
  for (int e = 0; e < 4; ++e) {
    experts.push_back({Pack("model.layers.1.mlp.experts.0.gate_proj.weight", 32, 32),
                       Pack("model.layers.1.mlp.experts.0.up_proj.weight", 32, 32),
                       Pack("model.layers.1.mlp.experts.0.down_proj.weight", 32, 32)});
  }
  const int64_t one = 3 * experts[0].gate.bytes;
  const Buffer x = Zeros(3, 32), out = Zeros(3, 32), weights = Zeros(3, 2);
  const Buffer ids = Zeros(3, 2, DType::kI32);
  const std::vector<int32_t> chosen{0, 1, 1, 0, 0, 2};  // three distinct
  ASSERT_TRUE(backend_->Upload(ids, {reinterpret_cast<const uint8_t*>(chosen.data()), 24}).ok());
  profile_->mode = Mode::kCount;
  Begin({{0, 3, 0, RowPath::kMaterialised, 0, 1}}, 3);
  backend_->Moe(x, ids, weights, {absl::MakeSpan(experts).first(3), 2, &experts[3]}, out);
  EXPECT_EQ(profile_->at(Op::kExperts).weight_bytes, 4 * one) << "three routed, one shared";
  EXPECT_EQ(profile_->at(Op::kExperts).flops, 2.0 * (6 + 3) * 3 * 32 * 32);
  EXPECT_EQ(profile_->experts_read, 3);
  EXPECT_EQ(profile_->expert_pairs, 6);
}

TEST(StepProfile, SinceAndSumAreInverse) {
  StepProfile a, b;
  a.at(Op::kNorm) = {1, 0.5, 0.25, 10, 20, 30};
  a.steps = 2;
  b = a;
  b.at(Op::kNorm) += {2, 1, 1, 1, 1, 1};
  b.steps = 5;
  const StepProfile since = b.Since(a);
  EXPECT_EQ(since.at(Op::kNorm).calls, 2);
  EXPECT_EQ(since.steps, 3);
  a += since;
  EXPECT_EQ(a.at(Op::kNorm).kv_bytes, b.at(Op::kNorm).kv_bytes);
  EXPECT_EQ(a.steps, b.steps);
}

// The demo model through the engine, with and without a profile.
class ProfiledEngine : public ::testing::Test {
 protected:
  static std::vector<int32_t> Answer(const std::shared_ptr<StepProfile>& profile) {
    EngineOptions options;
    options.model.model_dir = std::string(TEST_SOURCE_DIR) + "/models/demo-v3";
    options.model.max_batch = 2;
    options.model.max_context = 128;
    options.profile = profile;
    auto engine = LoadModel(options);
    EXPECT_TRUE(engine.ok()) << engine.status();
    Request request;
    for (int32_t i = 0; i < 20; ++i) request.prompt.push_back(i * 7);
    request.max_tokens = 9;
    request.sampling.temperature = 0;
    const auto sink = std::make_shared<RecordingSink>();
    EXPECT_TRUE((*engine)->Submit(request, sink).ok());
    sink->Wait();
    std::vector<int32_t> ids;
    for (const TokenEvent& t : sink->tokens()) ids.push_back(t.id);
    return ids;
  }
};

TEST_F(ProfiledEngine, ChangesNoTokenAndAccountsForEveryRow) {
  const auto profile = std::make_shared<StepProfile>();
  profile->mode = Mode::kTime;
  EXPECT_EQ(Answer(profile), Answer(nullptr));
  EXPECT_EQ(profile->rows, 20 + 8) << "the ninth token is never fed";
  EXPECT_EQ(profile->at(Op::kHead).calls, 2 * 9) << "gather and lm_head of each token";
  for (const Op op :
       {Op::kEmbed, Op::kNorm, Op::kQuery, Op::kKeyValue, Op::kRope, Op::kAppend, Op::kAttend,
        Op::kOutput, Op::kRouter, Op::kRoute, Op::kExperts, Op::kDense, Op::kSample}) {
    EXPECT_GT(profile->at(op).calls, 0) << Name(op);
    EXPECT_GT(profile->at(op).seconds, 0) << Name(op);
  }
  EXPECT_EQ(profile->at(Op::kOther).calls, 0);
  // Four layers; a step that ends at position p reads p + 1 cached rows of 80 bf16 values.
  int64_t positions = 20;
  for (int64_t p = 21; p <= 28; ++p) positions += p;
  EXPECT_EQ(profile->at(Op::kAttend).kv_bytes, 4 * positions * 80 * 2);
}

}  // namespace
}  // namespace deepseek::engine
