#pragma once
// A model as the agent serves it: the engine, the text side that belongs to the same weights, the
// model's own defaults.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/engine.h"
#include "engine/tokenizer/chat_template.h"
#include "engine/tokenizer/tokenizer.h"

namespace deepseek::agent {

/// generation_config.json: what a request gets that does not say. do_sample false means temperature
/// 0.
struct GenerationDefaults {
  float temperature = 1.0F;
  float top_p = 1.0F;
  int32_t top_k = 0;  ///< 0: off
  float min_p = 0.0F;
  float repetition_penalty = 1.0F;
  std::vector<int32_t> eos_ids;  ///< sorted; of generation_config.json, else of config.json
  int32_t bos_id = -1;           ///< -1: the model has none
};

/// The text side of a model directory, without weights: enough for tokenize, detokenize and
/// render-chat.
struct TextModel {
  std::unique_ptr<engine::Tokenizer> tokenizer;         ///< never null
  std::unique_ptr<engine::ChatTemplate> chat_template;  ///< or encoder; null: the model has neither
  absl::Status chat_template_error;                     ///< why it is null though there is one
  bool add_bos = false;                                 ///< tokenizer_config's add_bos_token
  int32_t bos_id = -1;                                  ///< tokenizer_config's bos_token; -1: none
  int32_t eos_id = -1;

  /// Ids of plain text. `add_special`: put the beginning-of-sequence token in front if the model
  /// wants one (and the text does not already start with it). `parse_special`: added tokens in the
  /// text count as such.
  std::vector<int32_t> Encode(std::string_view text, bool add_special, bool parse_special) const;
};

/// Immutable after loading, hence thread-safe; the engine is thread-safe itself. Members are public
/// so that tests can put one together around a fake engine.
struct LoadedModel {
  std::string served_name;  ///< what clients put in "model"
  std::string digest;       ///< of the weights (engine/weights/digest.h)
  TextModel text;
  GenerationDefaults defaults;
  std::unique_ptr<engine::Engine> engine;  ///< last: destroyed first
};

struct LoadOptions {
  engine::EngineOptions engine;
  std::string served_name;         ///< empty: the last part of the model directory's path
  std::string chat_template_file;  ///< empty: the model's own
  bool needs_chat = true;          ///< refuse a model whose template cannot be used
  /// The digest that the weights must have; empty: any. Others are kDataLoss.
  std::string expected_digest;
};

/// The same error as a line for people: "model: WHERE: WHY (what to do)", when it says that the
/// model is invalid.
absl::Status AboutModel(const absl::Status& status);

/// Where the weights are: `builtin:NAME` means NAME below $DEEPSEEK_BUILTIN_MODELS (/models if
/// unset), else a path. kInvalidArgument: a builtin name with path separators or an empty one.
absl::StatusOr<std::string> ResolveModelDir(std::string_view model);

/// A tokenizer.json alone: no beginning-of-sequence token, no template. `added_tokens_decoder`: as
/// ParseTokenizer's.
absl::StatusOr<TextModel> LoadTokenizerFile(const std::string& path,
                                            const std::string& added_tokens_decoder = "");

/// The built-in prompt format of a model whose family comes without a Jinja template (config.json's
/// model_type); null for others.
std::unique_ptr<engine::ChatTemplate> PromptEncoderOf(const std::string& model_dir);

/// tokenizer_config.json with what transformers takes from the files beside it: the tokens of
/// special_tokens_map.json that it does not name, the template in chat_template.jinja (which comes
/// before its own) and the one for tools in additional_chat_templates. {}: there is none of them.
absl::StatusOr<OrderedJson> ReadTokenizerConfig(const std::string& model_dir);

/// Reads tokenizer.json, tokenizer_config.json and the chat template of `model_dir`. kNotFound /
/// kDataLoss name the file. A template that cannot be used is no error yet, but
/// `chat_template_error`: tokens and plain text need none.
absl::StatusOr<TextModel> LoadText(const std::string& model_dir,
                                   const std::string& chat_template_file = "");

/// `generation_config_json` may be empty (no such file); `spec` gives what it leaves open.
absl::StatusOr<GenerationDefaults> ParseGenerationConfig(std::string_view generation_config_json,
                                                         const engine::ModelSpec& spec);

/// kDataLoss unless the tokenizer can belong to these weights: no id at or above vocab, not less
/// than half of vocab, and the bos and eos tokens of tokenizer_config.json have ids that
/// config.json or generation_config.json gives them.
absl::Status CheckTokenizer(const TextModel& text, const engine::ModelSpec& spec,
                            const GenerationDefaults& defaults, const std::string& model_dir);

/// LoadText, generation_config.json and CheckTokenizer in one.
struct TextAndDefaults {
  TextModel text;
  GenerationDefaults defaults;
};
absl::StatusOr<TextAndDefaults> LoadAgreeingText(const std::string& model_dir,
                                                 const engine::ModelSpec& spec,
                                                 const std::string& chat_template_file = "");

/// Everything of the above in order: config, text, agreement (before the weights, so that a wrong
/// directory fails at once), then the weights. Errors are AboutModel.
/// options.engine.model.model_dir is a directory, already resolved.
absl::StatusOr<std::unique_ptr<LoadedModel>> LoadForServing(const LoadOptions& options);

}  // namespace deepseek::agent
