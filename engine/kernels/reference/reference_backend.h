#pragma once
// The reference backend: plain loops, fp32, one thread. The truth that other backends are compared
// with.

#include <memory>

#include "engine/kernels/backend.h"

namespace deepseek::engine {

std::unique_ptr<Backend> CreateReferenceBackend();

}  // namespace deepseek::engine
