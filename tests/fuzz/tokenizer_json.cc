// Any bytes as a tokenizer.json: refused or served, never a crash.

#include "engine/tokenizer/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view json(reinterpret_cast<const char*>(data), size);
  const auto tokenizer = deepseek::engine::ParseTokenizer(json);
  if (!tokenizer.ok()) return 0;
  const std::vector<int32_t> ids = (*tokenizer)->Encode("ab <a> \xE4\xBD\xA0 12\n  x");
  (*tokenizer)->Decode(ids);
  (*tokenizer)->TokenId("ab");
  return 0;
}
