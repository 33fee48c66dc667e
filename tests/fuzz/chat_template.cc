// Any bytes as a template, and any JSON as its variables: input is TEMPLATE NUL JSON. Limits hold,
// marks cover the text.

#include <cstdlib>

#include "base/json_full.h"
#include "engine/tokenizer/chat_template.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace deepseek;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t nul = text.find('\0');
  const std::string_view source = text.substr(0, nul);
  if (source.empty()) return 0;
  const auto chat = engine::ParseChatTemplate(R"({"bos_token": "<s>"})", source);
  if (!chat.ok()) return 0;
  OrderedJson variables = {{"messages", {{{"role", "user"}, {"content", "hi <s>"}}}},
                           {"add_generation_prompt", true}};
  if (nul != std::string_view::npos) {
    const auto given = ParseOrderedJson(text.substr(nul + 1), "variables");
    if (given.ok()) variables = *given;
  }
  const engine::RenderLimits limits = {
      .max_steps = 20000, .max_depth = 64, .max_output_bytes = 1 << 16, .now_seconds = 1};
  const auto got = (*chat)->Render(variables, limits);
  if (!got.ok()) return 0;
  size_t at = 0;
  for (const auto& mark : got->marks) {
    if (mark.begin != at || mark.end <= mark.begin) std::abort();
    at = mark.end;
  }
  if (at != got->text.size() || at > limits.max_output_bytes) std::abort();
  return 0;
}
