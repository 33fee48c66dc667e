#include "bench/kernels/operands.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "engine/kernels/cpu/cpu_backend.h"

namespace deepseek::bench {
namespace {

using engine::Buffer;
using engine::Compute;
using engine::DType;
using engine::WeightType;

[[noreturn]] void Fail(const absl::Status& status) {
  std::fprintf(stderr, "error: kernel_bench: %s\n", std::string(status.message()).c_str());
  std::exit(1);
}
void Check(const absl::Status& status) {
  if (!status.ok()) Fail(status);
}
template <typename T>
T Check(absl::StatusOr<T> value) {
  if (!value.ok()) Fail(value.status());
  return *std::move(value);
}

// Cheap and good enough: speed does not depend on the values, but zeros, infinities and subnormals
// could.
class Bits {
 public:
  explicit Bits(uint32_t seed) : state_(seed * 0x9E3779B97F4A7C15ULL + 1) {}
  uint32_t Next() {
    state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL;
    return static_cast<uint32_t>(state_ >> 32);
  }
  float Float() { return static_cast<float>(static_cast<int32_t>(Next())) * 0x1p-31F; }  // [-1, 1)

 private:
  uint64_t state_;
};

std::vector<uint8_t> RandomValues(DType type, int64_t n, uint32_t seed) {
  std::vector<uint8_t> data(static_cast<size_t>(n * SizeOf(type)));
  Bits bits(seed);
  for (int64_t i = 0; i < n; ++i) {
    const float value = 0.05F * bits.Float();
    uint32_t pattern = 0;
    std::memcpy(&pattern, &value, sizeof(pattern));
    if (type == DType::kBf16) pattern >>= 16;
    if (type == DType::kF8E4M3) pattern = (bits.Next() & 0x87U) | 0x28U | (bits.Next() & 0x10U);
    std::memcpy(data.data() + i * SizeOf(type), &pattern, static_cast<size_t>(SizeOf(type)));
  }
  return data;
}

}  // namespace

const std::vector<Format>& Formats() {
  static const std::vector<Format> formats{
      {"f32", DType::kF32, WeightType::kNative, Compute::kFp32, Unit::kFp32, 32},
      {"bf16", DType::kBf16, WeightType::kNative, Compute::kBf16, Unit::kBf16, 16},
      {"fp8", DType::kF8E4M3, WeightType::kNative, Compute::kBf16, Unit::kBf16, 8},
      {"int8", DType::kBf16, WeightType::kInt8, Compute::kInt8, Unit::kInt8, 8},
      {"int4", DType::kBf16, WeightType::kInt4, Compute::kInt8, Unit::kInt8, 4},
  };
  return formats;
}

Operands::Operands(const Format& format, const engine::StepPlan& plan)
    : format_(format),
      plan_(plan),
      backend_(Check(engine::CreateCpuBackend({format.compute, MeasuredLimits().threads},
                                              MeasuredLimits().isa))) {}

engine::PackedWeight Operands::Weight(int64_t rows, int64_t cols, uint32_t seed) {
  constexpr int64_t kBlock = 128;
  const std::vector<uint8_t> values = RandomValues(format_.stored, rows * cols, seed);
  engine::HostMatrix matrix;
  matrix.name = "bench";
  matrix.data = values.data();
  matrix.dtype = format_.stored;
  matrix.rows = rows;
  matrix.cols = matrix.row_stride = cols;
  matrix.store = format_.packed;
  std::vector<float> scales;
  if (format_.stored == DType::kF8E4M3) {
    matrix.scale_stride = (cols + kBlock - 1) / kBlock;
    scales.assign(static_cast<size_t>((rows + kBlock - 1) / kBlock * matrix.scale_stride), 0.01F);
    matrix.scales = scales.data();
  }
  const engine::PackedWeight weight = Check(backend_->Pack(matrix));
  packed_bits_ = 8.0 * static_cast<double>(weight.bytes) / static_cast<double>(rows * cols);
  return weight;
}

Buffer Operands::Rows(int64_t rows, int64_t cols, uint32_t seed) {
  const Buffer buffer = Zeros(rows, cols);
  const std::vector<uint8_t> values = RandomValues(DType::kF32, rows * cols, seed);
  Check(backend_->Upload(buffer, values));
  return buffer;
}

Buffer Operands::Zeros(int64_t rows, int64_t cols) {
  return Check(backend_->Allocate({rows, cols, 0}, DType::kF32, false));
}

Buffer Operands::Ints(const std::vector<int32_t>& values, int64_t rows, int64_t cols) {
  const Buffer buffer = Check(backend_->Allocate({rows, cols, 0}, DType::kI32, false));
  Check(backend_->Upload(
      buffer, {reinterpret_cast<const uint8_t*>(values.data()), values.size() * sizeof(int32_t)}));
  return buffer;
}

void Operands::BeginStep(int32_t rows) {
  if (!std::exchange(planned_, true)) Check(backend_->Plan(plan_));
  const std::vector<int32_t> tokens(static_cast<size_t>(rows), 0), none;
  engine::Segment segment;
  segment.rows = rows;
  backend_->BeginStep({tokens, absl::MakeConstSpan(&segment, 1), none, none});
}

int CopiesFor(int64_t bytes) {
  const int64_t cache = std::max<int64_t>(sysconf(_SC_LEVEL3_CACHE_SIZE), int64_t{32} << 20);
  return static_cast<int>(std::max<int64_t>(1, (4 * cache + bytes - 1) / bytes));
}

}  // namespace deepseek::bench
