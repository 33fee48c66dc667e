#pragma once
// What the benchmarks work on: a CPU backend, random matrices of each stored type, float rows.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bench/kernels/limits.h"
#include "engine/kernels/backend.h"

namespace deepseek::bench {

/// A combination of stored type, packed form and arithmetic that the engine serves.
struct Format {
  const char* name;
  engine::DType stored;
  engine::WeightType packed;
  engine::Compute compute;
  Unit unit;
  double bits;  ///< per weight in the packed form, scales left out: checked against what was packed
};

/// Every format, the one place to add another.
const std::vector<Format>& Formats();

/// Aborts with the message when the engine refuses: a benchmark without its operands is none.
class Operands {
 public:
  /// `plan`: the largest step. Backend threads as MeasureLimits was told.
  Operands(const Format& format, const engine::StepPlan& plan);

  /// Random weights [rows, cols]; another seed gives other values.
  engine::PackedWeight Weight(int64_t rows, int64_t cols, uint32_t seed);
  /// Random F32 [rows, cols].
  engine::Buffer Rows(int64_t rows, int64_t cols, uint32_t seed);
  engine::Buffer Zeros(int64_t rows, int64_t cols);
  engine::Buffer Ints(const std::vector<int32_t>& values, int64_t rows, int64_t cols);
  /// After the weights: plans the step's scratch and starts a step of `rows` rows.
  void BeginStep(int32_t rows);
  engine::Backend& backend() { return *backend_; }
  /// Bits per weight of the last Weight.
  double packed_bits() const { return packed_bits_; }

 private:
  const Format& format_;
  engine::StepPlan plan_;
  std::unique_ptr<engine::Backend> backend_;
  bool planned_ = false;
  double packed_bits_ = 0;
};

/// How many copies of a working set of `bytes` to rotate over, so that none is in the last-level
/// cache when its turn comes.
int CopiesFor(int64_t bytes);

}  // namespace deepseek::bench
