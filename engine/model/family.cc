#include "engine/model/family.h"

#include <algorithm>
#include <array>

#include "base/strings.h"

namespace deepseek::engine {
namespace {

struct Family {
  std::string_view name;
  FamilyLoader load;
};
constexpr std::array kFamilies{
    Family{"llama", &LoadLlama},
    Family{"qwen2", &LoadQwen2},
    Family{"deepseek", &LoadDeepseekMoe},
    Family{"deepseek_v2", &LoadDeepseekV2},
    Family{"deepseek_v3", &LoadDeepseekV3},
};

}  // namespace

absl::StatusOr<FamilyLoader> FindFamily(std::string_view name) {
  const auto* const found = std::find_if(kFamilies.begin(), kFamilies.end(),
                                         [&](const Family& f) { return f.name == name; });
  if (found != kFamilies.end()) return found->load;
  return absl::UnimplementedError(StrCat("family ", name, " has no forward pass"));
}

}  // namespace deepseek::engine
