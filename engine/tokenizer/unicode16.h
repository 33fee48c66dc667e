#pragma once
// What Unicode 16 added to the general categories of Unicode 14, the tables of Debian 12's PCRE2.
// Tokenizers are trained and checked with Unicode 16: without this a letter such as U+1C89 would be
// cut differently.

#include <cstdint>

#include "absl/types/span.h"

namespace deepseek::engine {

struct CategoryRange {
  uint32_t first, last;
  char category[3];  ///< general category, for example "Lu"
};

/// In the order of code points. All were unassigned in Unicode 14, except U+1171E, which moved from
/// Mn to Mc.
absl::Span<const CategoryRange> NewInUnicode16();

}  // namespace deepseek::engine
