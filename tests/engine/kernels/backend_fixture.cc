#include "tests/engine/kernels/backend_fixture.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>

#include "engine/kernels/cpu/cpu_backend.h"
#include "engine/kernels/cpu/isa.h"
#include "engine/kernels/reference/reference_backend.h"

namespace deepseek::engine {
namespace {

template <typename T>
Buffer UploadAs(Backend* backend, const std::vector<T>& values, std::array<int64_t, 3> shape,
                DType dtype) {
  const Buffer buffer = Zeros(backend, shape, dtype);
  const auto status = backend->Upload(
      buffer, {reinterpret_cast<const uint8_t*>(values.data()), values.size() * sizeof(T)});
  if (!status.ok()) std::abort();
  return buffer;
}

}  // namespace

std::vector<std::string> Isas() {
  std::vector<std::string> names;
  for (const std::string_view name : SupportedIsas()) names.emplace_back(name);
  return names;
}

std::unique_ptr<Backend> CpuBackendFor(const std::string& isa, int threads, Compute compute) {
  return *CreateCpuBackend({compute, threads}, isa);
}

Buffer Zeros(Backend* backend, std::array<int64_t, 3> shape, DType dtype) {
  return *backend->Allocate(shape, dtype, false);
}
Buffer Upload(Backend* backend, const std::vector<float>& values, std::array<int64_t, 3> shape) {
  return UploadAs(backend, values, shape, DType::kF32);
}
Buffer UploadInts(Backend* backend, const std::vector<int32_t>& values,
                  std::array<int64_t, 3> shape) {
  return UploadAs(backend, values, shape, DType::kI32);
}

std::vector<float> Download(Backend* backend, const Buffer& buffer) {
  std::vector<float> values(static_cast<size_t>(buffer.elements()));
  const auto status = backend->Download(
      buffer, {reinterpret_cast<uint8_t*>(values.data()), values.size() * sizeof(float)});
  if (!status.ok()) std::abort();
  return values;
}

std::vector<float> Random::Normal(int64_t n, float sigma) {
  std::normal_distribution<float> normal(0, sigma);
  std::vector<float> values(static_cast<size_t>(n));
  for (float& v : values) v = normal(engine_);
  return values;
}

TestMatrix::TestMatrix(Random* random, int64_t rows, int64_t cols, DType dtype, int32_t block) {
  const std::vector<float> values = random->Normal(rows * cols, 0.3F);
  data_.resize(static_cast<size_t>(rows * cols * SizeOf(dtype)));
  for (size_t i = 0; i < values.size(); ++i) {
    if (dtype == DType::kF32) {
      std::memcpy(&data_[4 * i], &values[i], 4);
    } else if (dtype == DType::kBf16) {
      const uint16_t bits = FloatToBf16(values[i]);
      std::memcpy(&data_[2 * i], &bits, 2);
    } else if (dtype == DType::kF16) {
      const auto bits = static_cast<uint16_t>(random->Below(0x3c00) | (random->Below(2) << 15));
      std::memcpy(&data_[2 * i], &bits, 2);
    } else {
      do {
        data_[i] = static_cast<uint8_t>(random->Below(256));
        if (random->Below(4) == 0) data_[i] &= 0x87;  // many subnormals
      } while ((data_[i] & 0x7f) == 0x7f);
    }
  }
  host_ = {};
  host_.name = "w";
  host_.data = data_.data();
  host_.dtype = dtype;
  host_.rows = rows;
  host_.cols = host_.row_stride = cols;
  if (dtype == DType::kF8E4M3) {
    host_.block_rows = host_.block_cols = block;
    host_.scale_stride = (cols + block - 1) / block;
    scales_ = random->Normal(host_.scale_stride * ((rows + block - 1) / block), 0.002F);
    scales_[0] = 0;
    host_.scales = scales_.data();
  }
}

PackedWeight TestMatrix::Pack(Backend* backend) const {
  return *backend->Pack(host_);
}

void ExpectSame(Backend* backend, double tolerance,
                const std::function<std::vector<float>(Backend*)>& op) {
  const auto reference = CreateReferenceBackend();
  const std::vector<float> expected = op(reference.get());
  const std::vector<float> actual = op(backend);
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    ASSERT_NEAR(actual[i], expected[i], tolerance * (1 + std::fabs(expected[i]))) << "at " << i;
  }
}

}  // namespace deepseek::engine
