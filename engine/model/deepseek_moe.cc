// DeepSeekMoE 16B (arXiv 2401.06066): Llama's attention with as many kv heads as heads; softmax
// over all experts before the choice, shared experts.

#include <utility>

#include "engine/model/decoder.h"

namespace deepseek::engine {

absl::StatusOr<std::unique_ptr<Model>> LoadDeepseekMoe(const FamilyInput& input,
                                                       std::unique_ptr<Backend> backend) {
  return LoadDecoder(input, std::move(backend), {&MakeGqaAttention, &MakeFeedForward});
}

}  // namespace deepseek::engine
