// Any bytes as the body of a request; the first byte says of which one.

#include "agent/openai/request.h"
#include "base/json_full.h"
#include "tests/fuzz/input.h"

namespace {

using namespace deepseek;

/// `echo`: the prompt may be all of the answer.
void CheckParams(const agent::GenerationParams& p, bool echo = false) {
  fuzz::Require(p.n >= 1 && p.n <= 128, "n is within its range");
  fuzz::Require(!p.temperature || (*p.temperature >= 0 && *p.temperature <= 2),
                "temperature is within its range");
  fuzz::Require(!p.top_p || (*p.top_p >= 0 && *p.top_p <= 1), "top_p is within its range");
  fuzz::Require(!p.max_tokens || *p.max_tokens >= (echo ? 0 : 1), "max_tokens is positive");
  fuzz::Require(p.stop.size() <= 16, "stops are few");
  for (const auto& [id, bias] : p.logit_bias)
    fuzz::Require(id >= 0 && bias >= -100 && bias <= 100, "a bias is within its range");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  const agent::RequestLimits limits;
  switch (data[0] % 6) {
    case 0:
      if (const auto chat = agent::ParseChatRequest(body, limits); chat.ok()) {
        CheckParams(chat->params);
        fuzz::Require(chat->variables != nullptr && (*chat->variables)["messages"].is_array(),
                      "messages are a list");
      }
      break;
    case 1:
      if (const auto completion = agent::ParseCompletionRequest(body, limits); completion.ok()) {
        CheckParams(completion->params, completion->echo);
        fuzz::Require(!completion->prompts.empty(), "there is a prompt");
      }
      break;
    case 2:
      (void)agent::ParseGenerateRequest(body, "prompt", limits);
      break;
    case 3:
      (void)agent::ParseGenerateRequest(body, "text", limits);
      break;
    case 4:
      (void)agent::ParseTokenizeRequest(body, limits);
      break;
    default:
      (void)agent::ParseDetokenizeRequest(body, limits);
      break;
  }
  return 0;
}
