#pragma once
// A Model without weights. Its cache holds, per token, a hash chain over (token, position, path);
// the next token is a function of the last row's chain. Whoever loses, mixes up or replays rows
// differently gets other tokens.

#include <atomic>
#include <condition_variable>
#include <limits>
#include <mutex>
#include <set>
#include <vector>

#include "engine/model/model.h"

namespace deepseek::engine {

class FakeBackend final : public Backend {
 public:
  std::string_view name() const override { return "fake"; }
  int64_t progress() const override { return 0; }
  absl::Status Plan(const StepPlan&) override { return absl::OkStatus(); }
  absl::StatusOr<Buffer> Allocate(const std::array<int64_t, 3>&, DType, bool) override {
    return Buffer{};
  }
  absl::StatusOr<PackedWeight> Pack(const HostMatrix&) override { return PackedWeight{}; }
  absl::StatusOr<PackedWeight> Place(const HostMatrix&) override { return PackedWeight{}; }
  void Fill(const PackedWeight&, const HostMatrix&, int64_t, int64_t) override {}
  int64_t weight_bytes() const override { return 0; }
  int64_t buffer_bytes() const override { return 0; }
  int64_t scratch_bytes() const override { return 0; }
  int64_t huge_page_bytes() const override { return 0; }
  absl::Status Upload(const Buffer&, absl::Span<const uint8_t>) override {
    return absl::OkStatus();
  }
  absl::Status Download(const Buffer& from, absl::Span<uint8_t> bytes) override;
  void BeginStep(const StepInput&) override {}
  void Embed(const Buffer&, const Buffer&) override {}
  void RmsNorm(const Buffer&, const Buffer&, float, int64_t, const Buffer&) override {}
  void Linear(const Buffer&, const PackedWeight&, int64_t, bool, const Buffer&) override {}
  void Rope(const Buffer&, int32_t, int32_t, int32_t, const RopeTable&) override {}
  void MlaAppend(const Buffer&, const MlaLayer&, const RopeTable&) override {}
  void MlaAttend(const Buffer&, const MlaLayer&, const Buffer&) override {}
  void GqaAppend(const Buffer&, const Buffer&, const GqaLayer&, const RopeTable&) override {}
  void GqaAttend(const Buffer&, const GqaLayer&, const Buffer&) override {}
  void AddBias(const Buffer&, int64_t, const Buffer&) override {}
  void Route(const Buffer&, const Buffer&, const RouteSpec&, const Buffer&,
             const Buffer&) override {}
  void Moe(const Buffer&, const Buffer&, const Buffer&, const MoeLayer&, const Buffer&) override {}
  void Ffn(const Buffer&, const FfnWeights&, const Buffer&) override {}
  void GatherLogitRows(const Buffer&, const Buffer&) override {}
  /// Greedy among the allowed ids, or the one given, with its logit as its log-prob; `finite` is
  /// false for a row whose best logit is not finite.
  void Sample(const Buffer& logits, absl::Span<const SampleSpec> specs,
              std::vector<SampleResult>* results) override;
  absl::Status Synchronize() override { return absl::OkStatus(); }

  std::vector<float> logits;  ///< [logit rows, vocab]
  int32_t vocab = 0;
};

class FakeModel final : public Model {
 public:
  struct Options {
    int32_t vocab = 97;
    int32_t max_positions = 4096;
    int32_t kv_blocks = 64;
    int32_t max_batch = 8;
    StepLimits limits{128, 16};
    bool mtp = false;
    bool one_path = false;  ///< a generated row is as a prompt row, as with GQA; else as with MLA
  };
  explicit FakeModel(const Options& options);

  const ModelSpec& spec() const override { return spec_; }
  const ModelOptions& options() const override { return options_; }
  const StepLimits& limits() const override { return limits_; }
  Backend& backend() override { return backend_; }
  int32_t kv_blocks() const override { return static_cast<int32_t>(cache_.size()); }
  int64_t progress() const override { return forwards_; }
  absl::Status Forward(const Batch& batch) override;
  Buffer logits() const override;
  absl::Status MoreLogits(const Batch& batch) override;
  void CaptureHidden(std::vector<float>* out) override { hidden_ = out; }
  absl::Status ForwardMtp(const Batch& batch, absl::Span<const int32_t> next_tokens,
                          std::vector<float>* out) override;

  /// The greedy answer to `prompt` when it is served alone, computed without any cache.
  std::vector<int32_t> Expected(const std::vector<int32_t>& prompt, int32_t tokens) const;
  /// The log-probs of the prompt's tokens from its second on, as the fake backend tells them.
  std::vector<float> ExpectedScores(const std::vector<int32_t>& prompt) const;

  // Knobs of a test; any thread.
  void Hold() { HoldAt(0); }     ///< Forward blocks until Release
  void HoldAt(int64_t forward);  ///< the same, from the call of this number on (the first is 1)
  void Release();
  void WaitUntilHeld();                   ///< until a Forward stands at the gate
  std::atomic<int> fail_forwards{0};      ///< the next n Forward calls fail
  std::atomic<int32_t> poison_token{-1};  ///< a row of this token has NaN logits
  std::atomic<int> max_rows_seen{0}, max_segments_seen{0};
  std::atomic<int64_t> rows_computed{0};
  std::atomic<int64_t> rows_materialised{0};  ///< of those

 private:
  RowPath PathOf(int32_t position, const std::vector<int32_t>& prompt) const;
  uint64_t RowState(const Batch& batch, const Segment& segment, int32_t position) const;
  void WriteLogits(uint64_t state, bool poisoned, float* row) const;

  ModelSpec spec_;
  ModelOptions options_;
  StepLimits limits_;
  const bool one_path_;
  FakeBackend backend_;
  std::vector<std::vector<uint64_t>> cache_;  // [block][offset]
  std::vector<uint64_t> states_;              // [rows] of the last step
  std::vector<float>* hidden_ = nullptr;
  std::atomic<int64_t> forwards_{0};
  std::mutex mutex_;
  std::condition_variable gate_;
  int64_t hold_at_ = std::numeric_limits<int64_t>::max();
  bool waiting_ = false;
};

}  // namespace deepseek::engine
