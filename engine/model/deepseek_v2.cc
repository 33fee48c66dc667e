// DeepSeek-V2 and V2-Lite (arXiv 2405.04434): MLA with a latent cache, softmax router, in V2
// limited to the best groups of experts.

#include <utility>

#include "engine/model/decoder.h"

namespace deepseek::engine {

absl::StatusOr<std::unique_ptr<Model>> LoadDeepseekV2(const FamilyInput& input,
                                                      std::unique_ptr<Backend> backend) {
  return LoadDecoder(input, std::move(backend), {&MakeMlaAttention, &MakeFeedForward});
}

}  // namespace deepseek::engine
