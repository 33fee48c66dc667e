#include "engine/weights/tensor_values.h"

#include <cstring>

#include "base/status.h"
#include "base/strings.h"

namespace deepseek::engine {
namespace {

template <typename T>
T Load(const uint8_t* data, int64_t index) {
  T value;
  std::memcpy(&value, data + index * int64_t{sizeof(T)}, sizeof(T));
  return value;
}

// Index of the first element whose exponent bits (under `mask`) are all ones, or -1. Blocks are
// tested with an or-reduction that the compiler vectorises; only a block with a hit is searched.
template <typename T>
int64_t FirstNonFinite(absl::Span<const uint8_t> bytes, T mask) {
  const auto n = static_cast<int64_t>(bytes.size() / sizeof(T));
  constexpr int64_t kBlock = 1024;
  for (int64_t begin = 0; begin < n; begin += kBlock) {
    const int64_t end = std::min(n, begin + kBlock);
    bool bad = false;
    for (int64_t i = begin; i < end; ++i) {
      bad |= (Load<T>(bytes.data(), i) & mask) == mask;
    }
    if (!bad) continue;
    for (int64_t i = begin; i < end; ++i) {
      if ((Load<T>(bytes.data(), i) & mask) == mask) return i;
    }
  }
  return -1;
}

}  // namespace

absl::StatusOr<DType> DTypeOf(const TensorView& view) {
  if (view.dtype == "F32") return DType::kF32;
  if (view.dtype == "BF16") return DType::kBf16;
  if (view.dtype == "F16") return DType::kF16;
  if (view.dtype == "F8_E4M3") return DType::kF8E4M3;
  if (view.dtype == "I32") return DType::kI32;
  return absl::UnimplementedError(
      StrCat("tensor ", view.name, " has type ", view.dtype, " (served: F32, BF16, F16, F8_E4M3)"));
}

absl::StatusOr<std::vector<float>> ToFloat(const TensorView& view) {
  return ToFloat(view, view.data);
}

absl::StatusOr<std::vector<float>> ToFloat(const TensorView& view,
                                           absl::Span<const uint8_t> bytes) {
  ASSIGN_OR_RETURN(const DType dtype, DTypeOf(view));
  std::vector<float> out(static_cast<size_t>(view.elements()));
  const uint8_t* data = bytes.data();
  for (int64_t i = 0; i < view.elements(); ++i) {
    float& v = out[static_cast<size_t>(i)];
    switch (dtype) {
      case DType::kF32:
        v = Load<float>(data, i);
        break;
      case DType::kBf16:
        v = Bf16ToFloat(Load<uint16_t>(data, i));
        break;
      case DType::kF16:
        v = HalfToFloat(Load<uint16_t>(data, i));
        break;
      case DType::kF8E4M3:
        v = kE4M3[data[i]];
        break;
      default:
        return absl::UnimplementedError(
            StrCat("tensor ", view.name, " is ", view.dtype, ", not floats"));
    }
  }
  return out;
}

absl::Status CheckFinite(const TensorView& view) {
  return CheckFinite(view, 0, view.data);
}

absl::Status CheckFinite(const TensorView& view, int64_t first, absl::Span<const uint8_t> bytes) {
  int64_t at = -1;
  if (view.dtype == "F32") at = FirstNonFinite<uint32_t>(bytes, 0x7f800000U);
  if (view.dtype == "BF16") at = FirstNonFinite<uint16_t>(bytes, 0x7f80U);
  if (view.dtype == "F16") at = FirstNonFinite<uint16_t>(bytes, 0x7c00U);
  if (view.dtype == "F8_E4M3") at = FirstNonFinite<uint8_t>(bytes, 0x7fU);
  if (at < 0) return absl::OkStatus();
  at += first;
  std::string index;
  for (size_t d = view.shape.size(); d-- > 0;) {
    index = StrCat(at % view.shape[d], index.empty() ? "" : ", ", index);
    at /= view.shape[d];
  }
  return absl::DataLossError(
      StrCat("tensor ", view.name, " holds NaN or infinity at [", index, "]"));
}

}  // namespace deepseek::engine
