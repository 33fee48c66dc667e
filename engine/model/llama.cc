// Llama (arXiv 2302.13971, 2407.21783): grouped-query attention without biases, SwiGLU in every
// layer.

#include <utility>

#include "engine/model/decoder.h"

namespace deepseek::engine {

absl::StatusOr<std::unique_ptr<Model>> LoadLlama(const FamilyInput& input,
                                                 std::unique_ptr<Backend> backend) {
  return LoadDecoder(input, std::move(backend), {&MakeGqaAttention, &MakeFeedForward});
}

}  // namespace deepseek::engine
