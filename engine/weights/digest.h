#pragma once
// Which weights are these? A digest of a checkpoint folder, cheap enough for every start.

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/weights/checkpoint.h"

namespace deepseek::engine {

/// Files up to this size count with all their bytes.
inline constexpr int64_t kWholeFileBytes = int64_t{256} << 20;

/// The template for requests with tools, where a model keeps its templates in files.
inline constexpr const char* kToolTemplateFile = "additional_chat_templates/tool_use.jinja";

/// The names of the files of `dir` that make the model what it is: config.json, the weight files,
/// the tokenizer's files and the chat template's, as far as they are there. Sorted.
std::vector<std::string> ModelFiles(const std::string& dir, const Checkpoint& checkpoint);

/// "sha256:HEX" over the lines "SHA256  NAME" of ModelFiles: what VerifyCheckpoint says of a folder
/// without a manifest. If any file is larger than `whole_file_bytes`, "sampled-sha256:HEX": of such
/// a file only its size, its first and last MiB and 64 KiB of each 16 MiB count. That tells one set
/// of weights from another (a training step changes every tensor), but not a single changed byte:
/// for that there is `verify`. Errors as Checkpoint::Open.
absl::StatusOr<std::string> WeightsDigest(const std::string& dir,
                                          int64_t whole_file_bytes = kWholeFileBytes);

}  // namespace deepseek::engine
