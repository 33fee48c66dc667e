#pragma once
// The engine's public face: load a model, submit token requests, get tokens. It knows token ids
// only; text is the caller's business (engine/tokenizer).

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "engine/arch/memory_plan.h"
#include "engine/arch/model_spec.h"
#include "engine/arch/options.h"
#include "engine/step_profile.h"
#include "engine/token_constraint.h"

namespace deepseek::engine {

using RequestId = uint64_t;

enum class FinishReason { kStop, kLength, kCancelled, kDeadline, kError };
/// "stop", "length", "cancelled", "deadline", "error".
std::string_view Name(FinishReason reason);

struct SamplingParams {
  float temperature = 1.0F;         ///< 0: greedy
  float top_p = 1.0F;               ///< [0, 1]; 0: the most likely token
  int32_t top_k = 0;                ///< 0: off
  float min_p = 0.0F;               ///< [0, 1)
  float presence_penalty = 0.0F;    ///< [-2, 2]
  float frequency_penalty = 0.0F;   ///< [-2, 2]
  float repetition_penalty = 1.0F;  ///< > 0
  uint64_t seed = 0;                ///< the noise of a position is Philox(seed, choice, position)
  uint32_t choice = 0;              ///< which of n answers this is
  std::vector<std::pair<int32_t, float>> logit_bias;
};

struct Request {
  std::vector<int32_t> prompt;  ///< token ids, at least one
  int32_t max_tokens = 0;       ///< new tokens at most; 0: up to the context limit
  bool prompt_only = false;     ///< no new token: kLength when the prompt is computed
  SamplingParams sampling;
  std::vector<int32_t>
      stop_ids;  ///< a generated id among these ends the answer (it is delivered, reason kStop)
  int32_t top_logprobs = -1;  ///< -1: no log-probs; n: of the chosen token and the n best (<= 20)
  /// The same for each token of the prompt but the first (Sink::OnPrompt). Such a request computes
  /// all of its prompt: no row that tells of a token comes from the prefix cache.
  int32_t prompt_logprobs = -1;
  absl::Time deadline = absl::InfiniteFuture();
  int32_t priority = 0;  ///< higher first
  /// The prefix cache is shared among requests with the same salt only: a tenant whose prompts
  /// must not be guessed from how soon answers begin has its own.
  std::string cache_salt;
  /// Requests of clients with a name take turns: one that has many waits behind one that has few.
  /// Empty: nobody in particular, served by arrival.
  std::string client;
  std::shared_ptr<TokenConstraint> constraint;  ///< of this request alone; null: free
};

struct TokenLogprob {
  int32_t id = 0;
  float logprob = 0;  ///< natural logarithm, before penalties and temperature
};

struct TokenEvent {
  int32_t id = 0;
  float logprob = 0;              ///< valid when Request::top_logprobs >= 0
  std::vector<TokenLogprob> top;  ///< best first
  bool ends = false;              ///< one of Request::stop_ids, where the answer may end: no text
};

struct Usage {
  int32_t prompt_tokens = 0;
  int32_t cached_tokens = 0;  ///< of the prompt, found in the prefix cache
  int32_t generated_tokens = 0;
  absl::Duration queue_time;    ///< submit -> first row computed
  absl::Duration prefill_time;  ///< first row computed -> first token
  absl::Duration decode_time;   ///< first token -> last token
};

/// Gets what a request produces, on the engine's step thread: implementations must return quickly
/// and never throw.
class Sink {
 public:
  virtual ~Sink() = default;
  /// The prompt's next tokens, from its second on, with Request::prompt_logprobs: each once and in
  /// order, as they are computed, and all of them before the first OnToken.
  virtual void OnPrompt(absl::Span<const TokenEvent> /*tokens*/) {}
  virtual void OnToken(const TokenEvent& token) = 0;
  /// Called exactly once, after the last token; the engine drops its reference afterwards. `error`
  /// is OK unless kError.
  virtual void OnFinish(FinishReason reason, const Usage& usage, const absl::Status& error) = 0;
};

struct Stats {
  int32_t running = 0;
  int32_t waiting = 0;
  int64_t kv_blocks_total = 0;
  int64_t kv_blocks_used = 0;  ///< held by requests; blocks kept only for later ones are not used
  int64_t preemptions = 0;
  int64_t prefix_queries = 0;  ///< prompt tokens looked up in the prefix cache
  int64_t prefix_hits = 0;     ///< of these, found
  int64_t steps = 0;           ///< finished steps
  int64_t step_tokens = 0;     ///< rows of the last step
  int64_t nonfinite_rows = 0;  ///< rows whose logits held NaN or infinity
  int64_t progress = 0;        ///< bumped per layer: a hung step does not bump it
  absl::Time last_step_end = absl::InfinitePast();
  absl::Time busy_since =
      absl::InfiniteFuture();  ///< since when there has always been work; future: idle
};

struct LoadProgress {
  int64_t loaded_bytes = 0;
  int64_t total_bytes = 0;
};

struct EngineOptions {
  ModelOptions model;
  int32_t max_queue = 1024;  ///< waiting requests; one more is refused (kResourceExhausted)
  /// A request that would wait longer for its first row is refused (kResourceExhausted). Nothing:
  /// 30 s for those who find no free place in the batch, no limit for the others.
  std::optional<absl::Duration> max_queue_delay;
  bool prefix_cache = true;  ///< requests with the same beginning share its KV blocks
  absl::Duration max_batch_delay =
      absl::ZeroDuration();  ///< waits so long for company before the first step
  absl::Duration step_target =
      absl::Milliseconds(200);  ///< prefill chunks are cut so that a step takes about this
  int32_t tool_rows =
      0;  ///< > 0: a step holds so many rows, with logits of each (Evaluate in one go)
  std::function<void(const LoadProgress&)> on_progress;  ///< from the loading threads; may be null
  const std::atomic<bool>* cancel_load = nullptr;        ///< checked between tensors; may be null
  std::function<absl::Time()> now;                       ///< null: absl::Now
  std::shared_ptr<StepProfile> profile;  ///< null: none. Filled on the step thread, see there
};

/// Logits of chosen rows, for tools and tests: runs through the serving step and the paged cache.
struct EvaluateRequest {
  std::vector<int32_t> tokens;     ///< [T]
  std::vector<int32_t> positions;  ///< rows whose logits are wanted; empty: all
  int32_t chunk = 0;               ///< rows fed per step; 0: as many as fit
  bool hidden = false;
  bool mtp = false;
};
struct EvaluateResult {
  std::vector<float> logits;      ///< [positions or T, vocab]
  std::vector<float> hidden;      ///< [layers+1, T, hidden], if asked for
  std::vector<float> mtp_logits;  ///< [T-1, vocab] (rows at positions < T-1), if asked for
};

/// What LoadModel does with memory, from config.json and the headers of the weight files alone.
struct ModelPlan {
  ModelSpec spec;
  ModelOptions options;  ///< resolved, max_context set
  MemoryPlan memory;
  int64_t stored_bytes = 0;  ///< what is read of the files
  int64_t available_bytes = 0;
  std::string limit;  ///< what sets available_bytes: "the machine", "the cgroup's ..."
  Fit fit;            ///< into available_bytes
  absl::Status fits;  ///< what LoadModel says: OK, or kResourceExhausted with the numbers
  std::vector<std::string> remedies;  ///< flags that would make it fit
  std::string huge_pages;  ///< the system's policy: "always", "madvise", "never", "unknown"
};

/// Memory of a loaded model.
struct MemoryUse {
  int64_t planned_bytes = 0;    ///< MemoryPlan::total_bytes
  int64_t weight_bytes = 0;     ///< packed
  int64_t buffer_bytes = 0;     ///< embedding, norms, cache, step buffers
  int64_t scratch_bytes = 0;    ///< of the backend
  int64_t huge_page_bytes = 0;  ///< of this process; 0: unknown. Slow to read for large models
  std::string huge_pages;       ///< as in ModelPlan
};

/// Thread-safe. Owns the step thread, the weights and the cache.
class Engine {
 public:
  virtual ~Engine() = default;
  virtual const ModelSpec& spec() const = 0;
  virtual const ModelOptions& options() const = 0;  ///< resolved: no kAuto left
  virtual int32_t max_context() const = 0;
  /// kInvalidArgument: the request can never run (too long, bad id, bad parameter; the message
  /// names it). kResourceExhausted: the queue is full, or the wait too long for the request's
  /// deadline or max_queue_delay; RetryAfter (refusal.h) says when to come back.
  /// kDeadlineExceeded: the deadline has passed already. kUnavailable: draining.
  virtual absl::StatusOr<RequestId> Submit(Request request, std::shared_ptr<Sink> sink) = 0;
  /// Idempotent; the sink gets OnFinish(kCancelled) within one step. Unknown ids are ignored.
  virtual void Cancel(RequestId id) = 0;
  /// Refuses new requests, waits for the running ones; at `deadline` the rest is cancelled. Returns
  /// how many were. Must not be called from a Sink.
  virtual int Drain(absl::Time deadline) = 0;
  virtual Stats stats() const = 0;
  /// After the load; nothing grows afterwards.
  virtual MemoryUse memory() const { return {}; }
  /// Runs on the step thread between two steps, when the cache has room for it: serving waits so
  /// long.
  virtual absl::StatusOr<EvaluateResult> Evaluate(const EvaluateRequest& request) = 0;
};

/// `memory_bytes`: plan for so much; 0: for what this process may take now. Errors as LoadModel's,
/// except that a plan that does not fit is no error.
absl::StatusOr<ModelPlan> PlanModel(const EngineOptions& options, int64_t memory_bytes = 0);

/// Reads, checks and packs the weights, as PlanModel says. Errors: kNotFound / kDataLoss /
/// kUnimplemented (invalid model: exit code 2), kInvalidArgument (wrong options),
/// kResourceExhausted (does not fit, with numbers), kCancelled.
absl::StatusOr<std::unique_ptr<Engine>> LoadModel(const EngineOptions& options);

}  // namespace deepseek::engine
