#pragma once
// Whether a checkpoint has the tensors that a ModelSpec asks for.

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "engine/arch/dtype.h"
#include "engine/arch/expected_tensors.h"
#include "engine/weights/checkpoint.h"

namespace deepseek::engine {

/// Presence, shape and type (of the scales, too: NaN and infinite ones are refused). The first
/// error names the tensor (the caller adds the folder), what was found and what was expected. Does
/// not read weight values.
absl::Status CheckTensor(const Checkpoint& checkpoint, const ModelSpec& spec,
                         const ExpectedTensor& expected);
absl::Status CheckTensors(const Checkpoint& checkpoint, const ModelSpec& spec, bool mtp);

/// Whether any tensor of the multi-token-prediction layers is there. Serving needs none of them, so
/// that copies without them are whole, and one with some of them is not.
bool HasMtp(const Checkpoint& checkpoint, const ModelSpec& spec);

/// Stored bytes of the expected tensors, scales included: what a load reads. Optional ones are
/// checked, but never read.
int64_t ExpectedBytes(const Checkpoint& checkpoint, const ModelSpec& spec, bool mtp);

/// The type that a tensor is stored in; nullopt: it is not there, or has a type that no load takes.
std::optional<DType> StoredType(const Checkpoint& checkpoint, const std::string& name);

}  // namespace deepseek::engine
