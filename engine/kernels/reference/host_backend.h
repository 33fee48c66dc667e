#pragma once
// What backends in host memory share: buffers, the step's rows, and operations that are copies or
// per-row maths.

#include <atomic>
#include <memory>
#include <vector>

#include "engine/kernels/backend.h"
#include "engine/kernels/reference/host_memory.h"
#include "engine/kernels/reference/sampling.h"

namespace deepseek::engine {

/// A buffer's handle is its address, so a view needs no look-up.
template <typename T>
T* HostData(const Buffer& buffer) {
  const uint64_t address = buffer.handle + static_cast<uint64_t>(buffer.offset_bytes);
  return reinterpret_cast<T*>(address);  // NOLINT(performance-no-int-to-ptr): the handle's form
}

class HostBackend : public Backend {
 public:
  int64_t progress() const override { return progress_.load(std::memory_order_relaxed); }
  absl::StatusOr<Buffer> Allocate(const std::array<int64_t, 3>& shape, DType dtype,
                                  bool bulk) override;
  int64_t weight_bytes() const override { return weight_bytes_; }
  int64_t buffer_bytes() const override { return buffer_bytes_; }
  int64_t scratch_bytes() const override { return 0; }
  int64_t huge_page_bytes() const override { return HugePageBytes(); }
  absl::Status Upload(const Buffer& to, absl::Span<const uint8_t> bytes) override;
  absl::Status Download(const Buffer& from, absl::Span<uint8_t> bytes) override;
  absl::Status Plan(const StepPlan& plan) override;
  void BeginStep(const StepInput& input) override;
  void Embed(const Buffer& table, const Buffer& out) override;
  void Route(const Buffer& scores, const Buffer& bias, const RouteSpec& spec, const Buffer& ids,
             const Buffer& weights) override;
  void AddBias(const Buffer& bias, int64_t rows, const Buffer& x) override;
  void GatherLogitRows(const Buffer& x, const Buffer& out) override;
  void Sample(const Buffer& logits, absl::Span<const SampleSpec> specs,
              std::vector<SampleResult>* results) override;
  absl::Status Synchronize() override { return absl::OkStatus(); }

 protected:
  void Bump() { progress_.fetch_add(1, std::memory_order_relaxed); }
  int32_t rows() const { return static_cast<int32_t>(tokens_.size()); }
  int32_t BlockOf(const Segment& segment, int32_t position) const {
    return block_ids_[segment.first_block + position / kBlockTokens];
  }
  /// The tile of a layer's cache that holds a position, for a segment of this step.
  uint8_t* MlaTile(const Segment& segment, int32_t position, const MlaLayer& layer) const {
    return HostData<uint8_t>(layer.cache) +
           BlockOf(segment, position) * KvTileBytes(layer.cache.dtype, layer.kv_shape());
  }
  /// The same for the keys or values of one kv head.
  uint8_t* GqaTile(const Segment& segment, int32_t position, const GqaLayer& layer, int32_t head,
                   bool value) const {
    return HostData<uint8_t>(layer.cache) +
           layer.TileBytesOffset(BlockOf(segment, position), head, value);
  }

  StepPlan plan_;
  std::vector<int32_t> tokens_, positions_, block_ids_, logit_rows_;
  std::vector<Segment> segments_;
  std::vector<int32_t> row_segment_;  // [rows] index of each row's segment
  int64_t weight_bytes_ = 0;

 private:
  std::vector<HostMemory> memory_;
  int64_t buffer_bytes_ = 0;
  std::vector<float> route_scratch_;
  SampleScratch sample_scratch_;
  std::atomic<int64_t> progress_{0};
};

}  // namespace deepseek::engine
