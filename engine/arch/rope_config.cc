// rope_theta and the scalings of rotary positions, in the spellings of old and new config.json
// files.

#include <algorithm>

#include "base/json_full.h"
#include "base/strings.h"
#include "engine/arch/family_config.h"

namespace deepseek::engine {
namespace {

constexpr int64_t kMaxPositions = int64_t{1} << 26;
constexpr double kMinTheta = 1.0000001, kMaxTheta = 1e12;
constexpr double kMaxFactor = 1e6;

std::string_view Name(RopeScaling scaling) {
  switch (scaling) {
    case RopeScaling::kNone:
      return "default";
    case RopeScaling::kLinear:
      return "linear";
    case RopeScaling::kYarn:
      return "yarn";
    case RopeScaling::kLlama3:
      return "llama3";
  }
  return "";
}

void ReadYarn(ConfigReader* r, ConfigReader* model, RopeSpec* rope) {
  r->Number("factor", 1, kMaxFactor, &rope->factor);
  // transformers: where only the model's length is given, that is the one before stretching.
  model->Int("max_position_embeddings", 1, kMaxPositions, &rope->original_max_positions);
  r->OptionalInt("original_max_position_embeddings", 1, kMaxPositions,
                 &rope->original_max_positions);
  r->OptionalNumber("beta_fast", 1e-6, 1e6, &rope->beta_fast);
  r->OptionalNumber("beta_slow", 1e-6, 1e6, &rope->beta_slow);
  // Absent: 1 and 0, both in DeepSeek's official code and, by another road, in Qwen2's.
  rope->mscale = 1;
  r->OptionalNumber("mscale", 0, 1e3, &rope->mscale);
  r->OptionalNumber("mscale_all_dim", 0, 1e3, &rope->mscale_all_dim);
  r->OptionalNumber("attention_factor", 1e-6, 1e6, &rope->attention_factor);
  r->Only("truncate", true);  // false: the corners of the ramp are not rounded
}

void ReadLlama3(ConfigReader* r, RopeSpec* rope) {
  r->Number("factor", 1, kMaxFactor, &rope->factor);
  r->Int("original_max_position_embeddings", 1, kMaxPositions, &rope->original_max_positions);
  r->Number("low_freq_factor", 1e-6, 1e6, &rope->low_freq_factor);
  r->Number("high_freq_factor", 1e-6, 1e6, &rope->high_freq_factor);
  if (r->ok() && rope->high_freq_factor <= rope->low_freq_factor) {
    r->Fail("high_freq_factor", StrCat("more than low_freq_factor (", rope->low_freq_factor, ")"));
  }
}

void ReadScaling(const Json& json, std::string_view field,
                 std::initializer_list<RopeScaling> served, ConfigReader* parent, RopeSpec* rope) {
  if (!json.is_object()) return parent->Fail(field, "an object or null");
  ConfigReader r(json, StrCat(field, "."));
  // "type" in old files, "rope_type" in new ones.
  std::string type;
  r.OptionalString("type", &type);
  r.OptionalString("rope_type", &type);
  r.OptionalNumber("rope_theta", kMinTheta, kMaxTheta, &rope->theta);
  r.Only("partial_rotary_factor", 1);
  // transformers: no type is "default". With a field that only a scaling has, it was forgotten.
  if (type.empty() && r.Find("factor") == nullptr) type = Name(RopeScaling::kNone);
  if (type.empty()) r.Fail("type", "\"yarn\"");
  const auto* const found = std::find_if(
      served.begin(), served.end(), [&](RopeScaling scaling) { return Name(scaling) == type; });
  if (r.ok() && found == served.end()) {
    std::string names;
    for (const RopeScaling s : served) StrAppend(&names, names.empty() ? "" : ", ", Name(s));
    r.Fail(absl::UnimplementedError(StrCat("config.json: rope scaling \"", type.substr(0, 60),
                                           "\" is not served (served: ", names, ")")));
  }
  if (!r.ok()) return parent->Fail(r.status());
  rope->scaling = *found;
  if (rope->scaling == RopeScaling::kYarn) ReadYarn(&r, parent, rope);
  if (rope->scaling == RopeScaling::kLlama3) ReadLlama3(&r, rope);
  if (rope->scaling == RopeScaling::kLinear) r.Number("factor", 1, kMaxFactor, &rope->factor);
  if (!r.ok()) parent->Fail(r.status());
}

}  // namespace

void ReadRope(ConfigReader* r, std::initializer_list<RopeScaling> served, RopeSpec* rope) {
  // Absent: 10000, the default of every family's configuration class.
  r->OptionalNumber("rope_theta", kMinTheta, kMaxTheta, &rope->theta);
  for (const char* field : {"rope_scaling", "rope_parameters"}) {
    const Json* scaling = r->Find(field);
    if (scaling != nullptr) return ReadScaling(*scaling, field, served, r, rope);
  }
}

}  // namespace deepseek::engine
