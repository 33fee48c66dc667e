#pragma once
// Prompt formats of models that come without a Jinja template: DeepSeek publishes Python encoders
// for V3.2 and V4 instead. These do what those do, oddities included, with marks.

#include <memory>
#include <optional>
#include <string_view>

#include "engine/tokenizer/chat_template.h"

namespace deepseek::engine {

enum class PromptFormat { kDeepSeekV32, kDeepSeekV4 };

/// By the model_type of config.json ("deepseek_v32", "deepseek_v4"); nullopt: the model's own Jinja
/// template is its format.
std::optional<PromptFormat> PromptFormatOf(std::string_view model_type);

/// Variables read: messages (with `tools` and `response_format` in system and developer messages,
/// as in the encoders), tools (they go into the first message if that is the system's, else into an
/// empty system message in front), thinking or enable_thinking, reasoning_effort (V4: max, high or
/// none), continue_final_message (the last message stays open). add_generation_prompt has no
/// counterpart: both formats open the answer right behind a user's message, and never elsewhere.
std::unique_ptr<ChatTemplate> MakePromptEncoder(PromptFormat format);

}  // namespace deepseek::engine
