#include "agent/openai/format.h"

#include <algorithm>
#include <iterator>

#include "base/json_full.h"
#include "base/strings.h"

namespace deepseek::agent {
namespace {

Json Head(const AnswerMeta& meta, const char* object) {
  Json json = {{"id", meta.id},
               {"object", object},
               {"created", meta.created},
               {"model", meta.model},
               {"system_fingerprint", meta.fingerprint},
               {"choices", Json::array()}};
  if (meta.usage_follows) json["usage"] = nullptr;
  return json;
}

Json OrNull(std::string_view text) {
  return text.empty() ? Json(nullptr) : Json(std::string(text));
}

Json UsageJson(const AnswerUsage& usage) {
  return {{"prompt_tokens", usage.prompt_tokens},
          {"completion_tokens", usage.completion_tokens},
          {"total_tokens", usage.prompt_tokens + usage.completion_tokens},
          {"prompt_tokens_details", {{"cached_tokens", usage.cached_tokens}}}};
}

/// JSON has no infinity; OpenAI writes -9999 for tokens that cannot be.
double Finite(float logprob) {
  return std::max(static_cast<double>(logprob), -9999.0);
}

Json Bytes(std::string_view text) {
  Json bytes = Json::array();
  for (const char c : text) bytes.push_back(static_cast<unsigned char>(c));
  return bytes;
}

Json ChatLogs(const engine::Tokenizer& tokenizer, const std::vector<TokenLog>& logs) {
  Json content = Json::array();
  for (const TokenLog& log : logs) {
    const auto entry = [&](int32_t id, float logprob) {
      const std::string_view bytes = tokenizer.TokenBytes(id);
      return Json{
          {"token", std::string(bytes)}, {"logprob", Finite(logprob)}, {"bytes", Bytes(bytes)}};
    };
    Json one = entry(log.token.id, log.token.logprob);
    one["top_logprobs"] = Json::array();
    for (const engine::TokenLogprob& top : log.token.top)
      one["top_logprobs"].push_back(entry(top.id, top.logprob));
    content.push_back(std::move(one));
  }
  return {{"content", std::move(content)}, {"refusal", nullptr}};
}

/// The same in every chunk, another for every call: made from the answer's id.
std::string CallId(const AnswerMeta& meta, int32_t choice, int32_t index) {
  const std::string_view id = meta.id;
  return StrCat("call_", id.substr(id.size() - std::min<size_t>(id.size(), 20)), choice, "x",
                index);
}

Json CallsJson(const AnswerMeta& meta, const ChoiceText& choice, bool stream) {
  Json calls = Json::array();
  for (const ToolDelta& delta : choice.calls) {
    Json call = {{"function", {{"arguments", delta.arguments}}}};
    if (stream) call["index"] = delta.index;
    if (!delta.name.empty()) {
      call["id"] = CallId(meta, choice.index, delta.index);
      call["type"] = "function";
      call["function"]["name"] = delta.name;
    }
    calls.push_back(std::move(call));
  }
  return calls;
}

class Chat : public Format {
 public:
  explicit Chat(const engine::Tokenizer& tokenizer) : tokenizer_(tokenizer) {}

  std::string Opening(const AnswerMeta& meta, int32_t index) const override {
    Json json = Head(meta, "chat.completion.chunk");
    json["choices"].push_back({{"index", index},
                               {"delta", {{"role", "assistant"}, {"content", ""}}},
                               {"logprobs", nullptr},
                               {"finish_reason", nullptr}});
    return DumpJson(json);
  }

  std::string Chunk(const AnswerMeta& meta, const ChoiceText& choice) const override {
    Json delta = Json::object();
    if (!choice.piece.content.empty()) delta["content"] = choice.piece.content;
    AddReasoning(choice.piece, &delta);
    if (!choice.calls.empty()) delta["tool_calls"] = CallsJson(meta, choice, true);
    Json json = Head(meta, "chat.completion.chunk");
    json["choices"].push_back({{"index", choice.index},
                               {"delta", std::move(delta)},
                               {"logprobs", Logs(choice, !choice.logs.empty())},
                               {"finish_reason", OrNull(choice.finish_reason)}});
    return DumpJson(json);
  }

  std::string UsageChunk(const AnswerMeta& meta, const AnswerUsage& usage) const override {
    Json json = Head(meta, "chat.completion.chunk");
    json["usage"] = UsageJson(usage);
    return DumpJson(json);
  }

  std::string Whole(const AnswerMeta& meta, const std::vector<ChoiceText>& choices,
                    const AnswerUsage& usage) const override {
    Json json = Head(meta, "chat.completion");
    for (const ChoiceText& choice : choices) {
      Json message = {
          {"role", "assistant"}, {"content", choice.piece.content}, {"refusal", nullptr}};
      AddReasoning(choice.piece, &message);
      if (!choice.calls.empty()) {
        message["tool_calls"] = CallsJson(meta, choice, false);
        if (choice.piece.content.empty()) message["content"] = nullptr;
      }
      json["choices"].push_back({{"index", choice.index},
                                 {"message", std::move(message)},
                                 {"logprobs", Logs(choice, choice.with_logs)},
                                 {"finish_reason", OrNull(choice.finish_reason)}});
    }
    json["usage"] = UsageJson(usage);
    return DumpJson(json);
  }

  bool splits_reasoning() const override { return true; }

 private:
  /// DeepSeek's name and vLLM's newer one: clients look for either.
  static void AddReasoning(const AnswerPiece& piece, Json* message) {
    if (piece.reasoning.empty()) return;
    (*message)["reasoning_content"] = piece.reasoning;
    (*message)["reasoning"] = piece.reasoning;
  }

  Json Logs(const ChoiceText& choice, bool wanted) const {
    return wanted ? ChatLogs(tokenizer_, choice.logs) : Json(nullptr);
  }

  const engine::Tokenizer& tokenizer_;
};

class Completion : public Format {
 public:
  explicit Completion(const engine::Tokenizer& tokenizer) : tokenizer_(tokenizer) {}

  std::string Opening(const AnswerMeta&, int32_t) const override { return {}; }

  std::string Chunk(const AnswerMeta& meta, const ChoiceText& choice) const override {
    Json json = Head(meta, "text_completion");
    json["choices"].push_back(ChoiceJson(choice, !choice.logs.empty()));
    return DumpJson(json);
  }

  std::string UsageChunk(const AnswerMeta& meta, const AnswerUsage& usage) const override {
    Json json = Head(meta, "text_completion");
    json["usage"] = UsageJson(usage);
    return DumpJson(json);
  }

  std::string Whole(const AnswerMeta& meta, const std::vector<ChoiceText>& choices,
                    const AnswerUsage& usage) const override {
    Json json = Head(meta, "text_completion");
    for (const ChoiceText& choice : choices)
      json["choices"].push_back(ChoiceJson(choice, choice.with_logs));
    json["usage"] = UsageJson(usage);
    return DumpJson(json);
  }

 private:
  Json ChoiceJson(const ChoiceText& choice, bool with_logs) const {
    return {{"index", choice.index},
            {"text", choice.piece.content},
            {"logprobs", with_logs ? Logs(choice.logs) : Json(nullptr)},
            {"finish_reason", OrNull(choice.finish_reason)}};
  }

  /// The older form: parallel arrays.
  Json Logs(const std::vector<TokenLog>& logs) const {
    Json json = {{"tokens", Json::array()},
                 {"token_logprobs", Json::array()},
                 {"top_logprobs", Json::array()},
                 {"text_offset", Json::array()}};
    for (const TokenLog& log : logs) {
      const std::string token = tokenizer_.Decode({&log.token.id, 1});
      json["tokens"].push_back(token);
      json["text_offset"].push_back(log.char_offset);
      if (log.first) {
        json["token_logprobs"].push_back(nullptr);
        json["top_logprobs"].push_back(nullptr);
        continue;
      }
      json["token_logprobs"].push_back(Finite(log.token.logprob));
      // Best first: of tokens that read alike the likelier one stays. The token itself is always
      // among them.
      Json top = Json::object();
      for (const engine::TokenLogprob& t : log.token.top)
        top.emplace(tokenizer_.Decode({&t.id, 1}), Finite(t.logprob));
      top.emplace(token, Finite(log.token.logprob));
      json["top_logprobs"].push_back(std::move(top));
    }
    return json;
  }

  const engine::Tokenizer& tokenizer_;
};

class Generate : public Format {
 public:
  std::string Opening(const AnswerMeta&, int32_t) const override { return {}; }

  std::string Chunk(const AnswerMeta&, const ChoiceText& choice) const override {
    return DumpJson(
        {{"text", choice.piece.content}, {"finish_reason", OrNull(choice.finish_reason)}});
  }

  std::string UsageChunk(const AnswerMeta&, const AnswerUsage& usage) const override {
    return DumpJson({{"text", ""}, {"usage", UsageJson(usage)}});
  }

  std::string Whole(const AnswerMeta& meta, const std::vector<ChoiceText>& choices,
                    const AnswerUsage& usage) const override {
    return DumpJson({{"text", choices.front().piece.content},
                     {"finish_reason", OrNull(choices.front().finish_reason)},
                     {"model", meta.model},
                     {"usage", UsageJson(usage)}});
  }
};

}  // namespace

void ChoiceText::Append(ChoiceText more) {
  index = more.index;
  with_logs = with_logs || more.with_logs;
  piece.reasoning += more.piece.reasoning;
  piece.content += more.piece.content;
  std::move(more.logs.begin(), more.logs.end(), std::back_inserter(logs));
  for (ToolDelta& delta : more.calls) {
    if (calls.empty() || calls.back().index != delta.index) {
      calls.push_back(std::move(delta));
    } else {
      calls.back().arguments += delta.arguments;
    }
  }
}

std::unique_ptr<Format> ChatFormat(const engine::Tokenizer& tokenizer) {
  return std::make_unique<Chat>(tokenizer);
}

std::unique_ptr<Format> CompletionFormat(const engine::Tokenizer& tokenizer) {
  return std::make_unique<Completion>(tokenizer);
}

std::unique_ptr<Format> GenerateFormat() {
  return std::make_unique<Generate>();
}

}  // namespace deepseek::agent
