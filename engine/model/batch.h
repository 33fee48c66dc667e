#pragma once
// One step's work: sequences with any number of new rows each, prompts and decodes together.

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "engine/kernels/step.h"

namespace deepseek::engine {

struct Batch {
  std::vector<int32_t> tokens;  ///< [rows]
  std::vector<Segment>
      segments;  ///< in row order; two segments of one sequence may follow each other
  std::vector<int32_t> block_ids;   ///< concatenated block tables
  std::vector<int32_t> logit_rows;  ///< rows whose logits are wanted, ascending

  void clear() {
    tokens.clear();
    segments.clear();
    block_ids.clear();
    logit_rows.clear();
  }
};

/// Appends the segments of rows [context, context + rows) of one sequence, whose table of `blocks`
/// blocks starts at first_block; rows from first_absorbed on are kAbsorbed.
void AppendSegments(int32_t context, int32_t rows, int32_t first_absorbed, int32_t first_block,
                    int32_t blocks, Batch* batch);

/// What a batch must respect. kInvalidArgument says which rule is broken where.
struct BatchBounds {
  int32_t max_rows = 0, max_logit_rows = 0, max_context = 0, vocab = 0, kv_blocks = 0;
};
absl::Status CheckBatch(const Batch& batch, const BatchBounds& bounds);

}  // namespace deepseek::engine
