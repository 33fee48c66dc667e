#pragma once
// One function per prompt format, each in a file of its own.

#include "engine/tokenizer/prompt_parts.h"

namespace deepseek::engine::prompt {

absl::Status WriteV32(const OrderedJson& variables, Writer* out);
absl::Status WriteV4(const OrderedJson& variables, Writer* out);

}  // namespace deepseek::engine::prompt
