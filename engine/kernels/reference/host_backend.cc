#include "engine/kernels/reference/host_backend.h"

#include <cstring>
#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "engine/kernels/reference/route.h"

namespace deepseek::engine {

absl::StatusOr<Buffer> HostBackend::Allocate(const std::array<int64_t, 3>& shape, DType dtype,
                                             bool bulk) {
  Buffer buffer;
  buffer.shape = shape;
  buffer.dtype = dtype;
  ASSIGN_OR_RETURN(HostMemory memory,
                   HostMemory::Allocate(buffer.elements() * SizeOf(dtype), bulk));
  memory.Populate();
  buffer.handle = reinterpret_cast<uint64_t>(memory.data());
  buffer_bytes_ += memory.bytes();
  memory_.push_back(std::move(memory));
  return buffer;
}

absl::Status HostBackend::Upload(const Buffer& to, absl::Span<const uint8_t> bytes) {
  if (static_cast<int64_t>(bytes.size()) != to.elements() * SizeOf(to.dtype)) {
    return absl::InternalError(StrCat("upload of ", bytes.size(), " bytes into a buffer of ",
                                      to.elements() * SizeOf(to.dtype)));
  }
  std::memcpy(HostData<uint8_t>(to), bytes.data(), bytes.size());
  return absl::OkStatus();
}

absl::Status HostBackend::Download(const Buffer& from, absl::Span<uint8_t> bytes) {
  if (static_cast<int64_t>(bytes.size()) > from.elements() * SizeOf(from.dtype)) {
    return absl::InternalError(StrCat("download of ", bytes.size(), " bytes from a buffer of ",
                                      from.elements() * SizeOf(from.dtype)));
  }
  std::memcpy(bytes.data(), HostData<uint8_t>(from), bytes.size());
  return absl::OkStatus();
}

absl::Status HostBackend::Plan(const StepPlan& plan) {
  plan_ = plan;
  const auto rows = static_cast<size_t>(plan.max_rows);
  tokens_.reserve(rows);
  positions_.reserve(rows);
  row_segment_.reserve(rows);
  segments_.reserve(rows);
  logit_rows_.reserve(static_cast<size_t>(plan.max_logit_rows));
  return absl::OkStatus();
}

void HostBackend::BeginStep(const StepInput& input) {
  tokens_.assign(input.tokens.begin(), input.tokens.end());
  segments_.assign(input.segments.begin(), input.segments.end());
  block_ids_.assign(input.block_ids.begin(), input.block_ids.end());
  logit_rows_.assign(input.logit_rows.begin(), input.logit_rows.end());
  positions_.resize(tokens_.size());
  row_segment_.resize(tokens_.size());
  for (size_t s = 0; s < segments_.size(); ++s) {
    const Segment& segment = segments_[s];
    for (int32_t i = 0; i < segment.rows; ++i) {
      positions_[segment.first_row + i] = segment.context + i;
      row_segment_[segment.first_row + i] = static_cast<int32_t>(s);
    }
  }
}

void HostBackend::Embed(const Buffer& table, const Buffer& out) {
  const int64_t hidden = table.shape[1];
  float* to = HostData<float>(out);
  for (int32_t r = 0; r < rows(); ++r, to += hidden) {
    const int64_t begin = int64_t{tokens_[r]} * hidden;
    if (table.dtype == DType::kF32) {
      std::memcpy(to, HostData<float>(table) + begin, static_cast<size_t>(hidden) * sizeof(float));
      continue;
    }
    const uint16_t* from = HostData<uint16_t>(table) + begin;
    for (int64_t i = 0; i < hidden; ++i) {
      to[i] = table.dtype == DType::kBf16 ? Bf16ToFloat(from[i]) : HalfToFloat(from[i]);
    }
  }
  Bump();
}

void HostBackend::Route(const Buffer& scores, const Buffer& bias, const RouteSpec& spec,
                        const Buffer& ids, const Buffer& weights) {
  route_scratch_.resize(2 * static_cast<size_t>(spec.experts + spec.groups));
  for (int32_t r = 0; r < rows(); ++r) {
    RouteRow(HostData<float>(scores) + int64_t{r} * spec.experts,
             bias ? HostData<float>(bias) : nullptr, spec,
             HostData<int32_t>(ids) + int64_t{r} * spec.experts_per_token,
             HostData<float>(weights) + int64_t{r} * spec.experts_per_token, route_scratch_.data());
  }
  Bump();
}

void HostBackend::AddBias(const Buffer& bias, int64_t rows, const Buffer& x) {
  const int64_t n = bias.shape[0];
  const float* from = HostData<float>(bias);
  float* to = HostData<float>(x);
  for (int64_t r = 0; r < rows; ++r, to += n) {
    for (int64_t i = 0; i < n; ++i) to[i] += from[i];
  }
  Bump();
}

void HostBackend::GatherLogitRows(const Buffer& x, const Buffer& out) {
  const int64_t n = x.shape[1];
  for (size_t i = 0; i < logit_rows_.size(); ++i) {
    std::memcpy(HostData<float>(out) + static_cast<int64_t>(i) * n,
                HostData<float>(x) + logit_rows_[i] * n, static_cast<size_t>(n) * sizeof(float));
  }
}

void HostBackend::Sample(const Buffer& logits, absl::Span<const SampleSpec> specs,
                         std::vector<SampleResult>* results) {
  const int64_t vocab = logits.shape[1];
  results->clear();
  for (const SampleSpec& spec : specs) {
    const float* row = HostData<float>(logits) + spec.row * vocab;
    results->push_back(SampleRow({row, static_cast<size_t>(vocab)}, spec, &sample_scratch_));
  }
  Bump();
}

}  // namespace deepseek::engine
