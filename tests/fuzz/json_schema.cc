// Any bytes as a JSON schema: it compiles or is refused, in time; of what compiles, an answer made
// of any tokens that may come ends within its budget and is JSON.

#include <bit>
#include <memory>

#include "agent/grammar/constraint.h"
#include "agent/grammar/tool_grammar.h"
#include "base/json_full.h"
#include "tests/fuzz/input.h"

namespace {

using namespace deepseek;
using namespace deepseek::agent::grammar;

const engine::Tokenizer& Demo() {
  static const std::unique_ptr<engine::Tokenizer> tokenizer = [] {
    auto parsed =
        engine::ParseTokenizer(fuzz::ReadWhole(TEST_SOURCE_DIR "/models/demo-v3/tokenizer.json"));
    fuzz::Require(parsed.ok(), "the demo model's tokenizer");
    return *std::move(parsed);
  }();
  return *tokenizer;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto schema = ParseOrderedJson(text, "schema", {.max_bytes = size_t{128} << 10});
  if (!schema.ok()) return 0;
  AnswerShape shape;
  shape.schema = &*schema;
  auto grammar = CompileAnswer(shape);
  if (!grammar.ok()) {
    fuzz::Require(grammar.status().code() == absl::StatusCode::kInvalidArgument,
                  "a schema is refused as such");
    return 0;
  }
  static const auto vocabulary = std::make_shared<const Vocabulary>(Demo(), Demo().size());
  auto plan = std::make_shared<ConstraintPlan>();
  plan->matcher =
      std::make_shared<Matcher>(std::make_shared<const Grammar>(*std::move(grammar)), vocabulary);
  const int32_t least = plan->matcher->Cost(plan->matcher->Start());
  if (least > 2000) return 0;
  const auto constraint = MakeConstraint(plan, Demo());
  std::string answer;
  uint64_t random = size;
  for (int32_t left = least + 100; left > 0 && !constraint->Complete(); --left) {
    const uint64_t* mask = constraint->Allowed(left);
    random = random * 6364136223846793005U + 1442695040888963407U;
    size_t w = (random >> 33) % vocabulary->words(), tried = 0;
    while (mask[w] == 0 && tried < vocabulary->words()) {
      w = (w + 1) % vocabulary->words();
      ++tried;
    }
    if (mask[w] == 0) break;  // only the end may follow
    const auto id = static_cast<int32_t>(w * 64) + std::countr_zero(mask[w]);
    answer += Demo().TokenBytes(id);
    constraint->Accept(id);
  }
  fuzz::Require(ParseJson(answer, "answer", {.max_depth = 256}).ok(), "the answer is JSON");
  return 0;
}
