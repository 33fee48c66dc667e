// DeepSeek-V3 (technical report, arXiv 2412.19437): MLA with a latent cache, noaux_tc routing,
// shared experts, one multi-token-prediction layer.

#include <algorithm>
#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "engine/cache/available_memory.h"
#include "engine/cache/kv_cache.h"
#include "engine/model/family.h"
#include "engine/model/mla_block.h"
#include "engine/model/rope.h"
#include "engine/model/weight_loader.h"

namespace deepseek::engine {
namespace {

struct MtpWeights {
  Buffer embedding_norm, hidden_norm;  // [hidden]
  PackedWeight project_embedding;      // [hidden, hidden]: left half of eh_proj
  PackedWeight project_hidden;         // [hidden, hidden]: right half
  MlaBlockWeights block;
  Buffer norm;  // shared_head.norm [hidden]
};

class DeepseekV3 : public Model {
 public:
  DeepseekV3(const ModelSpec& spec, const ModelOptions& options, const StepLimits& limits,
             std::unique_ptr<Backend> backend)
      : spec_(spec), options_(options), limits_(limits), backend_(std::move(backend)) {}

  absl::Status Load(const Checkpoint& checkpoint, const LoadCallbacks& callbacks);

  const ModelSpec& spec() const override { return spec_; }
  const ModelOptions& options() const override { return options_; }
  const StepLimits& limits() const override { return limits_; }
  Backend& backend() override { return *backend_; }
  int32_t kv_blocks() const override { return cache_.blocks(); }
  int64_t progress() const override { return backend_->progress(); }
  Buffer logits() const override { return logits_; }
  void CaptureHidden(std::vector<float>* out) override { capture_ = out; }
  absl::Status Forward(const Batch& batch) override;
  absl::Status ForwardMtp(const Batch& batch, absl::Span<const int32_t> next_tokens,
                          std::vector<float>* out) override;

 private:
  absl::Status LoadMtp(WeightLoader* loader);
  absl::Status PlanStep();
  absl::Status Capture(int64_t rows);
  float eps() const { return static_cast<float>(spec_.rms_norm_eps); }

  ModelSpec spec_;
  ModelOptions options_;
  StepLimits limits_;
  std::unique_ptr<Backend> backend_;
  Buffer embedding_;   // [vocab, hidden] in the stored type
  Buffer norm_;        // [hidden]
  PackedWeight head_;  // [vocab, hidden]
  std::vector<MlaBlockWeights> blocks_;
  MtpWeights mtp_;
  KvCache cache_;
  RopeTable rope_;
  MlaScratch scratch_;
  Buffer x_;                 // [rows, hidden]: the residual stream
  Buffer last_;              // [logit rows, hidden]
  Buffer logits_;            // [logit rows, vocab]
  Buffer mtp_hidden_;        // [rows, hidden]
  int64_t hidden_rows_ = 0;  // rows of x_ that hold the last Forward's output
  std::vector<float>* capture_ = nullptr;
};

absl::Status DeepseekV3::LoadMtp(WeightLoader* loader) {
  if (spec_.mtp_layers < 1) {
    return absl::InvalidArgumentError(
        "config.json has num_nextn_predict_layers 0: no MTP layer to load");
  }
  const std::string prefix = StrCat("model.layers.", spec_.layers, ".");
  ASSIGN_OR_RETURN(mtp_.embedding_norm, loader->Vector(prefix + "enorm.weight"));
  ASSIGN_OR_RETURN(mtp_.hidden_norm, loader->Vector(prefix + "hnorm.weight"));
  ASSIGN_OR_RETURN(HostMatrix eh, loader->Matrix(prefix + "eh_proj"));
  eh.store = loader->store();
  // eh_proj([e ; h]) = left e + right h: the embedding half comes first in released weights.
  ASSIGN_OR_RETURN(mtp_.project_embedding, loader->Pack(eh.Slice(0, eh.rows, 0, spec_.hidden)));
  ASSIGN_OR_RETURN(mtp_.project_hidden,
                   loader->Pack(eh.Slice(0, eh.rows, spec_.hidden, spec_.hidden)));
  ASSIGN_OR_RETURN(mtp_.block, LoadMlaBlock(spec_, spec_.layers, loader));
  ASSIGN_OR_RETURN(mtp_.norm, loader->Vector(prefix + "shared_head.norm.weight"));
  return absl::OkStatus();
}

absl::Status DeepseekV3::Load(const Checkpoint& checkpoint, const LoadCallbacks& callbacks) {
  WeightLoader loader(checkpoint, spec_, options_, backend_.get(), callbacks);
  ASSIGN_OR_RETURN(embedding_, loader.Table("model.embed_tokens.weight"));
  for (int32_t i = 0; i < spec_.layers; ++i) {
    ASSIGN_OR_RETURN(MlaBlockWeights block, LoadMlaBlock(spec_, i, &loader));
    blocks_.push_back(std::move(block));
  }
  ASSIGN_OR_RETURN(norm_, loader.Vector("model.norm.weight"));
  ASSIGN_OR_RETURN(head_, loader.Linear(spec_.tie_embeddings ? "model.embed_tokens" : "lm_head"));
  if (options_.load_mtp) RETURN_IF_ERROR(LoadMtp(&loader));

  const RopeAngles angles = BuildRope(spec_.rope, spec_.rope_dim, options_.max_context);
  const std::array<int64_t, 3> shape{options_.max_context, spec_.rope_dim / 2, 0};
  ASSIGN_OR_RETURN(rope_.cos, loader.Upload(angles.cos, shape));
  ASSIGN_OR_RETURN(rope_.sin, loader.Upload(angles.sin, shape));
  rope_.layout = spec_.rope.layout;

  const int32_t layers = spec_.layers + (options_.load_mtp ? 1 : 0);
  ASSIGN_OR_RETURN(const int32_t blocks, PlanKvBlocks(spec_, options_, layers, options_.max_context,
                                                      AvailableMemoryBytes()));
  ASSIGN_OR_RETURN(cache_, KvCache::Create(backend_.get(), spec_, options_.kv, layers, blocks));
  RETURN_IF_ERROR(PlanStep());
  return loader.Finish();
}

absl::Status DeepseekV3::PlanStep() {
  StepPlan plan;
  plan.max_rows = limits_.max_rows;
  plan.max_logit_rows = limits_.max_logit_rows;
  plan.hidden = spec_.hidden;
  plan.ffn_intermediate = std::max(spec_.first_dense_layers > 0 ? spec_.dense_intermediate : 0,
                                   spec_.shared_experts * spec_.expert_intermediate);
  plan.experts = spec_.experts;
  plan.experts_per_token = spec_.experts_per_token;
  plan.expert_intermediate = spec_.expert_intermediate;
  plan.heads = spec_.heads;
  plan.kv_lora_rank = spec_.kv_lora_rank;
  plan.nope_dim = spec_.nope_dim;
  plan.rope_dim = spec_.rope_dim;
  plan.v_dim = spec_.v_dim;
  RETURN_IF_ERROR(backend_->Plan(plan));
  const auto buffer = [&](int64_t rows, int64_t width) {
    return backend_->Allocate({rows, width, 0}, DType::kF32, false);
  };
  ASSIGN_OR_RETURN(scratch_, PlanMlaScratch(spec_, limits_.max_rows, backend_.get()));
  ASSIGN_OR_RETURN(x_, buffer(limits_.max_rows, spec_.hidden));
  ASSIGN_OR_RETURN(last_, buffer(limits_.max_logit_rows, spec_.hidden));
  ASSIGN_OR_RETURN(logits_, buffer(limits_.max_logit_rows, spec_.vocab));
  if (options_.load_mtp) {
    ASSIGN_OR_RETURN(mtp_hidden_, buffer(limits_.max_rows, spec_.hidden));
  }
  return absl::OkStatus();
}

absl::Status DeepseekV3::Capture(int64_t rows) {
  if (capture_ == nullptr) return absl::OkStatus();
  const size_t begin = capture_->size();
  capture_->resize(begin + static_cast<size_t>(rows * spec_.hidden));
  return backend_->Download(x_, {reinterpret_cast<uint8_t*>(capture_->data() + begin),
                                 (capture_->size() - begin) * sizeof(float)});
}

absl::Status DeepseekV3::Forward(const Batch& batch) {
  RETURN_IF_ERROR(CheckBatch(batch, {limits_.max_rows, limits_.max_logit_rows, options_.max_context,
                                     spec_.vocab, cache_.blocks()}));
  const auto rows = static_cast<int64_t>(batch.tokens.size());
  if (capture_ != nullptr) capture_->clear();
  backend_->BeginStep({batch.tokens, batch.segments, batch.block_ids, batch.logit_rows});
  backend_->Embed(embedding_, x_);
  RETURN_IF_ERROR(Capture(rows));
  for (int32_t i = 0; i < spec_.layers; ++i) {
    ForwardMlaBlock(spec_, blocks_[static_cast<size_t>(i)], scratch_, cache_.layer(i), rope_, rows,
                    x_, backend_.get());
    RETURN_IF_ERROR(Capture(rows));
  }
  hidden_rows_ = rows;
  const auto wanted = static_cast<int64_t>(batch.logit_rows.size());
  if (wanted == 0) return absl::OkStatus();
  backend_->GatherLogitRows(x_, last_);
  backend_->RmsNorm(last_, norm_, eps(), wanted, last_);
  backend_->Linear(last_, head_, wanted, false, logits_);
  return absl::OkStatus();
}

absl::Status DeepseekV3::ForwardMtp(const Batch& batch, absl::Span<const int32_t> next_tokens,
                                    std::vector<float>* out) {
  if (!options_.load_mtp) {
    return absl::FailedPreconditionError("the MTP layer was not loaded (load_mtp)");
  }
  const auto rows = static_cast<int64_t>(next_tokens.size());
  if (static_cast<int64_t>(batch.tokens.size()) != hidden_rows_ || rows > hidden_rows_ ||
      rows + 1 < hidden_rows_) {
    return absl::InvalidArgumentError(
        "MTP needs the last Forward's batch and a next token per row");
  }
  out->clear();
  hidden_rows_ = 0;
  if (rows == 0) return absl::OkStatus();
  Batch step = batch;
  step.tokens.assign(next_tokens.begin(), next_tokens.end());
  step.logit_rows.clear();
  if (rows < static_cast<int64_t>(batch.tokens.size()) && --step.segments.back().rows == 0) {
    step.segments.pop_back();
  }
  RETURN_IF_ERROR(CheckBatch(step, {limits_.max_rows, limits_.max_logit_rows, options_.max_context,
                                    spec_.vocab, cache_.blocks()}));
  // h_i is taken after the main model's final norm.
  backend_->RmsNorm(x_, norm_, eps(), rows, scratch_.normed);
  backend_->RmsNorm(scratch_.normed, mtp_.hidden_norm, eps(), rows, mtp_hidden_);
  backend_->BeginStep({step.tokens, step.segments, step.block_ids, {}});
  backend_->Embed(embedding_, x_);
  backend_->RmsNorm(x_, mtp_.embedding_norm, eps(), rows, scratch_.normed);
  backend_->Linear(scratch_.normed, mtp_.project_embedding, rows, false, x_);
  backend_->Linear(mtp_hidden_, mtp_.project_hidden, rows, true, x_);
  ForwardMlaBlock(spec_, mtp_.block, scratch_, cache_.layer(spec_.layers), rope_, rows, x_,
                  backend_.get());
  backend_->RmsNorm(x_, mtp_.norm, eps(), rows, scratch_.normed);
  out->resize(static_cast<size_t>(rows * spec_.vocab));
  for (int64_t begin = 0; begin < rows; begin += limits_.max_logit_rows) {
    const int64_t n = std::min<int64_t>(limits_.max_logit_rows, rows - begin);
    Buffer part = scratch_.normed;
    part.offset_bytes += begin * spec_.hidden * int64_t{sizeof(float)};
    part.shape[0] = n;
    backend_->Linear(part, head_, n, false, logits_);
    RETURN_IF_ERROR(
        backend_->Download(logits_, {reinterpret_cast<uint8_t*>(out->data() + begin * spec_.vocab),
                                     static_cast<size_t>(n * spec_.vocab) * sizeof(float)}));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Model>> LoadDeepseekV3(const ModelSpec& spec,
                                                      const ModelOptions& options,
                                                      const StepLimits& limits,
                                                      const LoadCallbacks& callbacks,
                                                      const Checkpoint& checkpoint,
                                                      std::unique_ptr<Backend> backend) {
  auto model = std::make_unique<DeepseekV3>(spec, options, limits, std::move(backend));
  RETURN_IF_ERROR(model->Load(checkpoint, callbacks));
  return model;
}

}  // namespace deepseek::engine
