// Calls over the API, for models of other families than the demo model's.
#include <gtest/gtest.h>

#include "agent/openai/inference.h"
#include "base/json_full.h"
#include "base/strings.h"
#include "engine/tokenizer/prompt_encoder.h"
#include "tests/support/agent/fake_agent.h"
#include "tests/support/agent/list_tokenizer.h"

namespace deepseek::agent {
namespace {

using testing::FakeEngine;

/// Collects an answer.
class Collector final : public AnswerWriter {
 public:
  void Whole(std::string answer) override { End(std::move(answer)); }
  void Start(std::vector<std::string> pieces) override {
    const std::lock_guard lock(mutex_);
    for (std::string& piece : pieces) pieces_.push_back(std::move(piece));
  }
  bool Piece(std::string piece) override {
    const std::lock_guard lock(mutex_);
    pieces_.push_back(std::move(piece));
    return true;
  }
  void Finish() override { End(""); }
  void Fail(const ApiError& error) override { End(error.message); }
  void OnGone(std::function<void()>) override {}

  std::string Wait() {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, std::chrono::seconds(60), [this] { return done_; }));
    return answer_;
  }
  std::vector<std::string> pieces() {
    const std::lock_guard lock(mutex_);
    return pieces_;
  }

 private:
  void End(std::string answer) {
    const std::lock_guard lock(mutex_);
    answer_ = std::move(answer);
    done_ = true;
    changed_.notify_all();
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> pieces_;
  std::string answer_;
  bool done_ = false;
};

constexpr char kTools[] =
    R"("tools":[{"type":"function","function":{"name":"get_weather","parameters":{"type":"object",
       "properties":{"city":{"type":"string"},"days":{"type":"integer"}},"required":["city"]}}}])";

CallContext Context() {
  CallContext context;
  context.request_id = "id";
  context.arrival = absl::Now();
  return context;
}

class CallApi : public ::testing::Test {
 protected:
  /// The engine says `answer`, token by token, whatever it is asked.
  void Serve(std::vector<std::string> added, std::unique_ptr<engine::ChatTemplate> chat,
             const std::string& answer) {
    added.insert(added.begin(), "<|eos|>");
    while (added.size() < 5)
      added.push_back(StrCat("<|", added.size(), "|>"));  // a vocabulary of 261
    tokenizer_ = testing::ListTokenizer({}, added);
    ids_ = tokenizer_->Encode(answer, engine::AddedTokens::kAll);
    ids_.push_back(256);
    auto engine = std::make_unique<FakeEngine>(FakeEngine::Options{
        .script = [ids = ids_](const engine::Request&) { return ids; }, .max_context = 5000});
    engine_ = engine.get();
    model_ = std::make_unique<LoadedModel>();
    model_->served_name = "fake";
    model_->text.tokenizer = testing::ListTokenizer({}, added);
    model_->text.chat_template = std::move(chat);
    model_->defaults.eos_ids = {256};
    model_->engine = std::move(engine);
    service_.Serve(model_.get());
  }
  std::shared_ptr<Collector> Ask(const std::string& fields) {
    auto writer = std::make_shared<Collector>();
    const absl::Status status = inference_.Chat(
        StrCat(R"({"messages":[{"role":"user","content":"hi"}],)", fields, "}"), Context(), writer);
    EXPECT_TRUE(status.ok()) << status;
    return writer;
  }
  Json Choice(const std::string& fields) { return Json::parse(Ask(fields)->Wait())["choices"][0]; }
  /// "name arguments|..." of a message or of the deltas of a stream.
  static std::string Calls(const Json& calls) {
    std::string out;
    for (const Json& call : calls) {
      if (call["function"].contains("name"))
        StrAppend(&out, out.empty() ? "" : "|", call["function"]["name"].get<std::string>(), " ");
      out += call["function"]["arguments"].get<std::string>();
    }
    return out;
  }
  /// Whether the last request's constraint lets the whole answer be said.
  bool Allowed() {
    const auto constraint = engine_->requests().back().constraint;
    for (const int32_t id : ids_) {
      if (constraint->Complete()) return id == 256;
      const uint64_t* mask = constraint->Allowed(4000);
      if (mask != nullptr && (mask[id / 64] >> (id % 64) & 1) == 0) return false;
      if (id != 256) constraint->Accept(id);
    }
    return true;
  }
  void Expect(const std::string& fields, const std::string& content, const std::string& reasoning,
              const std::string& calls) {
    const Json choice = Choice(StrCat(fields, kTools));
    EXPECT_EQ(choice["finish_reason"], "tool_calls");
    EXPECT_EQ(Calls(choice["message"]["tool_calls"]), calls);
    EXPECT_EQ(choice["message"]["content"].is_null() ? "" : choice["message"]["content"], content);
    EXPECT_EQ(choice["message"].value("reasoning_content", ""), reasoning);
    EXPECT_TRUE(Allowed());
    std::string told, thought, called;
    const auto stream = Ask(StrCat(fields, R"("stream":true,)", kTools));
    stream->Wait();
    Json deltas = Json::array();
    for (const std::string& piece : stream->pieces()) {
      const Json delta = Json::parse(piece)["choices"][0]["delta"];
      told += delta.value("content", "");
      thought += delta.value("reasoning_content", "");
      if (delta.contains("tool_calls")) {
        for (const Json& call : delta["tool_calls"]) deltas.push_back(call);
      }
    }
    EXPECT_EQ(told, content);
    EXPECT_EQ(thought, reasoning);
    EXPECT_EQ(Calls(deltas), calls);
    EXPECT_GT(deltas.size(), 5U) << "arguments come piece by piece";
  }

  metrics::Registry registry_;
  Telemetry telemetry_{registry_, "fake"};
  Service service_;
  Inference inference_{service_, telemetry_, RequestLimits{}};
  std::unique_ptr<engine::Tokenizer> tokenizer_;
  std::vector<int32_t> ids_;
  FakeEngine* engine_ = nullptr;
  std::unique_ptr<LoadedModel> model_;
};

std::string Dsml(const std::string& block) {
  return StrCat("\n\n<｜DSML｜", block, ">\n<｜DSML｜invoke name=\"get_weather\">\n",
                "<｜DSML｜parameter name=\"city\" string=\"true\">Zürich</｜DSML｜parameter>\n",
                "<｜DSML｜parameter name=\"days\" string=\"false\">3</｜DSML｜parameter>\n",
                "</｜DSML｜invoke>\n<｜DSML｜invoke name=\"get_weather\">\n",
                "<｜DSML｜parameter name=\"city\" string=\"true\">\"北京\"</｜DSML｜parameter>\n",
                "</｜DSML｜invoke>\n</｜DSML｜", block, ">");
}

constexpr char kBoth[] =
    R"(get_weather {"city": "Zürich", "days": 3}|get_weather {"city": "\"北京\""})";

TEST_F(CallApi, DeepSeekV32AndV4) {
  for (const auto& [format, block] :
       {std::pair{engine::PromptFormat::kDeepSeekV32, "function_calls"},
        {engine::PromptFormat::kDeepSeekV4, "tool_calls"}}) {
    const std::vector<std::string> added = {"｜DSML｜", "<think>", "</think>"};
    Serve(added, engine::MakePromptEncoder(format), "I will look." + Dsml(block));
    Expect("", "I will look.", "", kBoth);
    Serve(added, engine::MakePromptEncoder(format), "let us see</think>" + Dsml(block));
    Expect(R"("thinking":true,)", "", "let us see", kBoth);
    Expect(R"("thinking":true,"tool_choice":"required",)", "", "let us see", kBoth);
    Serve(added, engine::MakePromptEncoder(format), Dsml(block));
    Expect(R"("tool_choice":"required",)", "", "", kBoth);
    Choice(StrCat(R"("parallel_tool_calls":false,)", kTools));
    EXPECT_FALSE(Allowed()) << "two calls";
    const Json none = Choice(StrCat(R"("tool_choice":"none",)", kTools));
    EXPECT_FALSE(none["message"].contains("tool_calls"));
    EXPECT_EQ(engine_->requests().back().constraint, nullptr);
  }
}

TEST_F(CallApi, ACallThatMaxTokensCutsShowsNoneOfItsMarks) {
  Serve({"｜DSML｜", "<think>", "</think>"},
        engine::MakePromptEncoder(engine::PromptFormat::kDeepSeekV32),
        "I will look." + Dsml("function_calls"));
  const std::string lead = "I will look.\n\n<";
  for (size_t most = lead.size() + 1; most < lead.size() + 40; ++most) {
    const Json choice = Choice(StrCat(R"("max_tokens":)", most, ",", kTools));
    EXPECT_EQ(choice["message"]["content"], "I will look.") << most;
    EXPECT_EQ(choice["finish_reason"], "length");
  }
}

TEST_F(CallApi, StopStringsEndTextAndNoCalls) {
  const std::vector<std::string> added = {"｜DSML｜", "<think>", "</think>"};
  Serve(added, engine::MakePromptEncoder(engine::PromptFormat::kDeepSeekV32),
        "I will look." + Dsml("function_calls"));
  Expect(R"("stop":["city","invoke"],)", "I will look.", "", kBoth);
  const Json choice = Choice(StrCat(R"("stop":["will"],)", kTools));
  EXPECT_EQ(choice["message"]["content"], "I ");
  EXPECT_EQ(choice["finish_reason"], "stop");
}

TEST_F(CallApi, Qwen) {
  const auto qwen = [] {
    auto chat = engine::ParseChatTemplate(
        "{}",
        "{% if tools %}{{ tools | tojson }}{% endif %}{% for m in messages %}{{ m['content'] }}"
        "{% for t in m['tool_calls'] %}\n<tool_call>\n{\"name\": \"{{ t['function']['name'] }}\", "
        "\"arguments\": {{ t['function']['arguments'] | tojson }}}\n</tool_call>{% endfor %}"
        "{% endfor %}");
    EXPECT_TRUE(chat.ok()) << chat.status();
    return *std::move(chat);
  };
  const std::vector<std::string> added = {"<tool_call>", "</tool_call>", "<think>", "</think>"};
  const std::string calls =
      "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Zürich\", \"days\": "
      "3}}\n</tool_call>\n<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": "
      "\"\\\"北京\\\"\"}}\n</tool_call>";
  Serve(added, qwen(), "I will look.\n" + calls);
  Expect("", "I will look.", "", kBoth);
  Serve(added, qwen(), "<think>\nA <tool_call>, maybe\n</think>\n\n" + calls);
  Expect("", "", "A <tool_call>, maybe", kBoth);
  Serve(added, qwen(), calls);
  Expect(R"("tool_choice":"required",)", "", "", kBoth);
  Choice(StrCat(R"("tool_choice":{"type":"function","function":{"name":"get_weather"}},)", kTools));
  EXPECT_FALSE(Allowed()) << "two calls where one is named";
}

/// As Llama 3.1's: tools in the first user message, one call at a time, results by "ipython".
std::unique_ptr<engine::ChatTemplate> Llama() {
  auto chat = engine::ParseChatTemplate(
      "{}",
      "{% if builtin_tools is defined %}Tools: {{ builtin_tools | join(', ') }}{% endif %}"
      "{% for t in tools or [] %}{{ t | tojson(indent=4) }}\n\n{% endfor %}"
      "{% for m in messages %}{% if 'tool_calls' in m %}{% if m.tool_calls | length != 1 %}"
      "{{ raise_exception('one call at a time') }}{% endif %}"
      "{{ '{\"name\": \"' + m.tool_calls[0].function.name + '\", \"parameters\": ' }}"
      "{{ m.tool_calls[0].function.arguments | tojson }}{{ '}' }}"
      "{% elif m.role == 'tool' %}ipython: {{ m.content | tojson }}"
      "{% else %}{{ m.role + ': ' + m.content }}{% endif %}<|eot|>{% endfor %}");
  EXPECT_TRUE(chat.ok()) << chat.status();
  return *std::move(chat);
}

constexpr char kOne[] = R"(get_weather {"city": "Zürich }", "days": 3})";
constexpr char kOneObject[] =
    R"({"name": "get_weather", "parameters": {"city": "Zürich }", "days": 3}})";

TEST_F(CallApi, Llama31) {
  const std::vector<std::string> added = {"<|python_tag|>", "<|eot|>", "<think>", "</think>"};
  for (const std::string before : {"", "<|python_tag|>"}) {
    for (const std::string fields :
         {"", R"("tool_choice":"required",)",
          R"("tool_choice":{"type":"function","function":{"name":"get_weather"}},)",
          R"("parallel_tool_calls":false,)"}) {
      Serve(added, Llama(), before + kOneObject);
      Expect(fields, "", "", kOne);
    }
  }
  Serve(added, Llama(), std::string("<think>\nhm\n</think>\n\n") + kOneObject);
  Expect("", "", "hm", kOne);
  for (const std::string text : {R"({"name": "Bob", "days": 3})", "20 degrees"}) {
    Serve(added, Llama(), text);
    const Json choice = Choice(kTools);
    EXPECT_EQ(choice["finish_reason"], "stop");
    EXPECT_EQ(choice["message"]["content"], text);
    EXPECT_TRUE(Allowed());
    const Json none = Choice(StrCat(R"("tool_choice":"none",)", kTools));
    EXPECT_EQ(none["message"]["content"], text);
    EXPECT_EQ(engine_->requests().back().constraint, nullptr);
  }
}

TEST_F(CallApi, Llama31WithJsonAsked) {
  // An answer by response_format may begin as a call does: it is one only if it is whole.
  const std::string fields = StrCat(R"("response_format":{"type":"json_object"},)", kTools);
  Serve({"<|python_tag|>"}, Llama(), R"({"name": "get_weather", "parameters": "none"})");
  const Json text = Choice(fields);
  EXPECT_EQ(text["message"]["content"], R"({"name": "get_weather", "parameters": "none"})");
  EXPECT_EQ(text["finish_reason"], "stop");
  EXPECT_TRUE(Allowed());
  Serve({"<|python_tag|>"}, Llama(), kOneObject);
  EXPECT_EQ(Choice(fields)["finish_reason"], "tool_calls");
  EXPECT_TRUE(Allowed());
}

TEST_F(CallApi, Llama31BuiltInToolsAreRefusedByName) {
  Serve({"<|python_tag|>"}, Llama(), "x");
  auto writer = std::make_shared<Collector>();
  const absl::Status status = inference_.Chat(
      R"({"messages":[{"role":"user","content":"hi"}],
          "chat_template_kwargs":{"builtin_tools":["brave_search"]}})",
      Context(), writer);
  EXPECT_EQ(FromStatus(status).param, "chat_template_kwargs");
  EXPECT_NE(FromStatus(status).message.find("builtin_tools"), std::string::npos);
}

TEST_F(CallApi, R1DistillsWriteTheMarksOut) {
  const auto distill = [] {
    auto chat = engine::ParseChatTemplate(
        "{}",
        "{% for m in messages %}{{ m['content'] }}{% for t in m['tool_calls'] %}"
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>{{ t['type'] }}<｜tool▁sep｜>"
        "{{ t['function']['name'] }}{{ '\n```json\n' + t['function']['arguments'] + '\n```' }}"
        "<｜tool▁call▁end｜>{% endfor %}{% endfor %}"
        "{% if add_generation_prompt %}<｜Assistant｜><think>\n{% endif %}");
    EXPECT_TRUE(chat.ok()) << chat.status();
    return *std::move(chat);
  };
  const auto call = [](std::string_view arguments) {
    return StrCat("<｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n```json\n", arguments,
                  "\n```<｜tool▁call▁end｜>");
  };
  const std::string calls =
      StrCat("<｜tool▁calls▁begin｜>", call(R"({"city": "Zürich", "days": 3})"), "\n",
             call(R"({"city": "\"北京\""})"), "<｜tool▁calls▁end｜>");
  const std::vector<std::string> added = {"<｜User｜>", "<｜Assistant｜>", "<think>", "</think>"};
  Serve(added, distill(), "maybe <｜tool▁calls▁begin｜>?\n</think>\n\nI will look.\n" + calls);
  Expect("", "I will look.", "maybe <｜tool▁calls▁begin｜>?", kBoth);
  Serve(added, distill(), "hm</think>\n\n" + calls);
  Expect(R"("tool_choice":"required",)", "", "hm", kBoth);
  Choice(StrCat(R"("parallel_tool_calls":false,)", kTools));
  EXPECT_FALSE(Allowed()) << "two calls";
  Choice(StrCat(R"("tool_choice":{"type":"function","function":{"name":"get_weather"}},)", kTools));
  EXPECT_FALSE(Allowed()) << "two calls where one is named";
}

TEST_F(CallApi, AFormatWithoutItsTokensIsRefused) {
  Serve({}, engine::MakePromptEncoder(engine::PromptFormat::kDeepSeekV4), "x");
  auto writer = std::make_shared<Collector>();
  const absl::Status status = inference_.Chat(
      StrCat(R"({"messages":[{"role":"user","content":"hi"}],)", kTools, "}"), Context(), writer);
  EXPECT_EQ(FromStatus(status).param, "tools");
}

}  // namespace
}  // namespace deepseek::agent
