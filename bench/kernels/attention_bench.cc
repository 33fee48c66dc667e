// Attention of one layer over caches of every type: MLA with the heads of V2-Lite and V3, GQA with
// those of Qwen2.5-7B and plain multi-head attention: the last `rows` of `keys` tokens, one
// absorbed row being the decoding of one sequence.
//
// FLOPs are those that the form needs (kernels/cpu/cpu_mla.cc says which), masked keys left out;
// bytes the cache read once, and kv_b_proj. Caches of several layers are used in turn, so that none
// sits in the last-level cache. pool measures an empty loop: what starting and joining costs.

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "bench/kernels/benchmarks.h"
#include "bench/kernels/operands.h"
#include "engine/kernels/cpu/thread_pool.h"

namespace deepseek::bench {
namespace {

using engine::Buffer;
using engine::DType;
using engine::kBlockTokens;

struct Heads {
  const char* name;
  int32_t heads, lora, nope, rope, v, kv_heads, head_dim;
};
constexpr Heads kV2Lite{"mla_v2lite", 16, 512, 128, 64, 128, 0, 0};
constexpr Heads kV3{"mla_v3", 128, 512, 128, 64, 128, 0, 0};
constexpr Heads kQwen7b{"gqa_qwen7b", 28, 0, 0, 0, 0, 4, 128};
constexpr Heads kMha{"mha_32", 32, 0, 0, 0, 0, 32, 128};

struct Cache {
  const char* name;
  DType type;
};
constexpr Cache kF32{"kv_fp32", DType::kF32};
constexpr Cache kBf16{"kv_bf16", DType::kBf16};
constexpr Cache kInt8{"kv_int8", DType::kI8};

constexpr int32_t kMaxRows = 2048;

engine::StepPlan PlanFor(const Heads& h) {
  engine::StepPlan plan;
  plan.max_rows = kMaxRows;
  plan.max_logit_rows = 1;
  plan.heads = h.heads;
  plan.kv_lora_rank = h.lora;
  plan.nope_dim = h.nope;
  plan.rope_dim = h.rope;
  plan.v_dim = h.v;
  plan.kv_heads = h.kv_heads;
  plan.head_dim = h.head_dim;
  return plan;
}

// Layers that are used in turn, each with a cache of its own and, for MLA, its kv_b_proj.
class Layers {
 public:
  Layers(const Format& format, const Heads& h, DType type, int32_t keys)
      : heads_(h), operands_(format, PlanFor(h)) {
    mla_.heads = gqa_.heads = h.heads;
    mla_.kv_lora_rank = h.lora;
    mla_.nope_dim = h.nope;
    mla_.rope_dim = h.rope;
    mla_.v_dim = h.v;
    gqa_.kv_heads = h.kv_heads;
    gqa_.head_dim = h.head_dim;
    mla_.softmax_scale = gqa_.softmax_scale = 0.1F;
    const int32_t blocks = (keys + kBlockTokens - 1) / kBlockTokens;
    const int64_t row = h.lora > 0 ? engine::KvRowElements(type, mla_.kv_shape())
                                   : 2 * h.kv_heads * engine::KvRowElements(type, gqa_.kv_shape());
    row_bytes_ = row * engine::SizeOf(type);
    const int copies = CopiesFor(blocks * kBlockTokens * row_bytes_ + WeightBytes());
    for (int i = 0; i < copies; ++i) {
      const Buffer cache = *operands_.backend().Allocate({blocks, kBlockTokens, row}, type, true);
      // About 0.01 in every type; written, so that no page is the kernel's one page of zeros.
      const std::vector<uint8_t> bytes(static_cast<size_t>(cache.elements() * engine::SizeOf(type)),
                                       0x3c);
      if (!operands_.backend().Upload(cache, bytes).ok()) std::abort();
      caches_.push_back(cache);
      k_up_.emplace_back();
      v_up_.emplace_back();
      for (int32_t n = 0; n < (h.lora > 0 ? h.heads : 0); ++n) {
        k_up_.back().push_back(operands_.Weight(h.lora, h.nope, static_cast<uint32_t>(n)));
        v_up_.back().push_back(operands_.Weight(h.v, h.lora, static_cast<uint32_t>(n + 500)));
      }
    }
    for (int32_t b = 0; b < blocks; ++b) block_ids_.push_back(b);
    const int64_t q_dim = h.lora > 0 ? h.nope + h.rope : h.head_dim;
    q_ = operands_.Rows(kMaxRows, h.heads * q_dim, 7);
    out_ = operands_.Zeros(kMaxRows, h.heads * int64_t{h.lora > 0 ? h.v : h.head_dim});
    operands_.BeginStep(1);
  }
  void Begin(int32_t rows, int32_t context, engine::RowPath path) {
    tokens_.assign(static_cast<size_t>(rows), 0);
    segment_.rows = rows;
    segment_.context = context;
    segment_.path = path;
    segment_.blocks = static_cast<int32_t>(block_ids_.size());
    operands_.backend().BeginStep({tokens_, {&segment_, 1}, block_ids_, {}});
  }
  void Attend() {
    if (heads_.lora > 0) {
      mla_.cache = caches_[next_];
      mla_.k_up = k_up_[next_];
      mla_.v_up = v_up_[next_];
      operands_.backend().MlaAttend(q_, mla_, out_);
    } else {
      gqa_.cache = caches_[next_];
      operands_.backend().GqaAttend(q_, gqa_, out_);
    }
    next_ = next_ + 1 == caches_.size() ? 0 : next_ + 1;
  }
  int64_t row_bytes() const { return row_bytes_; }
  int64_t WeightBytes() const {
    return int64_t{2} * heads_.lora * heads_.heads * (heads_.nope + heads_.v);
  }

 private:
  const Heads& heads_;
  Operands operands_;
  engine::MlaLayer mla_;
  engine::GqaLayer gqa_;
  std::vector<Buffer> caches_;
  std::vector<std::vector<engine::PackedWeight>> k_up_, v_up_;
  std::vector<int32_t> block_ids_, tokens_;
  engine::Segment segment_;
  Buffer q_, out_;
  int64_t row_bytes_ = 0;
  size_t next_ = 0;
};

double Flops(const Heads& h, double rows, double context, bool absorbed) {
  const double keys = context + rows;
  const double pairs = rows * context + rows * (rows + 1) / 2;  // (row, key it sees)
  if (h.lora == 0) return 4.0 * h.heads * h.head_dim * pairs;
  const double lift = 1.0 * h.lora * (h.nope + h.v);
  return absorbed ? 2.0 * h.heads * (rows * lift + pairs * (2.0 * h.lora + h.rope))
                  : 2.0 * h.heads * (keys * lift + pairs * (h.nope + h.rope + h.v));
}

void Run(benchmark::State& state, const Format& format, const Heads& h, DType type) {
  const auto keys = static_cast<int32_t>(state.range(0));
  const auto rows = static_cast<int32_t>(state.range(1));
  const bool absorbed = state.range(2) != 0;
  Layers layers(format, h, type, keys);
  layers.Begin(rows, keys - rows,
               absorbed ? engine::RowPath::kAbsorbed : engine::RowPath::kMaterialised);
  const Meter meter;
  for (auto _ : state) layers.Attend();
  meter.Report(state, static_cast<double>(keys * layers.row_bytes() + layers.WeightBytes()),
               Flops(h, rows, keys - rows, absorbed), format.unit, MeasuredLimits().threads);
}

void Pool(benchmark::State& state) {
  engine::ThreadPool pool(MeasuredLimits().threads, true);
  for (auto _ : state) pool.Run(MeasuredLimits().threads, [](int64_t, int) {});
}

}  // namespace

void RegisterAttention() {
  // The last `rows` rows of `keys`, materialised or absorbed (RowPath).
  struct Size {
    int64_t keys, rows, absorbed;
  };
  const auto add = [](const Format& format, const Heads& h, const Cache& cache,
                      const std::vector<Size>& sizes) {
    const std::string name =
        std::string("attention/") + h.name + "/" + format.name + "/" + cache.name;
    auto* bench = benchmark::RegisterBenchmark(
        name.c_str(), [&](benchmark::State& state) { Run(state, format, h, cache.type); });
    for (const Size& s : sizes) bench->Args({s.keys, s.rows, s.absorbed});
    bench->ArgNames({"keys", "rows", "absorbed"})->UseRealTime();
  };
  const Format& fp32 = Formats()[0];
  const Format& bf16 = Formats()[1];
  const std::vector<Size> decode = {{512, 1, 1}, {4096, 1, 1}, {32768, 1, 1}};
  const auto and_more = [](std::vector<Size> sizes, const std::vector<Size>& more) {
    sizes.insert(sizes.end(), more.begin(), more.end());
    return sizes;
  };
  add(bf16, kV2Lite, kBf16,
      and_more(decode,
               {{512, 512, 0}, {2048, 2048, 0}, {4096, 512, 0}, {2112, 64, 0}, {2112, 64, 1}}));
  add(bf16, kV2Lite, kInt8, and_more(decode, {{2048, 2048, 0}}));
  add(fp32, kV2Lite, kF32, {{4096, 1, 1}, {512, 512, 0}});
  add(bf16, kV3, kBf16, {{4096, 1, 1}, {512, 512, 0}, {2112, 64, 0}, {2112, 64, 1}});
  add(bf16, kQwen7b, kBf16, and_more(decode, {{2048, 2048, 0}}));
  add(bf16, kQwen7b, kInt8, {{4096, 1, 1}, {32768, 1, 1}, {2048, 2048, 0}});
  add(bf16, kMha, kBf16, {{4096, 1, 1}, {2048, 2048, 0}});
  benchmark::RegisterBenchmark("pool", Pool)->UseRealTime();
}

}  // namespace deepseek::bench
