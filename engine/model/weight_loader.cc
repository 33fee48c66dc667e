#include "engine/model/weight_loader.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "engine/cache/available_memory.h"
#include "engine/weights/check_tensors.h"
#include "engine/weights/tensor_values.h"

namespace deepseek::engine {
namespace {

// Fits into a core's share of the caches, so that a piece is read from the file, searched for NaN
// and packed while it is there; and small enough that a cancelled load ends within milliseconds.
constexpr int64_t kPieceBytes = int64_t{1} << 20;
// What is asked of the disk ahead of the packing.
constexpr int64_t kReadAheadBytes = int64_t{128} << 20;

int ThreadsOf(const ModelOptions& options) {
  return options.threads > 0 ? options.threads
                             : static_cast<int>(std::thread::hardware_concurrency());
}

}  // namespace

WeightLoader::WeightLoader(const Checkpoint& checkpoint, const ModelSpec& spec,
                           const ModelOptions& options, Backend* backend,
                           const LoadCallbacks& callbacks)
    : checkpoint_(checkpoint),
      spec_(spec),
      backend_(backend),
      callbacks_(callbacks),
      store_(options.weights),
      total_bytes_(ExpectedBytes(checkpoint, spec, options.load_mtp)),
      // The file and its packed form are of about one size: when both do not fit, the system would
      // have to find out by itself which pages to give up, and a cgroup counts them all.
      evict_(2 * total_bytes_ > AvailableMemoryBytes()),
      buffers_(static_cast<size_t>(ThreadsOf(options))),
      queue_(ThreadsOf(options), kReadAheadBytes, callbacks.cancel) {}

absl::Status WeightLoader::Finish() {
  return queue_.Finish();
}

void WeightLoader::Count(const TensorView& view, int64_t bytes) {
  const std::lock_guard lock(count_mutex_);
  int64_t& counted = counted_[&view];
  bytes = std::min(bytes, static_cast<int64_t>(view.data.size()) - counted);
  counted += bytes;
  loaded_bytes_ += bytes;
  if (bytes > 0 && callbacks_.on_progress) callbacks_.on_progress(loaded_bytes_, total_bytes_);
}

absl::StatusOr<std::shared_ptr<WeightLoader::Source>> WeightLoader::Open(
    const std::string& tensor) {
  if (callbacks_.cancel != nullptr && callbacks_.cancel->load()) {
    return absl::CancelledError("loading was cancelled");
  }
  auto source = std::make_shared<Source>();
  ASSIGN_OR_RETURN(source->view, checkpoint_.Get(tensor));
  source->place = checkpoint_.PlaceOf(*source->view);
  ASSIGN_OR_RETURN(source->matrix.dtype, DTypeOf(*source->view));
  source->matrix.name = tensor;
  return source;
}

absl::StatusOr<std::vector<uint8_t>> WeightLoader::ReadWhole(const Source& source) {
  std::vector<uint8_t> bytes(source.view->data.size());
  RETURN_IF_ERROR(source.place.file->Read(source.place.offset, absl::MakeSpan(bytes)));
  RETURN_IF_ERROR(CheckFinite(*source.view, 0, bytes));
  Count(*source.view, static_cast<int64_t>(bytes.size()));
  return bytes;
}

absl::StatusOr<std::shared_ptr<WeightLoader::Source>> WeightLoader::OpenMatrix(
    const std::string& name) {
  ASSIGN_OR_RETURN(auto source, Open(name + ".weight"));
  HostMatrix& m = source->matrix;
  m.rows = source->view->shape[0];
  m.cols = m.row_stride = source->view->shape[1];
  if (m.dtype != DType::kF8E4M3) return source;
  ASSIGN_OR_RETURN(const auto scales, Open(m.name + "_scale_inv"));
  ASSIGN_OR_RETURN(const std::vector<uint8_t> bytes, ReadWhole(*scales));
  ASSIGN_OR_RETURN(source->scales, ToFloat(*scales->view, bytes));
  m.scales = source->scales.data();
  m.scale_stride = scales->view->shape[1];
  m.block_rows = spec_.fp8_block_rows;
  m.block_cols = spec_.fp8_block_cols;
  return source;
}

absl::Status WeightLoader::QueueRows(const std::shared_ptr<const Source>& source, const Rows& rows,
                                     const Use& use) {
  const int64_t width = source->view->shape[1];
  const int64_t row_bytes = width * SizeOf(source->matrix.dtype);
  const int64_t step = rows.at_once
                           ? rows.count
                           : std::max(kPieceBytes / row_bytes / kPackRows, int64_t{1}) * kPackRows;
  for (int64_t begin = 0; begin < rows.count; begin += step) {
    const int64_t end = std::min(begin + step, rows.count);
    const int64_t from = rows.first + begin;
    const int64_t offset = source->place.offset + from * row_bytes;
    const int64_t bytes = (end - begin) * row_bytes;
    source->place.file->Prefetch(offset, bytes);
    RETURN_IF_ERROR(queue_.Add(bytes, [=, this](int thread) -> absl::Status {
      std::vector<uint8_t>& buffer = buffers_[static_cast<size_t>(thread)];
      buffer.resize(static_cast<size_t>(bytes));
      RETURN_IF_ERROR(source->place.file->Read(offset, absl::MakeSpan(buffer)));
      RETURN_IF_ERROR(CheckFinite(*source->view, from * width, buffer));
      RETURN_IF_ERROR(use(buffer.data(), begin, end));
      if (evict_) source->place.file->Evict(offset, bytes);
      Count(*source->view, bytes);
      return absl::OkStatus();
    }));
  }
  return absl::OkStatus();
}

absl::StatusOr<PackedWeight> WeightLoader::PackSlice(const std::shared_ptr<const Source>& source,
                                                     const HostMatrix& slice) {
  ASSIGN_OR_RETURN(const PackedWeight weight, backend_->Place(slice));
  // A row of the transposed needs every row of the file's.
  const bool transposed = slice.col_stride != 1;
  const Rows rows =
      transposed ? Rows{slice.col0, slice.cols, true} : Rows{slice.row0, slice.rows, false};
  const int64_t row_bytes = source->view->shape[1] * SizeOf(slice.dtype);
  const int64_t skipped = (transposed ? slice.row0 : slice.col0) * SizeOf(slice.dtype);
  RETURN_IF_ERROR(QueueRows(
      source, rows, [=, this, keep = source](const uint8_t* at, int64_t begin, int64_t end) {
        HostMatrix m = slice;
        // Fill reads the rows [begin, end) only: row 0 would lie this far before the piece.
        m.data = reinterpret_cast<const void*>(  // NOLINT(performance-no-int-to-ptr): see above
            reinterpret_cast<uintptr_t>(at) + static_cast<uintptr_t>(skipped) -
            static_cast<uintptr_t>(begin * row_bytes));
        backend_->Fill(weight, m, transposed ? 0 : begin, transposed ? m.rows : end);
        return absl::OkStatus();
      }));
  return weight;
}

absl::StatusOr<PackedWeight> WeightLoader::Linear(const std::string& name) {
  ASSIGN_OR_RETURN(auto source, OpenMatrix(name));
  source->matrix.store = store_;
  return PackSlice(source, source->matrix);
}

absl::StatusOr<PackedWeight> WeightLoader::ExactLinear(const std::string& name) {
  ASSIGN_OR_RETURN(auto source, OpenMatrix(name));
  source->matrix.exact = true;
  return PackSlice(source, source->matrix);
}

absl::StatusOr<HostMatrix> WeightLoader::Matrix(const std::string& name) {
  ASSIGN_OR_RETURN(const auto source, OpenMatrix(name));
  sliced_[source->matrix.name] = source;
  return source->matrix;
}

absl::StatusOr<PackedWeight> WeightLoader::Pack(const HostMatrix& slice) {
  const auto source = sliced_.find(slice.name);
  if (source == sliced_.end()) {
    return absl::InternalError(StrCat("tensor ", slice.name, " is not a slice of Matrix()"));
  }
  return PackSlice(source->second, slice);
}

absl::StatusOr<FfnWeights> WeightLoader::Ffn(const std::string& prefix) {
  FfnWeights ffn;
  ASSIGN_OR_RETURN(ffn.gate, Linear(prefix + "gate_proj"));
  ASSIGN_OR_RETURN(ffn.up, Linear(prefix + "up_proj"));
  ASSIGN_OR_RETURN(ffn.down, Linear(prefix + "down_proj"));
  return ffn;
}

absl::StatusOr<Buffer> WeightLoader::Upload(const std::vector<float>& values,
                                            const std::array<int64_t, 3>& shape) {
  ASSIGN_OR_RETURN(const Buffer buffer, backend_->Allocate(shape, DType::kF32, false));
  RETURN_IF_ERROR(backend_->Upload(
      buffer, {reinterpret_cast<const uint8_t*>(values.data()), values.size() * sizeof(float)}));
  return buffer;
}

absl::StatusOr<Buffer> WeightLoader::Vector(const std::string& tensor) {
  ASSIGN_OR_RETURN(const auto source, Open(tensor));
  ASSIGN_OR_RETURN(const std::vector<uint8_t> bytes, ReadWhole(*source));
  ASSIGN_OR_RETURN(const std::vector<float> values, ToFloat(*source->view, bytes));
  return Upload(values, {static_cast<int64_t>(values.size()), 0, 0});
}

absl::StatusOr<Buffer> WeightLoader::Table(const std::string& tensor) {
  ASSIGN_OR_RETURN(const auto source, Open(tensor));
  const std::vector<int64_t>& shape = source->view->shape;
  ASSIGN_OR_RETURN(const Buffer buffer,
                   backend_->Allocate({shape[0], shape[1], 0}, source->matrix.dtype, true));
  RETURN_IF_ERROR(QueueRows(
      source, {0, shape[0], false},
      [this, buffer](const uint8_t* rows, int64_t begin, int64_t end) {
        Buffer part = buffer;
        const int64_t row_bytes = buffer.shape[1] * SizeOf(buffer.dtype);
        part.offset_bytes += begin * row_bytes;
        part.shape[0] = end - begin;
        return backend_->Upload(part, {rows, static_cast<size_t>((end - begin) * row_bytes)});
      }));
  return buffer;
}

}  // namespace deepseek::engine
