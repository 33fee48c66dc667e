// Any bytes as text for the demo model's tokenizer: what is encoded decodes to the repaired text,
// whole and as a stream, and text that is input never becomes an added token.

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "engine/tokenizer/tokenizer.h"
#include "engine/tokenizer/utf8.h"

namespace {

using namespace deepseek::engine;

const Tokenizer& Demo() {
  static const std::unique_ptr<Tokenizer> tokenizer = [] {
    std::ifstream in(TEST_SOURCE_DIR "/models/demo-v3/tokenizer.json", std::ios::binary);
    auto parsed = ParseTokenizer(std::string(std::istreambuf_iterator<char>(in), {}));
    if (!parsed.ok()) std::abort();
    return *std::move(parsed);
  }();
  return *tokenizer;
}

void Require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const Tokenizer& t = Demo();
  const std::string repaired = RepairUtf8(text);
  for (const AddedTokens mode : {AddedTokens::kAll, AddedTokens::kNonSpecial, AddedTokens::kNone}) {
    const std::vector<int32_t> ids = t.Encode(text, mode);
    Require(t.Decode(ids) == repaired);
    StreamDecoder stream(t);
    std::string out;
    for (const int32_t id : ids) out += stream.Push(id);
    Require(out + stream.Flush() == repaired);
  }
  // The first byte says where the spans are cut.
  const size_t cut = size == 0 ? 0 : data[0] % size;
  const std::vector<TextSpan> spans = {{"<｜User｜>", true},
                                       {text.substr(0, cut), false},
                                       {text.substr(cut), false},
                                       {"<think>", true}};
  const std::vector<int32_t> ids = t.EncodeSpans(spans);
  int added = 0;
  for (const int32_t id : ids) added += id <= 2 || id >= t.TokenId("<｜User｜>") ? 1 : 0;
  Require(added == 2);
  return 0;
}
