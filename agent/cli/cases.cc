#include "agent/cli/cases.h"

#include <cstring>
#include <limits>
#include <string_view>

#include "agent/cli/model_flags.h"
#include "base/status.h"
#include "base/strings.h"
#include "engine/weights/safetensors.h"

namespace deepseek::agent {
namespace {

constexpr std::string_view kIds = ".input_ids";

absl::StatusOr<std::vector<int32_t>> Integers(const engine::TensorView& view, const std::string& path) {
  const bool wide = view.dtype == "I64";
  if ((!wide && view.dtype != "I32") || view.shape.size() != 1) {
    return absl::InvalidArgumentError(StrCat("--input: ", path, ": ", view.name, " is ", view.dtype, " ",
                                             view.ShapeText(), ": must be I32 of one dimension"));
  }
  std::vector<int32_t> out(static_cast<size_t>(view.elements()));
  for (size_t i = 0; i < out.size(); ++i) {
    if (!wide) {
      std::memcpy(&out[i], view.data.data() + i * 4, 4);
      continue;
    }
    int64_t value = 0;
    std::memcpy(&value, view.data.data() + i * 8, 8);
    if (value < 0 || value > std::numeric_limits<int32_t>::max()) {
      return absl::InvalidArgumentError(StrCat("--input: ", path, ": ", view.name, "[", i, "] is ", value));
    }
    out[i] = static_cast<int32_t>(value);
  }
  return out;
}

}  // namespace

absl::StatusOr<std::vector<Case>> ReadCases(const std::string& path) {
  auto file = engine::SafetensorsFile::Open(path);
  if (!file.ok()) return AsWrongUse(file.status());
  std::vector<Case> cases;
  for (const auto& [name, view] : file->tensors()) {
    if (name.size() <= kIds.size() || name.compare(name.size() - kIds.size(), kIds.size(), kIds) != 0) continue;
    Case c;
    c.name = name.substr(0, name.size() - kIds.size());
    ASSIGN_OR_RETURN(c.input_ids, Integers(view, path));
    if (const engine::TensorView* positions = file->Find(c.name + ".positions")) {
      ASSIGN_OR_RETURN(c.positions, Integers(*positions, path));
    }
    cases.push_back(std::move(c));
  }
  if (cases.empty()) {
    return absl::InvalidArgumentError(StrCat("--input: ", path, ": holds no tensor NAME.input_ids (I32 [tokens])"));
  }
  return cases;
}

}  // namespace deepseek::agent
