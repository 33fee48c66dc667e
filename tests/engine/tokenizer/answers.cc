// Answers to lines on standard input, which compare_library.py and compare_chat.py hold against the
// Python libraries':
//   tokenizer_answers FILE          a tokenizer.json, lines {"text"} or {"ids"}
//   tokenizer_answers --chat FILE   a tokenizer_config.json, lines of variables
//   tokenizer_answers --chat TYPE   the encoder of a model_type, lines of variables

#include <iostream>

#include "engine/tokenizer/chat_template.h"
#include "engine/tokenizer/prompt_encoder.h"

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

OrderedJson OfVariables(const ChatTemplate& chat, const std::string& line) {
  const absl::StatusOr<RenderedChat> got = chat.Render(OrderedJson::parse(line));
  if (got.ok()) return {{"text", got->text}};
  return {{"error", std::string(got.status().message())},
          {"code", static_cast<int>(got.status().code())}};
}

int Main(int argc, char** argv) {
  std::string line;
  if (argc == 3 && std::string(argv[1]) == "--chat") {
    const auto format = PromptFormatOf(argv[2]);
    absl::StatusOr<std::unique_ptr<ChatTemplate>> chat =
        format ? MakePromptEncoder(*format)
               : ParseChatTemplate(testing::ReadFile(argv[2]).value_or(""));
    if (!chat.ok()) {
      std::cerr << chat.status() << '\n';
      return 1;
    }
    while (std::getline(std::cin, line)) std::cout << OfVariables(**chat, line).dump() << '\n';
    return 0;
  }
  const std::unique_ptr<Tokenizer> t = argc == 2 ? testing::LoadTokenizer(argv[1]) : nullptr;
  if (t == nullptr) {
    std::cerr << "usage: tokenizer_answers FILE | --chat FILE | --chat TYPE, lines on stdin\n";
    return 1;
  }
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
