#pragma once
// Every operation of every backend against the reference, over shapes, edges and seeds. A test is
// written once, as a function of a backend that returns floats.

#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "engine/kernels/backend.h"

namespace deepseek::engine {

/// Names of the CPU backend's instruction sets on this machine, for ::testing::ValuesIn.
std::vector<std::string> Isas();
std::unique_ptr<Backend> CpuBackendFor(const std::string& isa, int threads = 2,
                                       Compute compute = Compute::kFp32);

/// Aborts on failure: the tests are about numbers.
Buffer Upload(Backend* backend, const std::vector<float>& values, std::array<int64_t, 3> shape);
Buffer UploadInts(Backend* backend, const std::vector<int32_t>& values,
                  std::array<int64_t, 3> shape);
Buffer Zeros(Backend* backend, std::array<int64_t, 3> shape, DType dtype = DType::kF32);
std::vector<float> Download(Backend* backend, const Buffer& buffer);

class Random {
 public:
  explicit Random(uint32_t seed) : engine_(seed) {}
  std::vector<float> Normal(int64_t n, float sigma = 1);
  uint32_t Below(uint32_t n) { return static_cast<uint32_t>(engine_() % n); }

 private:
  std::mt19937 engine_;
};

/// A random weight in a stored type; FP8 codes include subnormals and negative zero, never NaN.
class TestMatrix {
 public:
  TestMatrix(Random* random, int64_t rows, int64_t cols, DType dtype, int32_t block = 128);
  const HostMatrix& host() const { return host_; }
  PackedWeight Pack(Backend* backend) const;

 private:
  HostMatrix host_;
  std::vector<uint8_t> data_;
  std::vector<float> scales_;
};

/// Runs `op` on the reference and on `backend`; every output within `tolerance` * (1 + |expected|).
void ExpectSame(Backend* backend, double tolerance,
                const std::function<std::vector<float>(Backend*)>& op);

}  // namespace deepseek::engine
