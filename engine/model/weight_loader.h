#pragma once
// Moves tensors of a checkpoint into a backend: checked, in parallel, with progress and
// cancellation.

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/kernels/backend.h"
#include "engine/model/load_queue.h"
#include "engine/model/model.h"
#include "engine/weights/checkpoint.h"

namespace deepseek::engine {

/// Handles are given at once; values follow, packed by threads of the loader's own in pieces of
/// about 1 MiB that are read from the file, checked (NaN and infinity are refused, naming the
/// tensor) and written into the backend's layout. Shapes were checked before (CheckTensors). One
/// caller. The backend must outlive the loader.
class WeightLoader {
 public:
  WeightLoader(const Checkpoint& checkpoint, const ModelSpec& spec, const ModelOptions& options,
               Backend* backend, const LoadCallbacks& callbacks);
  /// Waits until all values are there. Nothing may be computed before. The first failure, in the
  /// order of the calls.
  absl::Status Finish();

  /// NAME.weight as a linear, quantised as the options say.
  absl::StatusOr<PackedWeight> Linear(const std::string& name);
  /// NAME.weight in its stored type, whose activations are never rounded.
  absl::StatusOr<PackedWeight> ExactLinear(const std::string& name);
  /// gate_proj, up_proj and down_proj under `prefix`.
  absl::StatusOr<FfnWeights> Ffn(const std::string& prefix);
  /// A vector as F32.
  absl::StatusOr<Buffer> Vector(const std::string& tensor);
  /// A matrix in its stored type (embedding).
  absl::StatusOr<Buffer> Table(const std::string& tensor);
  /// NAME.weight in its stored type without its values (`data` is null), for callers that pack
  /// slices of it. Valid until Finish().
  absl::StatusOr<HostMatrix> Matrix(const std::string& name);
  /// A slice of Matrix(), transposed or not. Never quantised unless the caller sets `store`.
  absl::StatusOr<PackedWeight> Pack(const HostMatrix& slice);
  /// F32 data made by the caller, as a buffer.
  absl::StatusOr<Buffer> Upload(const std::vector<float>& values,
                                const std::array<int64_t, 3>& shape);
  Backend* backend() const { return backend_; }
  /// What quantised linears are stored as.
  WeightType store() const { return store_; }

 private:
  /// A tensor on its way: keeps what its pieces need.
  struct Source {
    const TensorView* view = nullptr;
    Checkpoint::Place place;
    HostMatrix matrix;          // its data is set for each piece
    std::vector<float> scales;  // FP8
  };
  /// Rows of a tensor, as one piece or as many.
  struct Rows {
    int64_t first = 0, count = 0;
    bool at_once = false;
  };
  /// Rows of a piece, counted from the first of the Rows.
  using Use = std::function<absl::Status(const uint8_t* rows, int64_t row_begin, int64_t row_end)>;

  /// Looks up; refuses when the load was cancelled.
  absl::StatusOr<std::shared_ptr<Source>> Open(const std::string& tensor);
  /// All bytes of a small tensor, checked and counted.
  absl::StatusOr<std::vector<uint8_t>> ReadWhole(const Source& source);
  /// Open() as a matrix, with the scales of FP8.
  absl::StatusOr<std::shared_ptr<Source>> OpenMatrix(const std::string& name);
  /// `slice` of the source's matrix, or all of it.
  absl::StatusOr<PackedWeight> PackSlice(const std::shared_ptr<const Source>& source,
                                         const HostMatrix& slice);
  /// Queues rows of a matrix in pieces: read, checked, handed to `use`, counted.
  absl::Status QueueRows(const std::shared_ptr<const Source>& source, const Rows& rows,
                         const Use& use);
  /// Counts bytes of a tensor that is done; one that is read twice (tied) counts once.
  void Count(const TensorView& view, int64_t bytes);

  const Checkpoint& checkpoint_;
  const ModelSpec& spec_;
  Backend* backend_;
  const LoadCallbacks& callbacks_;
  const WeightType store_;
  const int64_t total_bytes_;
  const bool evict_;  // memory is short: the file's pages must not stay in the system's cache

  std::mutex count_mutex_;
  int64_t loaded_bytes_ = 0;                      // guarded by count_mutex_
  std::map<const TensorView*, int64_t> counted_;  // guarded by count_mutex_: bytes counted

  std::map<std::string, std::shared_ptr<Source>> sliced_;  // of Matrix(), by the tensor's name
  std::vector<std::vector<uint8_t>> buffers_;              // [thread]: the piece being packed
  LoadQueue queue_;                                        // last: joined first
};

}  // namespace deepseek::engine
