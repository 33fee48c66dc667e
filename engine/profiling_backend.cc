#include "engine/profiling_backend.h"

#include <time.h>

#include <algorithm>
#include <chrono>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/status.h"

namespace deepseek::engine {
namespace {

double CpuSeconds() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

// Which operation a linear is, from the end of its tensor's name.
Op OpOf(std::string_view tensor) {
  constexpr std::pair<std::string_view, Op> kParts[] = {
      {".q_a_proj.", Op::kQuery},   {".q_b_proj.", Op::kQuery},
      {".q_proj.", Op::kQuery},     {".kv_a_proj_with_mqa.", Op::kKeyValue},
      {".k_proj.", Op::kKeyValue},  {".v_proj.", Op::kKeyValue},
      {".kv_b_proj.", Op::kAttend}, {".o_proj.", Op::kOutput},
      {".mlp.gate.", Op::kRouter},  {".mlp.", Op::kDense},
      {"lm_head.", Op::kHead},      {"embed_tokens.", Op::kHead},  // tied
  };
  for (const auto& [part, op] : kParts) {
    if (tensor.find(part) != std::string_view::npos) return op;
  }
  return Op::kOther;
}

int64_t FfnBytes(const FfnWeights& f) {
  return f.gate.bytes + f.up.bytes + f.down.bytes;
}
double FfnFlops(const FfnWeights& f) {
  return 2.0 * static_cast<double>(f.gate.rows * f.gate.cols + f.up.rows * f.up.cols +
                                   f.down.rows * f.down.cols);
}
int64_t Sum(absl::Span<const PackedWeight> weights) {
  int64_t bytes = 0;
  for (const PackedWeight& w : weights) bytes += w.bytes;
  return bytes;
}

class ProfilingBackend final : public Backend {
 public:
  ProfilingBackend(std::unique_ptr<Backend> inner, std::shared_ptr<StepProfile> profile)
      : inner_(std::move(inner)), profile_(std::move(profile)) {}

  std::string_view name() const override { return inner_->name(); }
  int64_t progress() const override { return inner_->progress(); }
  absl::StatusOr<Buffer> Allocate(const std::array<int64_t, 3>& shape, DType dtype,
                                  bool bulk) override {
    return inner_->Allocate(shape, dtype, bulk);
  }
  absl::StatusOr<PackedWeight> Pack(const HostMatrix& matrix) override {
    ASSIGN_OR_RETURN(const PackedWeight packed, inner_->Pack(matrix));
    op_of_[packed.handle] = OpOf(matrix.name);
    return packed;
  }
  absl::StatusOr<PackedWeight> Place(const HostMatrix& matrix) override {
    ASSIGN_OR_RETURN(const PackedWeight packed, inner_->Place(matrix));
    op_of_[packed.handle] = OpOf(matrix.name);
    return packed;
  }
  void Fill(const PackedWeight& weight, const HostMatrix& matrix, int64_t row_begin,
            int64_t row_end) override {
    inner_->Fill(weight, matrix, row_begin, row_end);
  }
  int64_t weight_bytes() const override { return inner_->weight_bytes(); }
  int64_t buffer_bytes() const override { return inner_->buffer_bytes(); }
  int64_t scratch_bytes() const override { return inner_->scratch_bytes(); }
  int64_t huge_page_bytes() const override { return inner_->huge_page_bytes(); }
  absl::Status Upload(const Buffer& to, absl::Span<const uint8_t> bytes) override {
    return inner_->Upload(to, bytes);
  }
  absl::Status Download(const Buffer& from, absl::Span<uint8_t> bytes) override {
    return inner_->Download(from, bytes);
  }
  absl::Status Plan(const StepPlan& plan) override { return inner_->Plan(plan); }

  void BeginStep(const StepInput& input) override {
    rows_ = static_cast<int64_t>(input.tokens.size());
    if (counting()) segments_.assign(input.segments.begin(), input.segments.end());
    inner_->BeginStep(input);
  }
  void Embed(const Buffer& table, const Buffer& out) override {
    // Counted here: a step is begun again for more logits.
    if (counting()) {
      ++profile_->steps;
      profile_->rows += rows_;
    }
    const Timed t(this, Op::kEmbed, {.weight_bytes = rows_ * table.shape[1] * SizeOf(table.dtype)});
    inner_->Embed(table, out);
  }
  void RmsNorm(const Buffer& x, const Buffer& weight, float eps, int64_t rows,
               const Buffer& out) override {
    const Timed t(this, Op::kNorm, {.flops = 4.0 * static_cast<double>(rows * weight.shape[0])});
    inner_->RmsNorm(x, weight, eps, rows, out);
  }
  void Linear(const Buffer& x, const PackedWeight& weight, int64_t rows, bool accumulate,
              const Buffer& out) override {
    const Timed t(this, LinearOp(weight),
                  {.weight_bytes = weight.bytes,
                   .flops = 2.0 * static_cast<double>(rows * weight.rows * weight.cols)});
    inner_->Linear(x, weight, rows, accumulate, out);
  }
  void Rope(const Buffer& q, int32_t heads, int32_t head_dim, int32_t rope_dim,
            const RopeTable& table) override {
    const Timed t(this, Op::kRope, {.flops = 3.0 * static_cast<double>(rows_ * heads * rope_dim)});
    inner_->Rope(q, heads, head_dim, rope_dim, table);
  }
  void MlaAppend(const Buffer& kv, const MlaLayer& layer, const RopeTable& table) override {
    const Timed t(this, Op::kAppend, {});
    inner_->MlaAppend(kv, layer, table);
  }
  void MlaAttend(const Buffer& q, const MlaLayer& layer, const Buffer& out) override {
    const Timed t(this, Op::kAttend, counting() ? MlaCost(layer) : OpCost());
    inner_->MlaAttend(q, layer, out);
  }
  void GqaAppend(const Buffer& k, const Buffer& v, const GqaLayer& layer,
                 const RopeTable& table) override {
    const Timed t(this, Op::kAppend, {});
    inner_->GqaAppend(k, v, layer, table);
  }
  void GqaAttend(const Buffer& q, const GqaLayer& layer, const Buffer& out) override {
    const Timed t(this, Op::kAttend, counting() ? GqaCost(layer) : OpCost());
    inner_->GqaAttend(q, layer, out);
  }
  void AddBias(const Buffer& bias, int64_t rows, const Buffer& x) override {
    const Timed t(this, Op::kOther, {.flops = static_cast<double>(rows * bias.shape[0])});
    inner_->AddBias(bias, rows, x);
  }
  void Route(const Buffer& scores, const Buffer& bias, const RouteSpec& spec, const Buffer& ids,
             const Buffer& weights) override {
    const Timed t(this, Op::kRoute, {});
    inner_->Route(scores, bias, spec, ids, weights);
  }
  void Moe(const Buffer& x, const Buffer& ids, const Buffer& weights, const MoeLayer& layer,
           const Buffer& out) override {
    const Timed t(this, Op::kExperts, counting() ? MoeCost(ids, layer) : OpCost());
    inner_->Moe(x, ids, weights, layer, out);
  }
  void Ffn(const Buffer& x, const FfnWeights& ffn, const Buffer& out) override {
    const Timed t(
        this, LinearOp(ffn.gate),
        {.weight_bytes = FfnBytes(ffn), .flops = static_cast<double>(rows_) * FfnFlops(ffn)});
    inner_->Ffn(x, ffn, out);
  }
  void GatherLogitRows(const Buffer& x, const Buffer& out) override {
    const Timed t(this, Op::kHead, {});
    inner_->GatherLogitRows(x, out);
  }
  void Sample(const Buffer& logits, absl::Span<const SampleSpec> specs,
              std::vector<SampleResult>* results) override {
    const Timed t(this, Op::kSample, {});
    inner_->Sample(logits, specs, results);
  }
  absl::Status Synchronize() override { return inner_->Synchronize(); }

 private:
  bool counting() const { return profile_->mode != StepProfile::Mode::kOff; }

  /// Adds the cost of the operation called in its scope.
  class Timed {
   public:
    Timed(ProfilingBackend* owner, Op op, const OpCost& cost)
        : owner_(owner), op_(op), cost_(cost) {
      if (owner_->profile_->mode != StepProfile::Mode::kTime) return;
      cpu_ = CpuSeconds();
      start_ = std::chrono::steady_clock::now();
    }
    ~Timed() {
      if (!owner_->counting()) return;
      if (owner_->profile_->mode == StepProfile::Mode::kTime) {
        // An error is the device's and comes again from the step's own Synchronize.
        owner_->inner_->Synchronize().IgnoreError();
        cost_.seconds =
            std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
        cost_.cpu_seconds = CpuSeconds() - cpu_;
      }
      cost_.calls = 1;
      owner_->profile_->at(op_) += cost_;
    }
    Timed(const Timed&) = delete;
    Timed& operator=(const Timed&) = delete;

   private:
    ProfilingBackend* const owner_;
    const Op op_;
    OpCost cost_;
    double cpu_ = 0;
    std::chrono::steady_clock::time_point start_;
  };

  Op LinearOp(const PackedWeight& weight) const {
    const auto it = op_of_.find(weight.handle);
    return it == op_of_.end() ? Op::kOther : it->second;
  }

  // Adds flops_of(segment, keys, pairs of a row and a key that it may see) and the cache read.
  template <typename Flops>
  void AddAttention(const Buffer& cache, OpCost* cost, const Flops& flops_of) const {
    // [blocks, ...]: bytes of a position, scales included.
    const int64_t position_bytes =
        cache.elements() * SizeOf(cache.dtype) / (cache.shape[0] * kBlockTokens);
    for (const Segment& s : segments_) {
      const double keys = s.context + s.rows;
      // Causal: row i of the segment sees context + i + 1 keys.
      const double pairs = s.rows * (s.context + (s.rows + 1) / 2.0);
      cost->kv_bytes += (s.context + s.rows) * position_bytes;
      cost->flops += flops_of(s, keys, pairs);
    }
  }

  // Absorbed rows work in the latent space, the others expand the keys and values of their
  // context once per segment (RowPath).
  OpCost MlaCost(const MlaLayer& l) const {
    OpCost cost;
    cost.weight_bytes = Sum(l.k_up) + Sum(l.v_up);
    const double heads = l.heads, latent = l.kv_lora_rank, width = latent + l.rope_dim;
    const double lift = heads * latent * (l.nope_dim + l.v_dim);
    AddAttention(l.cache, &cost, [&](const Segment& s, double keys, double pairs) {
      return s.path == RowPath::kAbsorbed
                 ? 2 * (s.rows * lift + heads * pairs * (width + latent))
                 : 2 * (keys * lift + heads * pairs * (l.nope_dim + l.rope_dim + l.v_dim));
    });
    return cost;
  }

  OpCost GqaCost(const GqaLayer& l) const {
    OpCost cost;
    AddAttention(l.cache, &cost, [&](const Segment&, double, double pairs) {
      return 4.0 * l.heads * l.head_dim * pairs;
    });
    return cost;
  }

  OpCost MoeCost(const Buffer& ids, const MoeLayer& layer) {
    const auto pairs = static_cast<size_t>(rows_ * layer.experts_per_token);
    ids_.resize(pairs);
    OpCost cost;
    if (layer.shared != nullptr) {
      cost.flops = static_cast<double>(rows_) * FfnFlops(*layer.shared);
      cost.weight_bytes = FfnBytes(*layer.shared);
    }
    const absl::Status status = inner_->Download(
        ids, absl::MakeSpan(reinterpret_cast<uint8_t*>(ids_.data()), pairs * sizeof(int32_t)));
    if (!status.ok()) return cost;  // the step's own Synchronize reports it
    read_.assign(layer.experts.size(), false);
    for (const int32_t id : ids_) {
      const FfnWeights& expert = layer.experts[static_cast<size_t>(id)];
      cost.flops += FfnFlops(expert);
      if (read_[static_cast<size_t>(id)]) continue;
      read_[static_cast<size_t>(id)] = true;
      cost.weight_bytes += FfnBytes(expert);
      ++profile_->experts_read;
    }
    profile_->expert_pairs += static_cast<int64_t>(pairs);
    return cost;
  }

  const std::unique_ptr<Backend> inner_;
  const std::shared_ptr<StepProfile> profile_;
  std::unordered_map<uint64_t, Op> op_of_;  // by handle
  int64_t rows_ = 0;
  std::vector<Segment> segments_;
  std::vector<int32_t> ids_;  // [rows * experts_per_token]
  std::vector<bool> read_;    // [experts]
};

}  // namespace

std::unique_ptr<Backend> ProfileBackend(std::unique_ptr<Backend> backend,
                                        std::shared_ptr<StepProfile> profile) {
  return std::make_unique<ProfilingBackend>(std::move(backend), std::move(profile));
}

}  // namespace deepseek::engine
