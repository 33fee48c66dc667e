#pragma once
// A loaded model: weights packed for one backend, step buffers planned once, the family's forward
// pass.

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/arch/model_spec.h"
#include "engine/arch/options.h"
#include "engine/kernels/backend.h"
#include "engine/model/batch.h"

namespace deepseek::engine {

/// Rows and sequences that one step can hold; fixes the plan of the step buffers.
struct StepLimits {
  int32_t max_rows = 512;  ///< new rows in one step
  int32_t max_logit_rows = 64;
};

struct LoadCallbacks {
  std::function<void(int64_t loaded_bytes, int64_t total_bytes)> on_progress;  ///< may be null
  const std::atomic<bool>* cancel = nullptr;                                   ///< may be null
};

/// Not thread-safe: one step at a time, from one thread.
class Model {
 public:
  virtual ~Model() = default;
  virtual const ModelSpec& spec() const = 0;
  virtual const ModelOptions& options() const = 0;  ///< resolved
  virtual const StepLimits& limits() const = 0;
  virtual Backend& backend() = 0;
  /// What the plan promised (engine/model/load_plan.h); 0: none was made.
  int64_t planned_bytes() const { return planned_bytes_; }
  void set_planned_bytes(int64_t bytes) { planned_bytes_ = bytes; }
  /// Blocks of the paged KV cache (kBlockTokens = 64 tokens each, all layers).
  virtual int32_t kv_blocks() const = 0;
  /// Bumped per layer and work block, for liveness.
  virtual int64_t progress() const = 0;

  /// Enqueues the step. logits(): F32 [batch.logit_rows, vocab], valid until the next Forward.
  virtual absl::Status Forward(const Batch& batch) = 0;
  virtual Buffer logits() const = 0;
  /// Enqueues the head again for other rows of the last Forward: `batch` is its batch with other
  /// logit_rows, whose logits replace those before. Any number of times.
  virtual absl::Status MoreLogits(const Batch& batch) = 0;

  /// For tools: when not null, Forward also writes [layers+1, rows, hidden] F32 of its batch here
  /// (host memory).
  virtual void CaptureHidden(std::vector<float>* out) = 0;
  /// Multi-token prediction over the rows of the last Forward, whose batch must be given again and
  /// hold one sequence (any chunk of it: the layer has KV of its own in the same blocks, so earlier
  /// chunks must have been run too). next_tokens[i] follows row i; it has one entry per row, or one
  /// less when the last row's next token is unknown. Logits F32 [next_tokens, vocab] into `out`
  /// (host). kFailedPrecondition without ModelOptions::load_mtp.
  virtual absl::Status ForwardMtp(const Batch& batch, absl::Span<const int32_t> next_tokens,
                                  std::vector<float>* out) = 0;

 private:
  int64_t planned_bytes_ = 0;
};

/// Reads, checks and packs the weights into `backend` (engine/kernels/cpu/cpu_backend.h:
/// CreateCpuBackend), which the model then owns. `options` must be resolved (engine/arch/options.h:
/// Resolve) and fit the backend.
absl::StatusOr<std::unique_ptr<Model>> LoadModelWeights(const ModelOptions& options,
                                                        const StepLimits& limits,
                                                        const LoadCallbacks& callbacks,
                                                        std::unique_ptr<Backend> backend);

}  // namespace deepseek::engine
