#include "engine/model/decoder.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "base/status.h"
#include "engine/cache/available_memory.h"
#include "engine/cache/kv_cache.h"
#include "engine/model/mtp_layer.h"
#include "engine/model/rope.h"

namespace deepseek::engine {
namespace {

class Decoder : public Model {
 public:
  Decoder(const FamilyInput& input, std::unique_ptr<Backend> backend)
      : spec_(input.spec),
        options_(input.options),
        limits_(input.limits),
        backend_(std::move(backend)) {}

  absl::Status Load(const FamilyInput& input, const LayerParts& parts);

  const ModelSpec& spec() const override { return spec_; }
  const ModelOptions& options() const override { return options_; }
  const StepLimits& limits() const override { return limits_; }
  Backend& backend() override { return *backend_; }
  int32_t kv_blocks() const override { return cache_.blocks(); }
  int64_t progress() const override { return backend_->progress(); }
  Buffer logits() const override { return buffers_.logits; }
  void CaptureHidden(std::vector<float>* out) override { capture_ = out; }
  absl::Status Forward(const Batch& batch) override;
  absl::Status MoreLogits(const Batch& batch) override;
  absl::Status ForwardMtp(const Batch& batch, absl::Span<const int32_t> next_tokens,
                          std::vector<float>* out) override;

 private:
  absl::Status Check(const Batch& batch) const {
    return CheckBatch(batch, {limits_.max_rows, limits_.max_logit_rows, options_.max_context,
                              spec_.vocab, cache_.blocks()});
  }
  absl::Status LoadRope(WeightLoader* loader);
  absl::Status Capture(int64_t rows);
  /// Logits of the first `rows` rows of buffers_.normed, in parts that fit, to the host.
  absl::Status DownloadLogits(int64_t rows, std::vector<float>* out);
  /// Logits of the step's logit rows, of which there are `wanted`.
  void Head(int64_t wanted);
  LayerStep Step(int64_t rows) const { return {backend_.get(), &buffers_, &rope_, rows}; }
  float eps() const { return static_cast<float>(spec_.rms_norm_eps); }

  const ModelSpec spec_;  // the layers refer to it
  const ModelOptions options_;
  const StepLimits limits_;
  std::unique_ptr<Backend> backend_;
  Buffer embedding_;   // [vocab, hidden] in the stored type
  Buffer norm_;        // [hidden]
  PackedWeight head_;  // [vocab, hidden]
  std::vector<DecoderLayer> layers_;
  std::optional<MtpLayer> mtp_;
  KvCache cache_;
  RopeTable rope_;
  StepBuffers buffers_;
  int64_t hidden_rows_ = 0;  // rows of buffers_.x that hold the last Forward's output
  std::vector<float>* capture_ = nullptr;
};

absl::Status Decoder::Load(const FamilyInput& input, const LayerParts& parts) {
  WeightLoader loader(input.checkpoint, spec_, options_, backend_.get(), input.callbacks);
  ASSIGN_OR_RETURN(embedding_, loader.Table("model.embed_tokens.weight"));
  for (int32_t i = 0; i < spec_.layers; ++i) {
    ASSIGN_OR_RETURN(DecoderLayer layer, DecoderLayer::Load(spec_, parts, i, &loader));
    layers_.push_back(std::move(layer));
  }
  ASSIGN_OR_RETURN(norm_, loader.Vector("model.norm.weight"));
  ASSIGN_OR_RETURN(head_, loader.Linear(spec_.tie_embeddings ? "model.embed_tokens" : "lm_head"));
  if (options_.load_mtp) {
    ASSIGN_OR_RETURN(mtp_, MtpLayer::Load(spec_, parts, limits_, &loader));
  }
  RETURN_IF_ERROR(LoadRope(&loader));
  const int32_t layers = spec_.layers + (mtp_ ? 1 : 0);
  ASSIGN_OR_RETURN(const int32_t blocks, PlanKvBlocks(spec_, options_, layers, options_.max_context,
                                                      AvailableMemoryBytes()));
  ASSIGN_OR_RETURN(cache_, KvCache::Create(backend_.get(), spec_, options_.kv, layers, blocks));
  RETURN_IF_ERROR(backend_->Plan(StepPlanOf(spec_, limits_)));
  ASSIGN_OR_RETURN(buffers_, AllocateStepBuffers(spec_, limits_, backend_.get()));
  return loader.Finish();
}

absl::Status Decoder::LoadRope(WeightLoader* loader) {
  const int32_t dim = spec_.rotary_dim();
  const RopeAngles angles = BuildRope(spec_.rope, dim, options_.max_context);
  const std::array<int64_t, 3> shape{options_.max_context, dim / 2, 0};
  ASSIGN_OR_RETURN(rope_.cos, loader->Upload(angles.cos, shape));
  ASSIGN_OR_RETURN(rope_.sin, loader->Upload(angles.sin, shape));
  rope_.layout = spec_.rope.layout;
  return absl::OkStatus();
}

absl::Status Decoder::Capture(int64_t rows) {
  if (capture_ == nullptr) return absl::OkStatus();
  const size_t begin = capture_->size();
  capture_->resize(begin + static_cast<size_t>(rows * spec_.hidden));
  return backend_->Download(buffers_.x, {reinterpret_cast<uint8_t*>(capture_->data() + begin),
                                         (capture_->size() - begin) * sizeof(float)});
}

absl::Status Decoder::Forward(const Batch& batch) {
  RETURN_IF_ERROR(Check(batch));
  const auto rows = static_cast<int64_t>(batch.tokens.size());
  if (capture_ != nullptr) capture_->clear();
  backend_->BeginStep({batch.tokens, batch.segments, batch.block_ids, batch.logit_rows});
  backend_->Embed(embedding_, buffers_.x);
  RETURN_IF_ERROR(Capture(rows));
  for (int32_t i = 0; i < spec_.layers; ++i) {
    layers_[static_cast<size_t>(i)].Forward(Step(rows), cache_.layer(i), buffers_.x);
    RETURN_IF_ERROR(Capture(rows));
  }
  hidden_rows_ = rows;
  Head(static_cast<int64_t>(batch.logit_rows.size()));
  return absl::OkStatus();
}

absl::Status Decoder::MoreLogits(const Batch& batch) {
  RETURN_IF_ERROR(Check(batch));
  if (static_cast<int64_t>(batch.tokens.size()) != hidden_rows_)
    return absl::InvalidArgumentError("more logits need the last Forward's batch");
  backend_->BeginStep({batch.tokens, batch.segments, batch.block_ids, batch.logit_rows});
  Head(static_cast<int64_t>(batch.logit_rows.size()));
  return absl::OkStatus();
}

void Decoder::Head(int64_t wanted) {
  if (wanted == 0) return;
  backend_->GatherLogitRows(buffers_.x, buffers_.last);
  backend_->RmsNorm(buffers_.last, norm_, eps(), wanted, buffers_.last);
  backend_->Linear(buffers_.last, head_, wanted, false, buffers_.logits);
}

absl::Status Decoder::ForwardMtp(const Batch& batch, absl::Span<const int32_t> next_tokens,
                                 std::vector<float>* out) {
  if (!mtp_) return absl::FailedPreconditionError("the MTP layer was not loaded (load_mtp)");
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
  RETURN_IF_ERROR(Check(step));
  backend_->RmsNorm(buffers_.x, norm_, eps(), rows, buffers_.normed);
  mtp_->TakeState(backend_.get(), buffers_.normed, rows);
  backend_->BeginStep({step.tokens, step.segments, step.block_ids, {}});
  backend_->Embed(embedding_, buffers_.x);
  mtp_->Forward(Step(rows), cache_.layer(spec_.layers));
  return DownloadLogits(rows, out);
}

absl::Status Decoder::DownloadLogits(int64_t rows, std::vector<float>* out) {
  out->resize(static_cast<size_t>(rows * spec_.vocab));
  for (int64_t begin = 0; begin < rows; begin += limits_.max_logit_rows) {
    const int64_t n = std::min<int64_t>(limits_.max_logit_rows, rows - begin);
    Buffer part = buffers_.normed;
    part.offset_bytes += begin * spec_.hidden * int64_t{sizeof(float)};
    part.shape[0] = n;
    backend_->Linear(part, head_, n, false, buffers_.logits);
    RETURN_IF_ERROR(backend_->Download(
        buffers_.logits, {reinterpret_cast<uint8_t*>(out->data() + begin * spec_.vocab),
                          static_cast<size_t>(n * spec_.vocab) * sizeof(float)}));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Model>> LoadDecoder(const FamilyInput& input,
                                                   std::unique_ptr<Backend> backend,
                                                   const LayerParts& parts) {
  auto model = std::make_unique<Decoder>(input, std::move(backend));
  RETURN_IF_ERROR(model->Load(input, parts));
  return model;
}

}  // namespace deepseek::engine
