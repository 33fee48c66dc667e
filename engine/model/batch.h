#pragma once
// One step's work: sequences with any number of new rows each, prompts and decodes together.

#include <cstdint>
#include <vector>

#include "engine/kernels/step.h"

namespace deepseek::engine {

struct Batch {
  std::vector<int32_t> tokens;       ///< [rows]
  std::vector<Segment> segments;     ///< in row order; two segments of one sequence may follow each other
  std::vector<int32_t> block_ids;    ///< concatenated block tables
  std::vector<int32_t> logit_rows;   ///< rows whose logits are wanted, ascending

  void clear() {
    tokens.clear();
    segments.clear();
    block_ids.clear();
    logit_rows.clear();
  }
};

}  // namespace deepseek::engine
