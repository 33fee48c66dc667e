#pragma once
// Unicode normalisation form C, with the marks of text spans carried along.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace deepseek::engine {

/// A stretch of text that ends at `end` (bytes) and either may hold added tokens or not.
struct Region {
  size_t end = 0;
  bool parse_added = true;
};

/// Appends a stretch, joining it to an equal neighbour. Empty ones are dropped.
void AppendRegion(size_t end, bool parse_added, std::vector<Region>* regions);

/// Characters that take no part in NFC, sorted: the tables that models were trained with are those
/// of Unicode 9.
const std::vector<std::pair<uint32_t, uint32_t>>& NfcOpaqueRanges();

/// `text` (valid UTF-8) in NFC as the Python library makes it.
std::string Nfc(std::string_view text);

/// As Nfc; `regions` cover `text` and are replaced by ones that cover the result. A changed stretch
/// counts as input as soon as one byte of it was input: composition never turns user text into
/// template text.
std::string NfcRegions(std::string_view text, std::vector<Region>* regions);

}  // namespace deepseek::engine
