#include "engine/arch/memory_plan.h"

#include <algorithm>
#include <cstdio>
#include <numeric>

#include "base/strings.h"
#include "engine/arch/packed_size.h"

namespace deepseek::engine {
namespace {

constexpr int64_t kBlockTokens = 64;  // engine/kernels/step.h; a test compares
constexpr int64_t kF32 = 4;
constexpr int64_t kIntGroup = 128;

// Measured: RssAnon of the agent with the demo model, less what its plan says (binary's data, heap,
// stacks of the HTTP servers), and how that grows with the vocabulary (strings, hash tables, merges
// and token bytes of the tokenizer) and with compute threads.
constexpr int64_t kProgramBytes = int64_t{2} << 20;
constexpr int64_t kBytesPerVocabularyEntry = 800;
constexpr int64_t kBytesPerThread = int64_t{512} << 10;

int64_t BlockOf(const PlannedTensor& t, const ModelSpec& spec) {
  return t.transposed ? spec.fp8_block_rows : spec.fp8_block_cols;
}

// Of a linear or native tensor.
PackedForm FormOf(const PlannedTensor& t, const ModelSpec& spec, WeightType asked) {
  if (t.keep == PlannedTensor::Keep::kNative) asked = WeightType::kNative;
  const int64_t block = BlockOf(t, spec);
  return PackedFormOf(t.stored, asked, t.first_col % block == 0 && block % 4 == 0);
}

int64_t KeptBytes(const PlannedTensor& t, const ModelSpec& spec, WeightType asked) {
  if (t.keep == PlannedTensor::Keep::kTable) return t.rows * t.cols * SizeOf(t.stored);
  if (t.keep == PlannedTensor::Keep::kVector) return t.rows * t.cols * kF32;
  const PackedForm form = FormOf(t, spec, asked);
  const int64_t group = form == PackedForm::kF8 ? BlockOf(t, spec) : kIntGroup;
  return PackedSize(form, t.rows, t.cols, group) * t.count;
}

// engine/model: the buffers that operations hand each other.
int64_t StepBytes(const ModelSpec& s, const StepShape& step, bool mtp) {
  int64_t row = 2 * int64_t{s.hidden};  // residual stream, normed
  if (s.attention == Attention::kMla) {
    row += s.q_lora_rank + int64_t{s.heads} * (s.nope_dim + s.rope_dim + s.v_dim) + s.kv_width();
  } else {
    row += int64_t{s.heads} * s.head_dim * 2 + s.kv_width();
  }
  if (s.experts > 0) row += s.experts + 2 * int64_t{s.experts_per_token};
  if (mtp) row += s.hidden;
  return kF32 * (step.rows * row + step.logit_rows * (int64_t{s.hidden} + s.vocab));
}

// The widest rows of activations as products read them: as they are, rounded to bf16, or INT8 codes
// with a scale and a sum per group.
struct PreparedRows {
  int64_t product = 0;  // of those that are made for a product
  int64_t ffn = 0;      // into down of a dense layer or of the shared experts
  int64_t expert = 0;   // into down of a routed expert
};

// engine/kernels/cpu: CpuBackend::FormFor and Plan, which know of a down no more than its shape.
PreparedRows WidestRows(const ModelSpec& s, const ModelOptions& options, const StepShape& step,
                        int64_t ffn, absl::Span<const PlannedTensor> tensors) {
  PreparedRows widest;
  for (const PlannedTensor& t : tensors) {
    const bool native = t.keep == PlannedTensor::Keep::kNative;
    if (!native && t.keep != PlannedTensor::Keep::kLinear) continue;
    if (native && t.rows == s.experts && t.cols == s.hidden) continue;  // the router reads F32
    const PackedForm form = FormOf(t, s, options.weights);
    const bool integer = form == PackedForm::kInt8 || form == PackedForm::kInt4;
    const bool codes = integer && options.compute == Compute::kInt8;
    const bool bf16 = !integer && form != PackedForm::kF32 && step.bf16_products &&
                      options.compute != Compute::kFp32;
    const int64_t bytes = codes  ? RoundUp(t.cols, kIntGroup) / kIntGroup * (kIntGroup + 8)
                          : bf16 ? RoundUp(t.cols, 4) * 2
                                 : t.cols * kF32;
    if (codes || bf16) widest.product = std::max(widest.product, bytes);
    if (t.rows != s.hidden) continue;
    if (t.cols <= ffn) widest.ffn = std::max(widest.ffn, bytes);
    if (t.cols <= s.expert_intermediate) widest.expert = std::max(widest.expert, bytes);
  }
  return widest;
}

// engine/kernels/cpu/attend_scratch.cc: per thread the operands of a key tile, a head's k_up and
// v_up and all queries of a segment; once, the latent queries and sums of a wave of rows.
int64_t AttendBytes(const ModelSpec& s, const StepShape& step, Compute compute) {
  const bool narrow = compute != Compute::kFp32 && step.bf16_products;
  constexpr int64_t kPanel = 64;
  constexpr int64_t kWaveRows = 32;
  constexpr int64_t kItemQueries = 96;
  const auto words = [&](int64_t n) { return narrow ? (n + 1) / 2 : n; };
  const auto panels = [](int64_t n) { return RoundUp(n, kPanel); };
  const bool mla = s.attention == Attention::kMla;
  const int64_t latent = mla ? s.kv_width() : 0;
  const int64_t lora = mla ? s.kv_lora_rank : 0;
  const int64_t nope = mla ? s.nope_dim : 0;
  const int64_t q = mla ? s.nope_dim + s.rope_dim : s.head_dim;
  const int64_t v = mla ? s.v_dim : s.head_dim;
  const int64_t queries = std::max<int64_t>({step.rows, kItemQueries, s.heads});
  int64_t tile = std::max({words(latent), words(RoundUp(lora, 16)), mla ? 0 : words(q)}) +
                 std::max(words(q), words(v)) + std::max(words(q), words(latent)) +
                 std::max(panels(lora), panels(v));
  if (mla) tile += std::max(RoundUp(nope, 16) + RoundUp(s.rope_dim, 16), panels(v));
  const int64_t weights =
      mla ? words(lora) * (panels(nope) + panels(v)) + 16 * std::max(lora, nope) : 0;
  const int64_t thread =
      kBlockTokens * tile + weights + kWaveRows * latent + queries * (words(q) + panels(v) + 7);
  const int64_t wave =
      std::min<int64_t>(kWaveRows, step.rows) * s.heads * (words(latent) + panels(lora) + 4);
  const int64_t groups = mla ? 0 : int64_t{step.rows} * s.heads * 6;
  return kF32 * (step.threads * thread + wave + groups);
}

// engine/kernels/cpu: rows prepared for a product, the intermediate and the output of all (row,
// expert) pairs, per thread a block of an expert; and attention.
int64_t ScratchBytes(const ModelSpec& s, const ModelOptions& options, const StepShape& step,
                     absl::Span<const PlannedTensor> tensors) {
  const int64_t rows = std::max(step.rows, step.logit_rows);
  const int64_t pairs = std::max<int64_t>(rows, int64_t{step.rows} * s.experts_per_token);
  const bool dense = s.experts == 0 || s.first_dense_layers > 0;
  const int64_t ffn = std::max<int64_t>(dense ? s.dense_intermediate : 0,
                                        int64_t{s.shared_experts} * s.expert_intermediate);
  const PreparedRows widest = WidestRows(s, options, step, ffn, tensors);
  const int64_t intermediate = std::max(step.rows * widest.ffn, pairs * widest.expert);
  const int64_t pointers = (3 * pairs + 2 * rows) * int64_t{sizeof(void*)};
  constexpr int64_t kExpertBlock = 2 * 48 * kIntGroup;  // gate and up of 48 rows, 128 columns
  return rows * widest.product + intermediate + pointers + AttendBytes(s, step, options.compute) +
         kF32 * (pairs * s.hidden + step.threads * kExpertBlock);
}

int64_t BytesPerToken(const ModelSpec& spec, const MemoryPlan& plan) {
  const auto part = [&](WeightPart p) { return plan.part_bytes[static_cast<size_t>(p)]; };
  // One row of the embedding; of the routed experts the top k.
  int64_t bytes = plan.packed_bytes() - part(WeightPart::kEmbedding) - part(WeightPart::kMtp);
  if (spec.experts > 0) {
    const int64_t routed = part(WeightPart::kExperts);
    bytes += routed / spec.experts * spec.experts_per_token - routed;
  }
  return bytes;
}

}  // namespace

std::string_view Name(WeightPart part) {
  constexpr std::array<std::string_view, kWeightParts> kNames{
      "embedding", "head",   "attention", "dense", "shared_experts",
      "experts",   "router", "norms",     "mtp"};
  return kNames[static_cast<size_t>(part)];
}

int32_t StepRowsFor(const ModelSpec& spec, int32_t max_context) {
  constexpr int32_t kChunks = 2, kLongestChunk = 2048;
  const int32_t least = StepShape().rows;
  return spec.attention == Attention::kMla ? std::clamp(max_context / kChunks, least, kLongestChunk)
                                           : least;
}

int64_t MemoryPlan::packed_bytes() const {
  return std::accumulate(part_bytes.begin(), part_bytes.end(), int64_t{0});
}

int64_t KvRowBytes(const ModelSpec& spec, KvType type) {
  if (type != KvType::kInt8) return spec.kv_width() * (type == KvType::kFp32 ? 4 : 2);
  // Codes, and an F32 scale per 128 channels of the latent (or of a key or value of a kv head) and
  // one for the rotary key: engine/kernels/kv_tile.h.
  constexpr int64_t kGroup = 128;
  const auto scales = [](int64_t channels) { return (channels + kGroup - 1) / kGroup * kF32; };
  const int64_t per_token = spec.attention == Attention::kMla
                                ? scales(spec.kv_lora_rank) + (spec.rope_dim > 0 ? kF32 : 0)
                                : 2 * spec.kv_heads * scales(spec.head_dim);
  return spec.kv_width() + per_token;
}

MemoryPlan PlanMemory(const ModelSpec& spec, const ModelOptions& options, const StepShape& step,
                      absl::Span<const PlannedTensor> tensors, int64_t available_bytes) {
  MemoryPlan plan;
  for (const PlannedTensor& t : tensors) {
    plan.part_bytes[static_cast<size_t>(t.part)] += KeptBytes(t, spec, options.weights);
  }
  const bool mtp = options.load_mtp && spec.mtp_layers > 0;
  const int64_t layers = spec.layers + (mtp ? 1 : 0);
  const int64_t rotary = spec.attention == Attention::kMla ? spec.rope_dim : spec.head_dim;
  plan.max_context = options.max_context;
  plan.max_batch = options.max_batch;
  plan.table_bytes = 2 * int64_t{options.max_context} * (rotary / 2) * kF32;
  plan.step_bytes = StepBytes(spec, step, mtp);
  plan.scratch_bytes = ScratchBytes(spec, options, step, tensors);
  plan.overhead_bytes =
      kProgramBytes + spec.vocab * kBytesPerVocabularyEntry + step.threads * kBytesPerThread;
  plan.weight_bytes_per_token = BytesPerToken(spec, plan);

  plan.kv_bytes_per_token = layers * KvRowBytes(spec, options.kv);
  plan.kv_block_bytes = plan.kv_bytes_per_token * kBlockTokens;
  plan.blocks_per_sequence = RoundUp(options.max_context, kBlockTokens) / kBlockTokens;
  if (options.kv_memory_bytes > 0) {
    plan.kv_blocks = options.kv_memory_bytes / plan.kv_block_bytes;
  } else {
    // Half of the rest: a second pod of a rollout may come to this machine.
    const int64_t room = std::max<int64_t>(available_bytes - plan.fixed_bytes(), 0) / 2;
    plan.kv_blocks =
        std::clamp(plan.blocks_per_sequence * options.max_batch, plan.blocks_per_sequence,
                   std::max(plan.blocks_per_sequence, room / plan.kv_block_bytes));
  }
  plan.kv_blocks = std::min<int64_t>(plan.kv_blocks, INT32_MAX);
  return plan;
}

Fit FitInto(const MemoryPlan& plan, const ModelSpec& spec, int64_t bytes) {
  Fit fit;
  fit.kv_blocks = std::max<int64_t>(bytes - plan.fixed_bytes(), 0) / plan.kv_block_bytes;
  fit.sequences = static_cast<int32_t>(
      std::min<int64_t>(fit.kv_blocks / std::max<int64_t>(plan.blocks_per_sequence, 1), INT32_MAX));
  // The angles grow with the context, too.
  const int64_t angles = plan.max_context > 0 ? plan.table_bytes / plan.max_context : 0;
  const int64_t room = bytes - plan.fixed_bytes() + plan.table_bytes;
  const int64_t blocks = std::max<int64_t>(room, 0) / (plan.kv_block_bytes + angles * kBlockTokens);
  fit.context = static_cast<int32_t>(std::min<int64_t>(blocks * kBlockTokens, spec.max_positions));
  return fit;
}

std::vector<std::string> Remedies(const ModelSpec& spec, const ModelOptions& options,
                                  const StepShape& step, absl::Span<const PlannedTensor> tensors,
                                  int64_t available_bytes) {
  constexpr int32_t kLeastContext = 256;  // less is of no use to anyone
  std::vector<std::string> remedies;
  const auto plan_of = [&](const ModelOptions& o) {
    return PlanMemory(spec, o, step, tensors, available_bytes);
  };
  const auto needed = [&](const MemoryPlan& p) {
    return options.kv_memory_bytes > 0 ? p.total_bytes() : p.least_bytes();
  };
  const MemoryPlan plan = plan_of(options);
  if (needed(plan) <= available_bytes) return remedies;
  if (options.kv_memory_bytes > 0) {
    const int64_t room = available_bytes - plan.fixed_bytes();
    if (room >= plan.blocks_per_sequence * plan.kv_block_bytes) {
      remedies.push_back(StrCat("--kv-memory ", room));
    }
  }
  const int32_t context = FitInto(plan, spec, available_bytes).context;
  if (context >= kLeastContext && context < options.max_context && options.kv_memory_bytes == 0) {
    remedies.push_back(StrCat("--max-context ", context));
  }
  for (const KvType kv : {KvType::kBf16, KvType::kInt8}) {
    ModelOptions smaller = options;
    smaller.kv = kv;
    const MemoryPlan p = plan_of(smaller);
    if (p.kv_block_bytes < plan.kv_block_bytes && needed(p) <= available_bytes) {
      remedies.push_back(StrCat("--kv ", Name(kv)));
      break;
    }
  }
  for (const WeightType weights : {WeightType::kInt8, WeightType::kInt4}) {
    ModelOptions smaller = options;
    smaller.weights = weights;
    const MemoryPlan p = plan_of(smaller);
    if (p.packed_bytes() < plan.packed_bytes() && needed(p) <= available_bytes) {
      remedies.push_back(StrCat("--weights ", Name(weights)));
      break;
    }
  }
  return remedies;
}

absl::Status CheckPlan(const ModelSpec& spec, const ModelOptions& options, const StepShape& step,
                       absl::Span<const PlannedTensor> tensors, int64_t available_bytes,
                       std::string_view where, std::string_view limit) {
  const MemoryPlan plan = PlanMemory(spec, options, step, tensors, available_bytes);
  if (plan.kv_blocks < plan.blocks_per_sequence) {
    return absl::ResourceExhaustedError(StrCat(
        "memory: ", where, ": the KV cache does not fit: one sequence of ", options.max_context,
        " tokens needs ", plan.blocks_per_sequence * plan.kv_block_bytes,
        " bytes, --kv-memory gives ", options.kv_memory_bytes,
        " (lower --max-context, use a smaller --kv, or raise --kv-memory)"));
  }
  if (plan.total_bytes() <= available_bytes) return absl::OkStatus();
  std::string todo;
  for (const std::string& remedy : Remedies(spec, options, step, tensors, available_bytes)) {
    StrAppend(&todo, "use ", remedy, ", ");
  }
  const int64_t kv = plan.kv_bytes();
  return absl::ResourceExhaustedError(StrCat(
      "memory: ", where, ": needs ", plan.total_bytes(), " bytes (weights ",
      BytesText(plan.packed_bytes()), ", KV cache of ", plan.kv_blocks * kBlockTokens, " tokens ",
      BytesText(kv), ", step ", BytesText(plan.activation_bytes()), ", program ",
      BytesText(plan.overhead_bytes), "), ", limit, " leaves ", available_bytes, " (", todo,
      todo.empty() ? "" : "or ", "give ", plan.total_bytes() - available_bytes, " bytes more)"));
}

std::string BytesText(int64_t bytes) {
  constexpr std::array<std::string_view, 5> kUnits{"B", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  size_t unit = 0;
  for (; unit + 1 < kUnits.size() && value >= 1024; ++unit) value /= 1024;
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), unit == 0 ? "%.0f" : "%.2f", value);
  return StrCat(text.data(), " ", kUnits[unit]);
}

}  // namespace deepseek::engine
