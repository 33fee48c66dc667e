#pragma once
// A backend that counts and times the operations of another one.

#include <memory>

#include "engine/kernels/backend.h"
#include "engine/step_profile.h"

namespace deepseek::engine {

/// Passes every call on to `backend`. While `profile->mode` is not kOff, operations of a step are
/// counted, and in kTime each is waited for and timed, so that an asynchronous backend runs in
/// step. Which linear an operation is comes from the names of the packed tensors.
std::unique_ptr<Backend> ProfileBackend(std::unique_ptr<Backend> backend,
                                        std::shared_ptr<StepProfile> profile);

}  // namespace deepseek::engine
