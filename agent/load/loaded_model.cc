#include "agent/load/loaded_model.h"

#include <cstdlib>
#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "engine/weights/checkpoint.h"
#include "engine/weights/digest.h"

namespace deepseek::agent {
namespace {

constexpr std::string_view kBuiltin = "builtin:";
constexpr std::string_view kModel = "model: ";
constexpr int kInvalidModel = 2;  // exit code
constexpr int64_t kMaxConfigBytes = int64_t{1} << 20;

// "/models/demo-v3/" -> "demo-v3"
std::string LastPart(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

}  // namespace

absl::StatusOr<std::string> ResolveModelDir(std::string_view model) {
  if (model.empty())
    return absl::InvalidArgumentError("--model: empty: give a folder or builtin:NAME");
  if (model.substr(0, kBuiltin.size()) != kBuiltin) return std::string(model);
  const std::string_view name = model.substr(kBuiltin.size());
  if (name.empty() || name.front() == '.' || name.find('/') != std::string_view::npos) {
    return absl::InvalidArgumentError(
        StrCat("--model: ", model, ": not a builtin name (as in builtin:demo-v3)"));
  }
  const char* folder = std::getenv("DEEPSEEK_BUILTIN_MODELS");
  return StrCat(folder != nullptr && *folder != '\0' ? folder : "/models", "/", name);
}

absl::Status AboutModel(const absl::Status& status) {
  if (ExitCode(status) != kInvalidModel ||
      ToStd(status.message()).substr(0, kModel.size()) == kModel)
    return status;
  std::string line = StrCat(kModel, status.message());
  if (line.back() != ')') {
    line += absl::IsNotFound(status) ? " (check the model folder)"
            : absl::IsUnimplemented(status)
                ? " (use a model that is served)"
                : " (fetch the model again, or check it with: deepseek-agent verify)";
  }
  return absl::Status(status.code(), line);
}

absl::StatusOr<TextAndDefaults> LoadAgreeingText(const std::string& model_dir,
                                                 const engine::ModelSpec& spec,
                                                 const std::string& chat_template_file) {
  TextAndDefaults out;
  ASSIGN_OR_RETURN(out.text, LoadText(model_dir, chat_template_file));
  auto generation = engine::ReadTextFile(model_dir + "/generation_config.json", kMaxConfigBytes);
  if (absl::IsNotFound(generation.status())) generation = "";
  RETURN_IF_ERROR(generation.status());
  ASSIGN_OR_RETURN(out.defaults, ParseGenerationConfig(*generation, spec));
  RETURN_IF_ERROR(CheckTokenizer(out.text, spec, out.defaults, model_dir));
  return out;
}

namespace {

// A wrong weight is found by its name alone: the message says in which folder, too.
absl::Status InFolder(const std::string& dir, const absl::Status& status) {
  if (ExitCode(status) != kInvalidModel || ToStd(status.message()).starts_with(dir)) return status;
  return absl::Status(status.code(), ToAbsl(StrCat(dir, ": ", status.message())));
}

// A rollback onto weights that were overwritten meanwhile is no rollback.
absl::Status CheckDigest(const std::string& dir, const std::string& found,
                         const std::string& expected) {
  if (expected.empty() || found == expected) return absl::OkStatus();
  return absl::DataLossError(
      StrCat(dir, ": these are not the weights that this revision was made with: the digest is ",
             found, ", recorded is ", expected,
             " (put those weights back, or change the spec: a new revision takes what it finds)"));
}

absl::StatusOr<std::unique_ptr<LoadedModel>> Load(const LoadOptions& options) {
  const std::string& dir = options.engine.model.model_dir;
  ASSIGN_OR_RETURN(const engine::ModelSpec spec, engine::ReadModelSpec(dir));
  ASSIGN_OR_RETURN(TextAndDefaults text, LoadAgreeingText(dir, spec, options.chat_template_file));
  if (options.needs_chat) RETURN_IF_ERROR(text.text.chat_template_error);
  auto loaded = std::make_unique<LoadedModel>();
  ASSIGN_OR_RETURN(loaded->digest, engine::WeightsDigest(dir));
  RETURN_IF_ERROR(CheckDigest(dir, loaded->digest, options.expected_digest));
  loaded->served_name = options.served_name.empty() ? LastPart(dir) : options.served_name;
  loaded->text = std::move(text.text);
  loaded->defaults = std::move(text.defaults);
  auto engine = engine::LoadModel(options.engine);
  if (!engine.ok()) return InFolder(dir, engine.status());
  loaded->engine = *std::move(engine);
  return loaded;
}

}  // namespace

absl::StatusOr<std::unique_ptr<LoadedModel>> LoadForServing(const LoadOptions& options) {
  auto loaded = Load(options);
  if (!loaded.ok()) return AboutModel(loaded.status());
  return loaded;
}

}  // namespace deepseek::agent
