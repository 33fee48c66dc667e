// Prompts as jinja2 renders them: for the demo model, and (where scripts/fetch-tokenizers has put
// their files) for the real models.

#include <map>

#include "base/strings.h"
#include "engine/tokenizer/chat_template.h"
#include "engine/tokenizer/prompt_encoder.h"
#include "tests/engine/tokenizer/files.h"

namespace deepseek::engine {
namespace {

using testing::ReadFile;
using testing::ReadJson;
using testing::Source;

// Tool-call arguments as parsed JSON instead of text.
void ParseArguments(OrderedJson* messages) {
  for (OrderedJson& message : *messages) {
    if (!message.contains("tool_calls") || !message["tool_calls"].is_array()) continue;
    for (OrderedJson& call : message["tool_calls"]) {
      OrderedJson& arguments = call["function"]["arguments"];
      OrderedJson parsed = OrderedJson::parse(arguments.get<std::string>(), nullptr, false);
      if (!parsed.is_discarded()) arguments = std::move(parsed);
    }
  }
}

OrderedJson Variables(const OrderedJson& conversation, const Json& row) {
  OrderedJson variables = conversation;
  variables.erase("id");
  if (!variables.contains("add_generation_prompt")) variables["add_generation_prompt"] = true;
  if (row.contains("mode")) variables["thinking"] = row["mode"] == "thinking";
  if (row.contains("args")) ParseArguments(&variables["messages"]);
  return variables;
}

std::map<std::string, OrderedJson> ById(const std::vector<std::string>& lists) {
  std::map<std::string, OrderedJson> conversations;
  for (const std::string& list : lists) {
    for (const OrderedJson& c : OrderedJson::parse(list)) conversations[c["id"]] = c;
  }
  return conversations;
}

// tokenizer: null when only texts are compared.
void Check(const ChatTemplate& chat, const Tokenizer* tokenizer, const Json& cases,
           const Json& texts, const std::map<std::string, OrderedJson>& conversations) {
  for (size_t i = 0; i < cases.size(); ++i) {
    const Json& row = cases[i];
    SCOPED_TRACE(row["id"].get<std::string>() + row.value("args", row.value("mode", "")));
    const OrderedJson& conversation = conversations.at(row["id"]);
    const absl::StatusOr<RenderedChat> got = chat.Render(Variables(conversation, row));
    if (row.contains("error")) {
      EXPECT_EQ(got.status().code(), absl::StatusCode::kInvalidArgument)
          << row["error"] << got->text;
      continue;
    }
    ASSERT_TRUE(got.ok()) << got.status();
    EXPECT_EQ(got->text, texts[i]["text"].get<std::string>());
    if (tokenizer == nullptr || !row.contains("ids")) continue;
    const std::vector<int32_t> ids = row["ids"];
    EXPECT_EQ(tokenizer->Encode(got->text), ids);
    // The library recognises added tokens in user text too. Where the conversation itself spells
    // one, we must differ.
    const std::string own = conversation.dump();
    if (tokenizer->Encode(own) == tokenizer->Encode(own, AddedTokens::kNone)) {
      EXPECT_EQ(tokenizer->EncodeSpans(got->Spans()), ids);
    }
  }
}

TEST(DemoChatVectors, AreMetExactly) {
  const std::unique_ptr<Tokenizer> tokenizer = testing::DemoTokenizer();
  const auto chat = ParseChatTemplate(*ReadFile(Source("models/demo-v3/tokenizer_config.json")));
  ASSERT_TRUE(chat.ok()) << chat.status();
  const std::string golden = *ReadFile(Source("tests/golden/chat/demo-v3.json"));
  const OrderedJson ordered = OrderedJson::parse(golden);
  const auto conversations = ById(
      {*ReadFile(Source("tests/golden/chat/conversations.json")), ordered["conversations"].dump()});
  const Json cases = Json::parse(golden)["cases"];
  ASSERT_GT(cases.size(), 50u);
  Check(**chat, tokenizer.get(), cases, cases, conversations);
}

// No template file is needed for these, so their texts are checked everywhere.
TEST(PromptEncoder, RendersTheTextsOfTheVectors) {
  const auto conversations = ById({*ReadFile(Source("tests/golden/chat/conversations.json"))});
  for (const auto& [name, format] : {std::pair("deepseek-v3.2", PromptFormat::kDeepSeekV32),
                                     std::pair("deepseek-v4", PromptFormat::kDeepSeekV4)}) {
    SCOPED_TRACE(name);
    const Json rows = ReadJson(Source(StrCat("tests/golden/chat/real/", name, ".json")))["cases"];
    ASSERT_GT(rows.size(), 50u);
    Check(*MakePromptEncoder(format), nullptr, rows, rows, conversations);
  }
}

class RealChat : public ::testing::TestWithParam<std::string> {};

// The formats whose encoders are ours; the others come as Jinja.
std::optional<PromptFormat> OwnFormat(const std::string& name) {
  if (name == "deepseek-v3.2") return PromptFormat::kDeepSeekV32;
  if (name == "deepseek-v4") return PromptFormat::kDeepSeekV4;
  return std::nullopt;
}

TEST_P(RealChat, RendersItsVectors) {
  const std::string model = testing::RealTokenizers() + "/" + GetParam();
  const testing::VectorSet set = testing::RealVectors();
  if (!std::filesystem::exists(model + "/tokenizer_config.json"))
    GTEST_SKIP() << model << " is missing: make tokenizers";
  std::unique_ptr<ChatTemplate> chat;
  if (const auto format = OwnFormat(GetParam())) {
    chat = MakePromptEncoder(*format);
  } else {
    auto parsed = ParseChatTemplate(*ReadFile(model + "/tokenizer_config.json"));
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    chat = *std::move(parsed);
  }
  const std::unique_ptr<Tokenizer> tokenizer = testing::LoadTokenizer(model + "/tokenizer.json");
  const Json rows = ReadJson(set.chat + "/" + GetParam() + ".json");
  const Json texts =
      rows.contains("text_of")
          ? ReadJson(set.chat + "/" + rows["text_of"].get<std::string>() + ".json")["cases"]
          : rows["cases"];
  Check(*chat, tokenizer.get(), rows["cases"], texts, ById({*ReadFile(set.conversations)}));
}

INSTANTIATE_TEST_SUITE_P(Vectors, RealChat,
                         ::testing::ValuesIn(testing::VectorNames(testing::RealVectors().chat)),
                         testing::TestName);

}  // namespace
}  // namespace deepseek::engine
