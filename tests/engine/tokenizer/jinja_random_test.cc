// Any text as a template: it is refused, or it renders within its limits. Never a crash, a hang or
// an error that does not say where. jinja_random_test [--seed=N] [--rounds=N]

#include <cstdio>
#include <cstdlib>
#include <random>

#include "engine/tokenizer/chat_template.h"
#include "tests/engine/tokenizer/files.h"

namespace deepseek::engine {
namespace {

uint32_t seed = 1, rounds = 6000;

// Templates that work, to be broken.
std::vector<std::string> Corpus() {
  const OrderedJson golden =
      OrderedJson::parse(*testing::ReadFile(testing::Source("tests/golden/chat/jinja.json")));
  std::vector<std::string> corpus;
  for (const OrderedJson& row : golden["cases"]) corpus.push_back(row["template"]);
  const OrderedJson config = OrderedJson::parse(
      *testing::ReadFile(testing::Source("models/demo-v3/tokenizer_config.json")));
  corpus.push_back(config["chat_template"]);
  return corpus;
}

const char* const kPieces[] = {"{{",
                               "}}",
                               "{%",
                               "%}",
                               "{#",
                               "#}",
                               "-%}",
                               "{%-",
                               " if ",
                               "else",
                               "elif",
                               "endif",
                               " for ",
                               "endfor",
                               " in ",
                               " set ",
                               "endset",
                               "namespace(",
                               "loop",
                               ".first",
                               "messages",
                               "[",
                               "]",
                               "(",
                               ")",
                               "[::-1]",
                               "'",
                               "\"",
                               "\\",
                               "|",
                               "tojson",
                               "trim",
                               "join",
                               "split(",
                               "range(99999)",
                               "*",
                               "+",
                               "~",
                               "-",
                               "not ",
                               " is ",
                               "none",
                               "defined",
                               "==",
                               ",",
                               ":",
                               "{",
                               "}",
                               "9223372036854775807",
                               "1e308",
                               "raise_exception(",
                               "\xF0\x9F\x98\x80",
                               "\xFF",
                               "\n",
                               " and ",
                               " or ",
                               "ns.x",
                               "recursive",
                               "{% raw %}",
                               "{% endraw %}",
                               "break",
                               "strftime_now('%Y')",
                               "|replace('', 'xx')",
                               "*999999"};

std::string Mutate(std::mt19937& random, const std::vector<std::string>& corpus) {
  const auto pick = [&](size_t n) { return static_cast<size_t>(random()) % n; };
  std::string text = corpus[pick(corpus.size())];
  if (random() % 8 == 0) text.clear();
  for (size_t change = 1 + pick(6); change > 0; --change) {
    const size_t at = pick(text.size() + 1),
                 length = pick(std::min<size_t>(text.size() - at, 20) + 1);
    switch (random() % 5) {
      case 0:
        text.erase(at, length);
        break;
      case 1:
        text.insert(at, text.substr(at, length));
        break;
      case 2:
        text.insert(at, corpus[pick(corpus.size())]);
        break;
      case 3:
        text.insert(at, 1, static_cast<char>(random()));
        break;
      default:
        for (size_t n = 1 + pick(5); n > 0; --n) text.insert(at, kPieces[pick(std::size(kPieces))]);
    }
  }
  return text;
}

TEST(AnyTemplate, IsRefusedCleanlyOrKeepsItsLimits) {
  const std::vector<std::string> corpus = Corpus();
  const OrderedJson golden =
      OrderedJson::parse(*testing::ReadFile(testing::Source("tests/golden/chat/jinja.json")));
  const RenderLimits limits = {.max_steps = 20000, .max_output_bytes = 100000, .now_seconds = 0};
  std::mt19937 random(seed);
  uint32_t rendered = 0;
  for (uint32_t round = 0; round < rounds; ++round) {
    const std::string source = Mutate(random, corpus);
    if (source.empty()) continue;
    SCOPED_TRACE(source);
    const auto chat = ParseChatTemplate(R"({"bos_token": "<s>"})", source);
    const auto got = chat.ok() ? (*chat)->Render(golden["variables"], limits)
                               : absl::StatusOr<RenderedChat>(chat.status());
    if (got.ok()) {
      ++rendered;
      ASSERT_LE(got->text.size(), limits.max_output_bytes);
      ASSERT_EQ(got->marks.empty() ? 0 : got->marks.back().end, got->text.size());
      continue;
    }
    const absl::StatusCode code = got.status().code();
    ASSERT_TRUE(code == absl::StatusCode::kInvalidArgument ||
                code == absl::StatusCode::kUnimplemented ||
                code == absl::StatusCode::kResourceExhausted)
        << got.status();
    // The template's own raise_exception has its own words; all else names the line.
    const std::string message(got.status().message());
    ASSERT_TRUE(source.find("raise_exception") != std::string::npos ||
                message.find("line ") != std::string::npos)
        << got.status();
  }
  EXPECT_GT(rendered, rounds / 10) << "the mutations break everything: nothing is tested";
}

}  // namespace
}  // namespace deepseek::engine

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i < argc; ++i) {
    const bool known = std::sscanf(argv[i], "--seed=%u", &deepseek::engine::seed) == 1 ||
                       std::sscanf(argv[i], "--rounds=%u", &deepseek::engine::rounds) == 1;
    if (known) continue;
    std::fprintf(stderr, "usage: jinja_random_test [--seed=N] [--rounds=N]\n");
    return 1;
  }
  return RUN_ALL_TESTS();
}
