#pragma once
// One step's work: sequences with any number of new rows each, prompts and decodes together.

#include <cstdint>
#include <vector>

namespace deepseek::engine {

/// Which attention form computes a row. Fixed by what the row is, never by chunk or batch size, and replayed on
/// recompute: that is what makes a row's bits a function of its token history alone.
enum class RowPath : uint8_t {
  kPrompt,     ///< materialised MLA: keys and values are expanded from the latent
  kGenerated,  ///< absorbed MLA: queries are moved into the latent space
};

/// Consecutive new rows of one sequence that share a path.
struct Segment {
  int32_t first_row = 0;     ///< index of its first row in Batch::tokens
  int32_t rows = 0;
  int32_t context = 0;       ///< tokens of the sequence already in the cache; row i has position context + i
  RowPath path = RowPath::kPrompt;
  int32_t first_block = 0;   ///< where its block table starts in Batch::block_ids
  int32_t blocks = 0;        ///< block table length: covers context + rows
};

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
