#pragma once
// What is known of a model's steps before any was measured.

#include "engine/arch/model_spec.h"
#include "engine/schedule/cost_model.h"

namespace deepseek::engine {

/// Which weights a step reads, and the shares of attention by their floating-point operations: a
/// pair of a row and a key is a product over the query's width and one over the value's, for each
/// head and layer. MLA makes the keys and values of a chunk's whole context out of the latent, GQA
/// packs them. No price is set; a model without attention has no term for it.
CostModel FirstPrices(const ModelSpec& spec);

}  // namespace deepseek::engine
