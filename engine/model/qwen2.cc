// Qwen2 and Qwen2.5 (arXiv 2407.10671): as Llama, with biases on q, k and v.

#include <utility>

#include "engine/model/decoder.h"

namespace deepseek::engine {

absl::StatusOr<std::unique_ptr<Model>> LoadQwen2(const FamilyInput& input,
                                                 std::unique_ptr<Backend> backend) {
  return LoadDecoder(input, std::move(backend), {&MakeGqaAttention, &MakeFeedForward});
}

}  // namespace deepseek::engine
