// A stream of token ids (two bytes each) on its way to the client: the streaming decoder never
// splits a UTF-8 sequence and says in the end what Decode says; stop strings and <think> marks are
// found whatever the pieces.

#include <memory>

#include "agent/openai/reasoning_splitter.h"
#include "agent/openai/stop_matcher.h"
#include "engine/tokenizer/tokenizer.h"
#include "engine/tokenizer/utf8.h"
#include "tests/fuzz/input.h"

namespace {

using namespace deepseek;

const engine::Tokenizer& Demo() {
  static const std::unique_ptr<engine::Tokenizer> tokenizer = [] {
    auto parsed =
        engine::ParseTokenizer(fuzz::ReadWhole(TEST_SOURCE_DIR "/models/demo-v3/tokenizer.json"));
    fuzz::Require(parsed.ok(), "the demo model's tokenizer");
    return *std::move(parsed);
  }();
  return *tokenizer;
}

bool Whole(std::string_view text) {
  return engine::RepairUtf8(text) == text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 4) return 0;
  const engine::Tokenizer& t = Demo();
  // The first three bytes: flags, and where the stop string is cut from the answer.
  const bool skip_special = (data[0] & 1) != 0;
  std::vector<int32_t> ids;
  // A few ids beyond the vocabulary, as rows of padding give them.
  for (size_t i = 3; i + 1 < size; i += 2)
    ids.push_back((data[i] | (data[i + 1] << 8)) % (t.size() + 8));

  engine::StreamDecoder decoder(t, skip_special);
  std::vector<std::string> pieces;
  std::string text;
  for (size_t i = 0; i <= ids.size(); ++i) {
    pieces.push_back(i < ids.size() ? decoder.Push(ids[i]) : decoder.Flush());
    fuzz::Require(Whole(pieces.back()), "no piece splits a character");
    text += pieces.back();
  }
  fuzz::Require(text == t.Decode(ids, skip_special), "the stream is the text");

  const size_t begin = text.empty() ? 0 : data[1] % text.size();
  const std::string stop = text.substr(begin, 1 + data[2] % 8);
  agent::StopMatcher matcher({stop, "</s>"});
  std::string kept;
  for (const std::string& piece : pieces) kept += matcher.Push(piece);
  kept += matcher.Flush();
  fuzz::Require(text.starts_with(kept), "what is kept is how the text begins");
  fuzz::Require(stop.empty() || kept.find(stop) == std::string::npos, "a stop string never shows");
  fuzz::Require(stop.empty() || matcher.stopped(), "a stop string that is there is found");

  agent::ReasoningSplitter split((data[0] & 2) != 0), once((data[0] & 2) != 0);
  std::string reasoning, content;
  const auto add = [&](const agent::AnswerPiece& piece) {
    reasoning += piece.reasoning;
    content += piece.content;
  };
  for (const std::string& piece : pieces) add(split.Push(piece));
  add(split.Flush());
  agent::AnswerPiece all = once.Push(text);
  const agent::AnswerPiece rest = once.Flush();
  fuzz::Require(reasoning == all.reasoning + rest.reasoning, "reasoning does not depend on pieces");
  fuzz::Require(content == all.content + rest.content, "content does not depend on pieces");
  return 0;
}
