#include "engine/kernels/cpu/cpu_backend.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "engine/kernels/cpu/cpu_internal.h"
#include "engine/kernels/cpu/cpu_quota.h"
#include "engine/kernels/cpu/isa.h"
#include "engine/kernels/reference/reference_internal.h"

namespace deepseek::engine {
namespace {

// Below this, waking the pool costs more than it saves (about 5 microseconds against 30 Gflop/s).
constexpr int64_t kMinShared = 100000;

}  // namespace

CpuBackend::CpuBackend(const KernelTable* kernels, Compute compute, int threads, bool spin)
    : kernels_(*kernels),
      attend_kernels_(SelectAttendKernels(kernels->name, compute != Compute::kFp32)),
      compute_(compute),
      pool_(threads, spin),
      name_(StrCat("cpu (", kernels->name, ", ", threads, " threads)")) {}

void CpuBackend::ForItems(int64_t items, int64_t multiply_adds, ThreadPool::Body body) {
  if (multiply_adds >= kMinShared) return pool_.Run(items, body);
  for (int64_t i = 0; i < items; ++i) body(i, 0);
  Bump();
}

absl::StatusOr<PackedWeight> CpuBackend::Pack(const HostMatrix& matrix) {
  ASSIGN_OR_RETURN(const PackedWeight weight, Place(matrix));
  const PackedMatrix& packed = Matrix(weight);
  pool_.Run(packed.tiles, [&](int64_t tile, int) {
    FillTiles(matrix, packed, tile, tile + 1, kernels_.quantize);
  });
  return weight;
}

absl::StatusOr<PackedWeight> CpuBackend::Place(const HostMatrix& matrix) {
  ASSIGN_OR_RETURN(const PackedMatrix packed, PlaceMatrix(matrix, &arena_));
  weight_bytes_ += PackedBytes(packed);
  const std::lock_guard lock(load_mutex_);
  weights_.push_back(packed);
  return PackedWeight{weights_.size(), matrix.rows, matrix.cols, PackedBytes(packed)};
}

void CpuBackend::Fill(const PackedWeight& weight, const HostMatrix& matrix, int64_t row_begin,
                      int64_t row_end) {
  static_assert(kPackRows == kTileRows);
  const PackedMatrix packed = [&] {
    const std::lock_guard lock(load_mutex_);
    return Matrix(weight);
  }();
  FillTiles(matrix, packed, row_begin / kTileRows, (row_end + kTileRows - 1) / kTileRows,
            kernels_.quantize);
}

absl::Status CpuBackend::Plan(const StepPlan& plan) {
  RETURN_IF_ERROR(HostBackend::Plan(plan));
  const int64_t rows = std::max(plan.max_rows, plan.max_logit_rows);
  const int64_t pairs = std::max<int64_t>(rows, int64_t{plan.max_rows} * plan.experts_per_token);
  const auto size = [](int64_t n) { return static_cast<size_t>(n); };
  // The widest row that a matrix asks for, and the widest intermediates, in the forms that the
  // matrices read: those that may be a down [hidden, intermediate].
  int64_t row_bytes = 0, ffn_bytes = 0, expert_bytes = 0;
  for (const PackedMatrix& w : weights_) {
    const RowForm form = FormFor(w);
    const int64_t bytes = RowBytes(form, w.cols);
    if (form != RowForm::kF32) row_bytes = std::max(row_bytes, bytes);
    if (w.exact || w.rows != plan.hidden) continue;
    if (w.cols <= plan.ffn_intermediate) ffn_bytes = std::max(ffn_bytes, bytes);
    if (w.cols <= plan.expert_intermediate) expert_bytes = std::max(expert_bytes, bytes);
  }
  Reserve(&prepared_, rows * row_bytes);
  Reserve(&prepared_rows_, rows);
  Reserve(&out_rows_, rows);
  Reserve(&intermediate_, std::max(plan.max_rows * ffn_bytes, pairs * expert_bytes));
  ReservePairs(pairs, plan.hidden);
  Reserve(&pair_of_, pairs);
  Reserve(&expert_begin_, plan.experts + 1);
  expert_rows_.reserve(size(plan.experts) + 1);
  // Panels of down, or groups of the intermediate: of each expert, and of a wider unit.
  const auto items = [&](int64_t intermediate) {
    return std::max(plan.hidden / (kPanelTiles * kTileRows), intermediate / kQuantGroup) + 1;
  };
  work_.reserve(size(plan.experts * items(plan.expert_intermediate) +
                     items(std::max(plan.ffn_intermediate, plan.expert_intermediate))));
  expert_scratch_.resize(size(pool_.threads()));
  for (ExpertScratch& s : expert_scratch_) {
    s.gate.resize(kExpertRowBlock * kQuantGroup);
    s.up.resize(kExpertRowBlock * kQuantGroup);
    for (int64_t i = 0; i < kExpertRowBlock; ++i) {
      s.gate_rows.push_back(s.gate.data() + i * kQuantGroup);
      s.up_rows.push_back(s.up.data() + i * kQuantGroup);
    }
  }
  sample_.resize(size(pool_.threads()));
  return PlanAttention(plan);
}

absl::Status CpuBackend::PlanAttention(const StepPlan& plan) {
  const auto size = [](int64_t n) { return static_cast<size_t>(n); };
  attend_.clear();
  attend_.resize(size(pool_.threads()));
  for (AttendScratch& s : attend_) RETURN_IF_ERROR(s.Plan(plan, &attend_kernels_));
  const int64_t wave = std::min(kWaveRows, plan.max_rows);
  const int64_t width = plan.kv_lora_rank + plan.rope_dim;
  latent_q_.resize(size(wave * plan.heads * attend_kernels_.Words(width)));
  latent_sums_.resize(size(wave * plan.heads * Panels(plan.kv_lora_rank) * kPanel));
  wave_.reserve(size(wave));
  latent_items_.reserve(size(wave * plan.heads));
  if (plan.kv_heads > 0) group_items_.reserve(size(int64_t{plan.max_rows} * plan.heads));
  prompts_.reserve(size(plan.max_rows));
  return absl::OkStatus();
}

int64_t CpuBackend::scratch_bytes() const {
  const auto bytes = [](const auto&... v) {
    return ((static_cast<int64_t>(v.capacity() * sizeof(v[0]))) + ... + 0);
  };
  int64_t sum = bytes(prepared_, prepared_rows_, out_rows_, expert_x_, intermediate_, down_,
                      pair_out_, pair_of_, expert_begin_, expert_rows_, work_);
  for (const ExpertScratch& s : expert_scratch_) sum += bytes(s.gate, s.up, s.gate_rows, s.up_rows);
  for (const AttendScratch& s : attend_) sum += s.bytes();
  sum += bytes(wave_, latent_items_, group_items_, prompts_, latent_q_, latent_sums_);
  return sum;
}

void CpuBackend::RmsNorm(const Buffer& x, const Buffer& weight, float eps, int64_t rows,
                         const Buffer& out) {
  const int64_t n = weight.shape[0];
  // Half of each row comes out of another core's cache: dearer than its arithmetic.
  ForItems(rows, rows * n * 4, [&](int64_t r, int) {
    kernels_.rms_norm(HostData<float>(x) + r * n, HostData<float>(weight), eps, n,
                      HostData<float>(out) + r * n);
  });
}

void CpuBackend::Rope(const Buffer& q, int32_t heads, int32_t head_dim, int32_t rope_dim,
                      const RopeTable& table) {
  ForItems(rows(), int64_t{rows()} * heads * rope_dim * 4, [&](int64_t r, int) {
    float* end = HostData<float>(q) + r * heads * head_dim + head_dim;
    for (int32_t h = 0; h < heads; ++h, end += head_dim) {
      RotateRow(end - rope_dim, table, positions_[static_cast<size_t>(r)], rope_dim);
    }
  });
}

void CpuBackend::Sample(const Buffer& logits, absl::Span<const SampleSpec> specs,
                        std::vector<SampleResult>* results) {
  const int64_t vocab = logits.shape[1];
  results->resize(specs.size());
  const auto count = static_cast<int64_t>(specs.size());
  ForItems(count, count * vocab * 8, [&](int64_t i, int thread) {
    const SampleSpec& spec = specs[static_cast<size_t>(i)];
    const float* row = HostData<float>(logits) + spec.row * vocab;
    SampleResult* result = &(*results)[static_cast<size_t>(i)];
    if (IsPlainGreedy(spec) && vocab > 0) {
      const int64_t id = kernels_.argmax(row, vocab);
      // Beyond this SampleRow clamps, which makes ties.
      if (id >= 0 && std::abs(row[id]) < kLargestLogit) {
        *result = {};
        result->id = static_cast<int32_t>(id);
        return;
      }
    }
    *result =
        SampleRow({row, static_cast<size_t>(vocab)}, spec, &sample_[static_cast<size_t>(thread)]);
  });
}

absl::StatusOr<CpuKernels> FindCpuKernels(std::string_view isa) {
  ASSIGN_OR_RETURN(const KernelTable* kernels, SelectKernels(isa));
  return CpuKernels{kernels->name, kernels->bf16_dot};
}

absl::StatusOr<std::unique_ptr<Backend>> CreateCpuBackend(const BackendOptions& options,
                                                          std::string_view isa) {
  if (options.compute == Compute::kAuto) {
    return absl::InvalidArgumentError("--compute auto must be resolved before a backend is made");
  }
  if (options.threads < 0) {
    return absl::InvalidArgumentError(
        StrCat("--threads ", options.threads, " must be 0 or positive"));
  }
  ASSIGN_OR_RETURN(const KernelTable* kernels, SelectKernels(isa));
  const double available = AvailableCpus();
  const int threads = ThreadsFor(options.threads, available);
  return std::make_unique<CpuBackend>(kernels, options.compute, threads,
                                      ThreadsMaySpin(threads, available));
}

}  // namespace deepseek::engine
