#pragma once
// Between typed messages and what agent/openai speaks. Pure. Internal to agent/rpc: knows Protobuf
// and gRPC's status.

#include <grpcpp/support/status.h>

#include <memory>
#include <string>

#include "absl/time/time.h"
#include "agent/openai/error.h"
#include "agent/openai/format.h"
#include "agent/openai/generation.h"
#include "deepseek/v1/inference.pb.h"

namespace deepseek::agent::rpc {

/// The body of POST /v1/completions that asks for the same: one parser checks both.
std::string ToJson(const v1::GenerateRequest& request);
/// The body of POST /tokenize.
std::string ToJson(const v1::TokenizeRequest& request);

/// Pieces are serialized v1.GenerateResponse.
std::unique_ptr<Format> TypedFormat();

/// OpenAI's error as a status; its JSON is in the details.
grpc::Status ToGrpc(const ApiError& error);

/// What `context` says. `call_deadline`: the call's own. 400 for a priority out of range or a
/// malformed deadline. The tenant is the caller's business.
absl::StatusOr<CallContext> ToCallContext(const v1::RequestContext& context,
                                          absl::Time call_deadline, absl::Time now);

}  // namespace deepseek::agent::rpc
