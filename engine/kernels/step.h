#pragma once
// What a step computes, as the backend sees it: ragged rows over paged KV blocks.
// engine/model/batch.h builds on it.

#include <cstdint>

#include "absl/types/span.h"

namespace deepseek::engine {

/// Tokens per KV block, and the width of a key tile: tiles are cut at absolute multiples of it.
inline constexpr int32_t kBlockTokens = 64;

/// Which attention form computes a row. Fixed by what the row is (FirstAbsorbed), never by chunk or
/// batch size, and replayed on recompute: that is what makes a row's bits a function of its token
/// history and its place in the request.
enum class RowPath : uint8_t {
  kMaterialised,  ///< keys and values are expanded from the latent, once for all rows of a segment
  kAbsorbed,      ///< queries are moved into the latent space
};

/// The first row of a request that is absorbed: all rows of its answer are, and those of its prompt
/// of `prompt_tokens` behind the last border of a block before the last token. These are what is
/// left to compute of a known prompt, and too few to expand the keys of all before them. Without
/// MLA both paths have the same bits, and the prompt stays in one piece.
constexpr int32_t FirstAbsorbed(int32_t prompt_tokens, bool mla) {
  return mla ? (prompt_tokens - 1) / kBlockTokens * kBlockTokens : prompt_tokens;
}

/// Consecutive new rows of one sequence that share a path.
struct Segment {
  int32_t first_row = 0;  ///< index of its first row in the step
  int32_t rows = 0;
  int32_t context =
      0;  ///< tokens of the sequence already in the cache; row i has position context + i
  RowPath path = RowPath::kMaterialised;
  int32_t first_block = 0;  ///< where its block table starts in block_ids
  int32_t blocks = 0;       ///< block table length: covers context + rows
};

/// Host view of one step; a backend copies what it needs in BeginStep. Checked by the caller: ids
/// and blocks in range.
struct StepInput {
  absl::Span<const int32_t> tokens;      ///< [rows]
  absl::Span<const Segment> segments;    ///< in row order, covering every row once
  absl::Span<const int32_t> block_ids;   ///< concatenated block tables
  absl::Span<const int32_t> logit_rows;  ///< rows that GatherLogitRows takes, ascending
};

}  // namespace deepseek::engine
