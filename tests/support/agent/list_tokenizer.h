#pragma once
// A tokenizer of any list of tokens, for tests of grammars.

#include <memory>
#include <string>
#include <vector>

#include "engine/tokenizer/tokenizer.h"

namespace deepseek::testing {

/// Ids 0 to 255 are the bytes, then `words`, then `added`. Encode takes the longest word that fits.
std::unique_ptr<engine::Tokenizer> ListTokenizer(std::vector<std::string> words,
                                                 std::vector<std::string> added = {});

/// Words as a byte-level vocabulary has them: pieces of JSON, of prose, of other scripts, cut where
/// BPE would cut them and where it would not; 256 + the result is at least `size` tokens.
std::vector<std::string> WordsLikeBpe(size_t size, uint64_t seed);

}  // namespace deepseek::testing
