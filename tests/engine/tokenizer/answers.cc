// tokenizer_answers FILE: what a tokenizer.json makes of lines {"text"} or {"ids"} on standard
// input. compare_library.py holds the answers against the Python library's.

#include <iostream>

#include "engine/tokenizer/tokenizer.h"
#include "tests/engine/tokenizer/files.h"

namespace deepseek::engine {
namespace {

Json OfText(const Tokenizer& t, const std::string& text) {
  return {{"encode", t.Encode(text)},
          {"special", t.Encode(text, AddedTokens::kNonSpecial)},
          {"plain", t.Encode(text, AddedTokens::kNone)}};
}

Json OfIds(const Tokenizer& t, const std::vector<int32_t>& ids) {
  StreamDecoder stream(t);
  Json chunks = Json::array();
  for (const int32_t id : ids) chunks.push_back(stream.Push(id));
  return {{"text", t.Decode(ids)},
          {"skip_special", t.Decode(ids, true)},
          {"chunks", chunks},
          {"flush", stream.Flush()}};
}

int Main(int argc, char** argv) {
  const std::unique_ptr<Tokenizer> t = argc == 2 ? testing::LoadTokenizer(argv[1]) : nullptr;
  if (t == nullptr) {
    std::cerr << "usage: tokenizer_answers FILE <lines\n";
    return 1;
  }
  std::string line;
  while (std::getline(std::cin, line)) {
    const Json row = Json::parse(line);
    std::cout << (row.contains("text") ? OfText(*t, row["text"]) : OfIds(*t, row["ids"])).dump()
              << '\n';
  }
  return 0;
}

}  // namespace
}  // namespace deepseek::engine

int main(int argc, char** argv) {
  return deepseek::engine::Main(argc, argv);
}
