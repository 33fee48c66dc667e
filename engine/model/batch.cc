#include "engine/model/batch.h"

#include <algorithm>

#include "base/strings.h"

namespace deepseek::engine {
namespace {

absl::Status Bad(std::string_view what, int64_t value, std::string_view rule) {
  return absl::InvalidArgumentError(StrCat("batch: ", what, " ", value, " ", rule));
}

absl::Status CheckSegment(const Segment& s, int32_t expected_first, const Batch& batch,
                          const BatchBounds& bounds) {
  if (s.first_row != expected_first) return Bad("segment first_row", s.first_row, "leaves a gap");
  if (s.rows < 1) return Bad("segment rows", s.rows, "must be positive");
  if (s.context < 0) return Bad("segment context", s.context, "is negative");
  const int64_t end = int64_t{s.context} + s.rows;
  if (end > bounds.max_context) return Bad("sequence length", end, "exceeds the context limit");
  if (int64_t{s.blocks} * kBlockTokens < end) return Bad("segment blocks", s.blocks, "are too few");
  if (s.first_block < 0 || s.blocks < 0 ||
      int64_t{s.first_block} + s.blocks > static_cast<int64_t>(batch.block_ids.size())) {
    return Bad("segment first_block", s.first_block, "leaves block_ids");
  }
  return absl::OkStatus();
}

void AppendSegment(Segment segment, Batch* batch) {
  if (segment.rows == 0) return;
  if (!batch->segments.empty()) {
    const Segment& last = batch->segments.back();
    segment.first_row = last.first_row + last.rows;
  }
  batch->segments.push_back(segment);
}

}  // namespace

void AppendSegments(int32_t context, int32_t rows, int32_t first_absorbed, int32_t first_block,
                    int32_t blocks, Batch* batch) {
  const int32_t end = context + rows;
  const int32_t border = std::clamp(first_absorbed, context, end);
  AppendSegment({0, border - context, context, RowPath::kMaterialised, first_block, blocks}, batch);
  AppendSegment({0, end - border, border, RowPath::kAbsorbed, first_block, blocks}, batch);
}

absl::Status CheckBatch(const Batch& batch, const BatchBounds& bounds) {
  const auto rows = static_cast<int64_t>(batch.tokens.size());
  if (rows == 0 || rows > bounds.max_rows)
    return Bad("rows", rows, "must be within the step's limit");
  for (const int32_t id : batch.tokens) {
    if (id < 0 || id >= bounds.vocab) return Bad("token id", id, "is outside the vocabulary");
  }
  for (const int32_t block : batch.block_ids) {
    if (block < 0 || block >= bounds.kv_blocks) return Bad("block id", block, "does not exist");
  }
  int32_t first = 0;
  for (const Segment& segment : batch.segments) {
    if (absl::Status s = CheckSegment(segment, first, batch, bounds); !s.ok()) return s;
    first += segment.rows;
  }
  if (first != rows) return Bad("segments cover rows", first, "but the batch has others");
  if (static_cast<int64_t>(batch.logit_rows.size()) > bounds.max_logit_rows) {
    return Bad("logit rows", static_cast<int64_t>(batch.logit_rows.size()),
               "exceed the step's limit");
  }
  int32_t previous = -1;
  for (const int32_t row : batch.logit_rows) {
    if (row <= previous || row >= rows)
      return Bad("logit row", row, "is not ascending or not a row");
    previous = row;
  }
  return absl::OkStatus();
}

}  // namespace deepseek::engine
