#include "engine/kernels/kv_tile.h"

#include <algorithm>
#include <cmath>

namespace deepseek::engine {
namespace {

constexpr float kLargestCode = 127;

// Symmetric, round to nearest even: |code * scale - x| <= scale / 2. Returns the scale.
float QuantizeGroup(const float* x, int32_t n, int8_t* codes) {
  float largest = 0;
  float poison = 0;  // NaN once a NaN or an infinity was met
  for (int32_t i = 0; i < n; ++i) {
    largest = std::max(largest, std::fabs(x[i]));
    poison += x[i] - x[i];
  }
  if (!(poison == 0)) {
    std::fill_n(codes, n, int8_t{1});
    return poison;
  }
  const float scale = largest / kLargestCode;
  // A scale below the smallest normal number would make its inverse infinite.
  const float inverse = scale > 1e-37F ? 1.0F / scale : 0.0F;
  for (int32_t i = 0; i < n; ++i) {
    const float code = std::nearbyint(x[i] * inverse);
    codes[i] = static_cast<int8_t>(std::clamp(code, -kLargestCode, kLargestCode));
  }
  return scale;
}

}  // namespace

void StoreKvRow(DType type, const KvShape& shape, const float* row, int32_t token, uint8_t* tile) {
  const int64_t at = int64_t{token} * shape.width;
  if (type == DType::kF32) {
    std::copy_n(row, shape.width, reinterpret_cast<float*>(tile) + at);
    return;
  }
  if (type == DType::kBf16) {
    uint16_t* cells = reinterpret_cast<uint16_t*>(tile) + at;
    for (int32_t i = 0; i < shape.width; ++i) cells[i] = FloatToBf16(row[i]);
    return;
  }
  auto* codes = reinterpret_cast<int8_t*>(tile) + at;
  auto* scales = reinterpret_cast<float*>(tile + int64_t{kBlockTokens} * shape.width);
  for (int32_t g = 0, begin = 0; g < shape.scales(); begin = shape.group_end(g++)) {
    scales[g * kBlockTokens + token] =
        QuantizeGroup(row + begin, shape.group_end(g) - begin, codes + begin);
  }
}

void LoadKvRow(DType type, const KvShape& shape, const uint8_t* tile, int32_t token, int32_t begin,
               int32_t end, float* out) {
  const int64_t at = int64_t{token} * shape.width;
  if (type == DType::kF32) {
    std::copy_n(reinterpret_cast<const float*>(tile) + at + begin, end - begin, out);
    return;
  }
  if (type == DType::kBf16) {
    const uint16_t* cells = reinterpret_cast<const uint16_t*>(tile) + at;
    for (int32_t i = begin; i < end; ++i) out[i - begin] = Bf16ToFloat(cells[i]);
    return;
  }
  const auto* codes = reinterpret_cast<const int8_t*>(tile) + at;
  for (int32_t i = begin; i < end;) {
    const float scale = KvScales(tile, shape)[shape.group(i) * kBlockTokens + token];
    const int32_t stop = std::min(end, shape.group_end(shape.group(i)));
    for (; i < stop; ++i) out[i - begin] = static_cast<float>(codes[i]) * scale;
  }
}

}  // namespace deepseek::engine
