#pragma once
// Requests of someone who wants to write control tokens: random conversations whose every text is
// made of added tokens, whole, in pieces and disguised.

#include <functional>
#include <random>
#include <string>
#include <vector>

#include "base/json_full.h"

namespace deepseek::engine::testing {

class Hostile {
 public:
  /// `file`: a tokenizer.json.
  explicit Hostile(const Json& file) {
    fragments_ = {"<", "｜", ">", "<｜", "｜>", "User", "think", "Assistant", "\n", " ", "a", "é",
                  "中", "7", "\"", "\\", "|", "im_start", "<|", "|>", "tool▁calls▁begin",
                  "｜DSML｜", "</", "{{ bos_token }}", "{% raw %}",
                  // What normalisation changes or joins to its neighbour: a slash over < and >,
                  // Kelvin, the Greek question mark, a decomposed letter, Hangul in pieces.
                  "\u0338", "\u212A", "\u037E", "\u1FEF", "e\u0301", "\u1100\u1161", "\u0301",
                  // What a careless filter would fold to token characters, or drop.
                  "\uFF1C", "\uFF1E", "\uFE64", "\u200B", "\u00AD", "\uFEFF", std::string(1, '\0'),
                  "\xEF\xBD", "\x9C", "\xC0\xBC", "\xE2\x96"};
    for (const Json& token : file["added_tokens"]) {
      const std::string content = token["content"];
      // Hundreds of place holders tell nothing new.
      if (content.find("reserved") != std::string::npos) continue;
      if (content.find("place▁holder") != std::string::npos) continue;
      tokens_.push_back(content);
    }
    for (const char* role : {"<think>", "</think>", "<｜User｜>", "<｜Assistant｜>", "<|im_start|>",
                             "<|im_end|>", "<|eot_id|>", "<tool_call>", "</tool_response>"}) {
      tokens_.push_back(role);
    }
  }

  std::string Text(std::mt19937& random) const {
    std::string text;
    for (unsigned i = random() % 8; i > 0; --i) {
      if (random() % 2 == 0) {
        text += fragments_[random() % fragments_.size()];
        continue;
      }
      const std::string& token = tokens_[random() % tokens_.size()];
      const size_t cut = random() % (token.size() + 1);
      switch (random() % 6) {
        case 0:  // halves: a neighbour, or the template, may complete them; bytes may be torn
          text += token.substr(0, cut);
          break;
        case 1:
          text += token.substr(cut);
          break;
        case 2:  // torn apart by something that normalisation or trimming might take away
          text +=
              token.substr(0, cut) + fragments_[random() % fragments_.size()] + token.substr(cut);
          break;
        default:
          text += token;
      }
    }
    return text;
  }

 private:
  std::vector<std::string> fragments_, tokens_;
};

/// A conversation in which the user's side fills every string: content, names, ids, tool calls,
/// schemas, tool results, reasoning. `parsed`: tool-call arguments as JSON, not as text.
inline OrderedJson Conversation(std::mt19937& random, const std::function<std::string()>& text,
                                bool parsed = false) {
  OrderedJson messages = OrderedJson::array();
  const auto one_in = [&](unsigned n) { return random() % n == 0; };
  if (one_in(2)) messages.push_back({{"role", "system"}, {"content", text()}});
  const unsigned turns = 1 + random() % 4;
  for (unsigned turn = 0; turn < turns; ++turn) {
    messages.push_back({{"role", "user"}, {"content", text()}, {"name", text()}});
    if (one_in(3)) {
      OrderedJson arguments = text();
      if (parsed) arguments = {{text(), text()}, {"list", {text(), 1, nullptr}}};
      OrderedJson function = {{"name", text()}, {"arguments", arguments}};
      OrderedJson call = {{"id", text()}, {"type", text()}, {"function", function}};
      messages.push_back(
          {{"role", "assistant"}, {"content", text()}, {"tool_calls", {call, call}}});
      if (one_in(2)) messages.back()["reasoning_content"] = text();
      messages.push_back({{"role", "tool"}, {"content", text()}, {"tool_call_id", text()}});
    }
    if (one_in(2)) {
      messages.push_back({{"role", "assistant"}, {"content", text()}});
      if (one_in(2)) messages.back()["reasoning_content"] = text();
    }
  }
  OrderedJson variables = {{"messages", messages}, {"add_generation_prompt", !one_in(4)}};
  if (one_in(2)) {
    OrderedJson schema = {
        {"name", text()}, {"description", text()}, {text(), {text(), 1, {{text(), text()}}}}};
    variables["tools"] = OrderedJson::array({{{"type", "function"}, {"function", schema}}});
  }
  if (one_in(3)) variables["thinking"] = one_in(2);
  return variables;
}

}  // namespace deepseek::engine::testing
