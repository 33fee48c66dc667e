// Attacks on the prompts of the real models (and the demo model): whatever a request says, control
// tokens come from the template alone. hostile_test [--seed=N] [--attempts=N]

#include <cstdio>
#include <map>

#include "engine/tokenizer/chat_template.h"
#include "engine/tokenizer/prompt_encoder.h"
#include "engine/tokenizer/utf8.h"
#include "tests/engine/tokenizer/files.h"
#include "tests/engine/tokenizer/hostile.h"

namespace deepseek::engine {
namespace {

using testing::ReadFile;
using testing::Source;

uint32_t seed = 1, attempts = 500;

struct Model {
  Json file;
  std::unique_ptr<Tokenizer> tokenizer;
  std::unique_ptr<ChatTemplate> chat;  // null: the model has none
  std::vector<bool> control;           // by id

  explicit Model(const std::string& folder)
      : file(testing::ReadJson(folder + "/tokenizer.json")),
        tokenizer(testing::LoadTokenizer(folder + "/tokenizer.json")),
        control(static_cast<size_t>(tokenizer->size())) {
    auto parsed = ParseChatTemplate(*ReadFile(folder + "/tokenizer_config.json"));
    if (parsed.ok()) chat = *std::move(parsed);
    for (const Json& token : file["added_tokens"]) control[token["id"].get<size_t>()] = true;
  }

  std::vector<int32_t> Control(const std::vector<int32_t>& ids) const {
    std::vector<int32_t> out;
    for (const int32_t id : ids) {
      if (control[static_cast<size_t>(id)]) out.push_back(id);
    }
    return out;
  }

  // The control tokens that the template's own stretches hold, each encoded alone.
  std::vector<int32_t> Allowed(const std::vector<TextSpan>& spans) const {
    std::vector<int32_t> out;
    std::string own;
    const auto flush = [&] {
      for (const int32_t id : Control(tokenizer->Encode(own))) out.push_back(id);
      own.clear();
    };
    for (const TextSpan& span : spans) {
      if (span.parse_added) {
        own += span.text;
      } else if (!span.text.empty()) {
        flush();
      }
    }
    flush();
    return out;
  }
};

// Between two equal sentinels stands what a request wrote: the marks must say so for every byte.
void ExpectInputBetweenSentinels(const RenderedChat& chat) {
  std::map<std::string, size_t> open;
  std::vector<bool> input(chat.text.size());
  for (const RenderedChat::Mark& mark : chat.marks) {
    for (size_t at = mark.begin; at < mark.end; ++at) input[at] = mark.input;
  }
  for (size_t at = 0; at < chat.text.size();) {
    const Utf8Char c = FirstChar(std::string_view(chat.text).substr(at));
    if (c.code_point >= 0xF0000 && c.code_point < 0x110000) {
      const std::string sentinel = chat.text.substr(at, c.length);
      const auto [it, first] = open.emplace(sentinel, at);
      if (!first) {
        for (size_t i = it->second; i < at; ++i) {
          ASSERT_TRUE(input[i]) << "byte " << i << " of " << chat.text;
        }
        open.erase(it);
      }
      EXPECT_TRUE(input[at]);
    }
    at += c.length;
  }
}

void Attack(const Model& model, const ChatTemplate& chat_template) {
  const testing::Hostile hostile(model.file);
  uint32_t rendered = 0;
  for (uint32_t attempt = 0; rendered < attempts && attempt < attempts * 20; ++attempt) {
    SCOPED_TRACE(attempt);
    std::mt19937 random(seed * 1000003 + attempt);
    uint32_t sentinel = 0xF0000;
    const OrderedJson conversation = testing::Conversation(
        random,
        [&] {
          std::string mark;
          AppendUtf8(sentinel++, &mark);
          // Half of the texts begin and end with their attack, to meet the template's own text.
          const std::string attack = RepairUtf8(hostile.Text(random));
          if (random() % 2 == 0) return attack;
          return mark + attack + mark;
        },
        random() % 2 == 0);
    const absl::StatusOr<RenderedChat> chat = chat_template.Render(conversation);
    if (!chat.ok()) {  // the template refuses this order of roles, or arguments of this type
      ASSERT_EQ(chat.status().code(), absl::StatusCode::kInvalidArgument) << chat.status();
      continue;
    }
    ++rendered;
    ExpectInputBetweenSentinels(*chat);
    const std::vector<TextSpan> spans = chat->Spans();
    ASSERT_EQ(model.Control(model.tokenizer->EncodeSpans(spans)), model.Allowed(spans))
        << chat->text;
  }
  EXPECT_EQ(rendered, attempts) << "too few conversations suit the template";
}

// The tokenizer alone: text cut into spans anywhere, also inside of characters and tokens.
void AttackSpans(const Model& model) {
  const testing::Hostile hostile(model.file);
  for (uint32_t attempt = 0; attempt < attempts; ++attempt) {
    SCOPED_TRACE(attempt);
    std::mt19937 random(seed * 7919 + attempt);
    std::vector<std::string> texts(1 + random() % 8);
    std::vector<TextSpan> spans;
    for (std::string& text : texts) {
      text = hostile.Text(random);
      spans.push_back({text, random() % 2 == 0});
    }
    const std::vector<int32_t> got = model.Control(model.tokenizer->EncodeSpans(spans));
    ASSERT_EQ(got, model.Allowed(spans));
    for (TextSpan& span : spans) span.parse_added = false;
    ASSERT_TRUE(model.Control(model.tokenizer->EncodeSpans(spans)).empty());
    // All text as input is the same as the whole in plain mode: borders leave no trace.
    std::string whole;
    for (const std::string& text : texts) whole += text;
    ASSERT_EQ(model.tokenizer->EncodeSpans(spans),
              model.tokenizer->Encode(whole, AddedTokens::kNone));
  }
}

TEST(HostileDemo, NothingBecomesAControlToken) {
  const Model model(Source("models/demo-v3"));
  AttackSpans(model);
  Attack(model, *model.chat);
  // The formats that are built in know the same control tokens.
  Attack(model, *MakePromptEncoder(PromptFormat::kDeepSeekV32));
  Attack(model, *MakePromptEncoder(PromptFormat::kDeepSeekV4));
}

class RealHostile : public ::testing::TestWithParam<std::string> {};

TEST_P(RealHostile, NothingBecomesAControlToken) {
  const std::string folder = testing::RealTokenizers() + "/" + GetParam();
  if (!std::filesystem::exists(folder + "/tokenizer.json"))
    GTEST_SKIP() << folder << " is missing: make tokenizers";
  const Model model(folder);
  AttackSpans(model);
  if (GetParam() == "deepseek-v3.2") Attack(model, *MakePromptEncoder(PromptFormat::kDeepSeekV32));
  if (GetParam() == "deepseek-v4") Attack(model, *MakePromptEncoder(PromptFormat::kDeepSeekV4));
  if (model.chat != nullptr) Attack(model, *model.chat);
}

INSTANTIATE_TEST_SUITE_P(Vectors, RealHostile, ::testing::ValuesIn(testing::TokenizerNames()),
                         testing::TestName);

}  // namespace
}  // namespace deepseek::engine

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  for (int i = 1; i < argc; ++i) {
    const bool known = std::sscanf(argv[i], "--seed=%u", &deepseek::engine::seed) == 1 ||
                       std::sscanf(argv[i], "--attempts=%u", &deepseek::engine::attempts) == 1;
    if (known) continue;
    std::fprintf(stderr, "usage: hostile_test [--seed=N] [--attempts=N]\n");
    return 1;
  }
  return RUN_ALL_TESTS();
}
