// What a mask costs: mask_speed [--schemas N] [TOKENIZER.json]. Prints the quantiles over all
// tokens of answers to random schemas, each answered twice (the second time over known ground).
#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "absl/time/clock.h"
#include "agent/grammar/constraint.h"
#include "agent/grammar/tool_grammar.h"
#include "base/json_full.h"
#include "engine/weights/checkpoint.h"
#include "tests/agent/grammar/random_schema.h"
#include "tests/support/agent/list_tokenizer.h"

namespace deepseek {
namespace {

using namespace agent::grammar;

void Print(const char* what, std::vector<double>* us) {
  std::sort(us->begin(), us->end());
  const auto at = [&](double q) {
    return (*us)[static_cast<size_t>(q * static_cast<double>(us->size() - 1))];
  };
  std::printf("%-8s %zu masks, microseconds: p50 %.1f p90 %.1f p99 %.1f max %.1f\n", what,
              us->size(), at(0.5), at(0.9), at(0.99), us->back());
}

int Run(int schemas, const char* file) {
  std::unique_ptr<engine::Tokenizer> tokenizer;
  if (file != nullptr) {
    const auto text = engine::ReadTextFile(file, int64_t{256} << 20);
    auto parsed = engine::ParseTokenizer(text.value());
    tokenizer = std::move(parsed.value());
  } else {
    tokenizer = testing::ListTokenizer(testing::WordsLikeBpe(129'280, 3));
  }
  const absl::Time begin = absl::Now();
  const auto vocabulary = std::make_shared<const Vocabulary>(*tokenizer, tokenizer->size());
  std::printf("vocabulary of %d tokens, made in %.0f ms\n", tokenizer->size(),
              absl::ToDoubleMilliseconds(absl::Now() - begin));
  std::mt19937_64 random(20261128);
  std::vector<double> cost[2], compile;
  for (int made = 0; made < schemas;) {
    const OrderedJson schema = testing::RandomSchema(random);
    AnswerShape shape;
    shape.schema = &schema;
    const absl::Time start = absl::Now();
    auto grammar = CompileAnswer(shape);
    if (!grammar.ok()) continue;
    ++made;
    auto plan = std::make_shared<ConstraintPlan>();
    plan->matcher =
        std::make_shared<Matcher>(std::make_shared<const Grammar>(*std::move(grammar)), vocabulary);
    plan->matcher->Prepare();
    compile.push_back(absl::ToDoubleMicroseconds(absl::Now() - start));
    const uint64_t seed = random();
    for (std::vector<double>& times : cost) {
      std::mt19937_64 choice(seed);
      const auto constraint = MakeConstraint(plan, *tokenizer);
      for (int32_t left = 512; left > 0 && !constraint->Complete(); --left) {
        const absl::Time before = absl::Now();
        const uint64_t* mask = constraint->Allowed(left);
        times.push_back(absl::ToDoubleMicroseconds(absl::Now() - before));
        // The first token from a random place on.
        const size_t words = vocabulary->words();
        size_t w = choice() % words;
        for (size_t n = 0; mask[w] == 0 && n < words; ++n) w = (w + 1) % words;
        if (mask[w] == 0) break;  // only the end may follow
        constraint->Accept(static_cast<int32_t>(w * 64 + std::countr_zero(mask[w])));
      }
    }
  }
  Print("compile", &compile);
  Print("first", &cost[0]);
  Print("again", &cost[1]);
  return 0;
}

}  // namespace
}  // namespace deepseek

int main(int argc, char** argv) {
  int schemas = 200;
  const char* file = nullptr;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--schemas") == 0 && i + 1 < argc) {
      schemas = std::atoi(argv[++i]);
    } else {
      file = argv[i];
    }
  }
  return deepseek::Run(schemas, file);
}
