#include "agent/load/loaded_model.h"

#include <cstdlib>
#include <utility>

#include "base/status.h"
#include "base/strings.h"
#include "engine/weights/checkpoint.h"

namespace deepseek::agent {
namespace {

constexpr std::string_view kBuiltin = "builtin:";
constexpr int64_t kMaxConfigBytes = int64_t{8} << 20;

// "/models/demo-v3/" -> "demo-v3"
std::string LastPart(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

}  // namespace

absl::StatusOr<std::string> ResolveModelDir(std::string_view model) {
  if (model.empty()) return absl::InvalidArgumentError("--model: empty: give a folder or builtin:NAME");
  if (model.substr(0, kBuiltin.size()) != kBuiltin) return std::string(model);
  const std::string_view name = model.substr(kBuiltin.size());
  if (name.empty() || name.front() == '.' || name.find('/') != std::string_view::npos) {
    return absl::InvalidArgumentError(StrCat("--model: ", model, ": not a builtin name (as in builtin:demo-v3)"));
  }
  const char* folder = std::getenv("DEEPSEEK_BUILTIN_MODELS");
  return StrCat(folder != nullptr && *folder != '\0' ? folder : "/models", "/", name);
}

absl::StatusOr<std::unique_ptr<LoadedModel>> LoadForServing(const LoadOptions& options) {
  const std::string& dir = options.engine.model.model_dir;
  auto loaded = std::make_unique<LoadedModel>();
  loaded->served_name = options.served_name.empty() ? LastPart(dir) : options.served_name;
  ASSIGN_OR_RETURN(const engine::ModelSpec spec, engine::ReadModelSpec(dir));
  ASSIGN_OR_RETURN(loaded->text, LoadText(dir, options.chat_template_file));
  auto generation = engine::ReadTextFile(dir + "/generation_config.json", kMaxConfigBytes);
  if (absl::IsNotFound(generation.status())) generation = "";
  RETURN_IF_ERROR(generation.status());
  ASSIGN_OR_RETURN(loaded->defaults, ParseGenerationConfig(*generation, spec));
  RETURN_IF_ERROR(CheckTokenizer(loaded->text, spec, loaded->defaults, dir));
  ASSIGN_OR_RETURN(loaded->engine, engine::LoadModel(options.engine));
  return loaded;
}

}  // namespace deepseek::agent
