#pragma once
// The CPU backend's class, shared by its parts.

#include <mutex>
#include <string>
#include <vector>

#include "engine/kernels/cpu/attend_scratch.h"
#include "engine/kernels/cpu/cpu_backend.h"
#include "engine/kernels/cpu/kernel_table.h"
#include "engine/kernels/cpu/packed_matrix.h"
#include "engine/kernels/cpu/thread_pool.h"
#include "engine/kernels/reference/host_backend.h"

namespace deepseek::engine {

class CpuBackend : public HostBackend {
 public:
  CpuBackend(const KernelTable* kernels, Compute compute, int threads, bool spin);
  std::string_view name() const override { return name_; }
  int64_t progress() const override { return HostBackend::progress() + pool_.progress(); }
  absl::StatusOr<PackedWeight> Pack(const HostMatrix& matrix) override;
  absl::StatusOr<PackedWeight> Place(const HostMatrix& matrix) override;
  void Fill(const PackedWeight& weight, const HostMatrix& matrix, int64_t row_begin,
            int64_t row_end) override;
  int64_t scratch_bytes() const override;
  absl::Status Plan(const StepPlan& plan) override;
  void RmsNorm(const Buffer& x, const Buffer& weight, float eps, int64_t rows,
               const Buffer& out) override;
  void Linear(const Buffer& x, const PackedWeight& weight, int64_t rows, bool accumulate,
              const Buffer& out) override;
  void Rope(const Buffer& q, int32_t heads, int32_t head_dim, int32_t rope_dim,
            const RopeTable& table) override;
  void MlaAppend(const Buffer& kv, const MlaLayer& layer, const RopeTable& table) override;
  void MlaAttend(const Buffer& q, const MlaLayer& layer, const Buffer& out) override;
  void GqaAppend(const Buffer& k, const Buffer& v, const GqaLayer& layer,
                 const RopeTable& table) override;
  void GqaAttend(const Buffer& q, const GqaLayer& layer, const Buffer& out) override;
  void Moe(const Buffer& x, const Buffer& ids, const Buffer& weights, const MoeLayer& layer,
           const Buffer& out) override;
  void Ffn(const Buffer& x, const FfnWeights& ffn, const Buffer& out) override;
  void Sample(const Buffer& logits, absl::Span<const SampleSpec> specs,
              std::vector<SampleResult>* results) override;

 private:
  /// Rows that go through one expert: a range of the sorted pair arrays.
  struct ExpertRows {
    const FfnWeights* ffn = nullptr;
    int64_t begin = 0, end = 0;
    // Its prepared rows of the intermediate: where the first one is, bytes of each.
    int64_t intermediate = 0, row_bytes = 0;
  };
  /// Rows of an expert that go through gate and up before they are prepared for down: what fits the
  /// L1 cache beside a stream of weights.
  static constexpr int64_t kExpertRowBlock = 48;
  /// One thread's results of gate and up: kExpertRowBlock rows of one group of columns.
  struct ExpertScratch {
    std::vector<float> gate, up;  // [kExpertRowBlock, kQuantGroup]
    std::vector<float*> gate_rows, up_rows;
  };
  /// A generated row of the wave that is being computed.
  struct WaveRow {
    int32_t row = 0, segment = 0;
    int32_t keys = 0;  // that it sees
  };
  /// Rows [begin, end) of the wave, of one segment, and some of their heads.
  struct LatentItem {
    int32_t begin = 0, end = 0, head_begin = 0, head_end = 0;
  };
  /// Rows [begin, end) of a segment, and query heads that read one kv head.
  struct GroupItem {
    const Segment* segment = nullptr;
    int32_t begin = 0, end = 0, head_begin = 0, head_end = 0;
  };

  const PackedMatrix& Matrix(const PackedWeight& w) const { return weights_[w.handle - 1]; }
  /// Runs body over items, on this thread alone when the work is too small to share.
  void ForItems(int64_t items, int64_t multiply_adds, ThreadPool::Body body);
  /// Grows only before the first step: Plan has made room for the largest one.
  template <typename T>
  static void Reserve(std::vector<T>* v, int64_t n) {
    if (v->size() < static_cast<size_t>(n)) v->resize(static_cast<size_t>(n));
  }
  /// What rows of x become before they meet `w`.
  RowForm FormFor(const PackedMatrix& w) const;
  RowForm FormFor(const PackedMatrix& a, const PackedMatrix& b) const {
    return FormFor(a) == FormFor(b) ? FormFor(a) : RowForm::kF32;
  }
  /// prepared_rows_[r] = row r of x F32 [rows, cols] in `form`.
  void PrepareRows(const Buffer& x, int64_t cols, RowForm form, int64_t rows);
  void ReservePairs(int64_t pairs, int64_t hidden);
  /// Whether `shared` can be one more expert of a step of `pairs` pairs that reads x in `form`.
  bool Joins(const FfnWeights& shared, int64_t pairs, RowForm form, const MoeLayer& layer) const;
  /// down(silu(gate x) * up x) for every range of pairs in expert_rows_: expert_x_ (in `form`) ->
  /// pair_out_.
  void RunExperts(int64_t hidden, RowForm form);
  /// One item of the first pass: a group of columns of the intermediate, all rows of the expert.
  /// `then`: what is read after it, or null.
  void GateUp(const ExpertRows& e, int64_t tile_begin, RowForm form, const uint8_t* then,
              ExpertScratch* scratch);
  absl::Status PlanAttention(const StepPlan& plan);

  // Materialised MLA.
  /// k_up or v_up of a head as the right operand that latents meet: k_weight, v_weight.
  void PackKeyUp(const PackedMatrix& w, AttendScratch* scratch) const;
  void PackValueUp(const PackedMatrix& w, AttendScratch* scratch) const;
  void AttendPrompt(const Segment& segment, int32_t head, const float* q, const MlaLayer& layer,
                    float* out, AttendScratch* scratch) const;

  // Absorbed MLA, over the rows of wave_.
  void AttendWave(const float* q, const MlaLayer& layer, float* out);
  /// x [n] -> a row of RowForm::kBf16, which may be made in place.
  void NarrowRow(const float* x, int64_t n, float* out) const;
  /// [W_uk^T q | rope(q)] of one head of all rows.
  void Absorb(int32_t head, const float* q, const MlaLayer& layer, AttendScratch* scratch);
  void AttendLatent(const LatentItem& item, const MlaLayer& layer, AttendScratch* scratch);
  /// What the attended latent becomes before it meets W_uv.
  RowForm LeavingForm(const MlaLayer& layer) const;
  /// W_uv times the attended latent, of one head of all rows.
  void LeaveLatent(int32_t head, const MlaLayer& layer, float* out);
  float* LatentQuery(int64_t i, int32_t head, const MlaLayer& layer) {
    const int64_t words = attend_kernels_.Words(layer.kv_lora_rank + layer.rope_dim);
    return latent_q_.data() + (i * layer.heads + head) * words;
  }
  float* LatentSums(int64_t i, int32_t head, const MlaLayer& layer) {
    return latent_sums_.data() + (i * layer.heads + head) * Panels(layer.kv_lora_rank) * kPanel;
  }

  void AttendGroup(const GroupItem& item, const float* q, const GqaLayer& layer, float* out,
                   AttendScratch* scratch) const;

  const KernelTable& kernels_;
  const AttendKernels& attend_kernels_;
  const Compute compute_;
  ThreadPool pool_;
  std::string name_;
  HostArena arena_;
  std::mutex load_mutex_;                          // weights_ while Fill runs beside Place
  std::vector<PackedMatrix> weights_;              // [handle - 1], in arena_
  std::vector<uint8_t> prepared_;                  // rows of x in the form of the running product
  std::vector<const uint8_t*> prepared_rows_;      // [rows]
  std::vector<float*> out_rows_;                   // [rows]
  std::vector<const uint8_t*> expert_x_;           // [pairs] in the order of expert_rows_
  std::vector<uint8_t> intermediate_;              // [pairs] prepared rows of down's input
  std::vector<float> down_;                        // [pairs, hidden]
  std::vector<float*> pair_out_;                   // [pairs], rows of down_
  std::vector<int64_t> pair_of_;                   // [row * top-k + k] -> sorted place
  std::vector<int64_t> expert_begin_;              // [experts + 1]
  std::vector<ExpertRows> expert_rows_;            // experts that have rows
  std::vector<std::pair<int32_t, int64_t>> work_;  // (index into expert_rows_, first tile)
  std::vector<ExpertScratch> expert_scratch_;      // [threads]
  std::vector<AttendScratch> attend_;              // [threads]
  std::vector<WaveRow> wave_;                      // [<= kWaveRows]
  std::vector<LatentItem> latent_items_;           // of the wave
  std::vector<GroupItem> group_items_;             // of the step
  std::vector<int32_t> prompts_;                   // segments of prompt rows
  std::vector<float> latent_q_;                    // [kWaveRows, heads, words(lora + rope)]
  std::vector<float> latent_sums_;                 // [kWaveRows, heads, Panels(lora) * 64]
  std::vector<SampleScratch> sample_;              // [threads]
};

}  // namespace deepseek::engine
