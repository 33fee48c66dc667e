// DeepSeek-V3 (technical report, arXiv 2412.19437): MLA with a latent cache, noaux_tc routing,
// shared experts, one multi-token-prediction layer (LoadDecoder adds it when asked).

#include <utility>

#include "engine/model/decoder.h"

namespace deepseek::engine {

absl::StatusOr<std::unique_ptr<Model>> LoadDeepseekV3(const FamilyInput& input,
                                                      std::unique_ptr<Backend> backend) {
  return LoadDecoder(input, std::move(backend), {&MakeMlaAttention, &MakeFeedForward});
}

}  // namespace deepseek::engine
