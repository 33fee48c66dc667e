#pragma once
// Values of tensors: conversion to F32 and the search for NaN and infinity.

#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engine/arch/dtype.h"
#include "engine/weights/safetensors.h"

namespace deepseek::engine {

/// kUnimplemented: a type that the engine does not compute with (names the tensor).
absl::StatusOr<DType> DTypeOf(const TensorView& view);

/// All elements as F32 (F8: without scales), of the mapping or of a copy of it. kUnimplemented for
/// integer types.
absl::StatusOr<std::vector<float>> ToFloat(const TensorView& view);
absl::StatusOr<std::vector<float>> ToFloat(const TensorView& view, absl::Span<const uint8_t> bytes);

/// kDataLoss naming the tensor and the first index that holds NaN or infinity. Integer types pass.
absl::Status CheckFinite(const TensorView& view);
/// The same for a part of the tensor: `bytes` start at element `first`.
absl::Status CheckFinite(const TensorView& view, int64_t first, absl::Span<const uint8_t> bytes);

}  // namespace deepseek::engine
