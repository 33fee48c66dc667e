#pragma once
// The methods of deepseek.v1.Inference. Internal to agent/rpc: knows gRPC.

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "absl/status/statusor.h"
#include "agent/openai/gate.h"
#include "agent/openai/inference.h"
#include "agent/rpc/server.h"
#include "deepseek/v1/inference.grpc.pb.h"

namespace deepseek::agent::rpc {

/// Calls in progress, over all services of a server. Thread-safe.
class Calls {
 public:
  explicit Calls(int limit) : limit_(limit) {}
  /// A number for End; 0: there are too many. `abort` (null: the call is short) may run on any
  /// thread until End.
  uint64_t Begin(std::function<void()> abort);
  void End(uint64_t call);
  /// Waits until there are none; at `deadline` aborts those that are left and returns how many.
  int Finish(absl::Time deadline);

 private:
  const int limit_;
  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t last_ = 0;
  std::map<uint64_t, std::function<void()>> running_;
};

/// Parsing and templates take a while: they run where `post` puts them, never on gRPC's threads.
class InferenceService : public v1::Inference::CallbackService {
 public:
  using Post = std::function<void(std::function<void()>)>;
  InferenceService(Inference& inference, const Gate& gate, Calls& calls, size_t max_buffered_bytes,
                   Post post);

  grpc::ServerWriteReactor<v1::GenerateResponse>* Generate(
      grpc::CallbackServerContext* context, const v1::GenerateRequest* request) override;
  grpc::ServerWriteReactor<v1::ChatResponse>* Chat(grpc::CallbackServerContext* context,
                                                   const v1::ChatRequest* request) override;
  grpc::ServerUnaryReactor* Tokenize(grpc::CallbackServerContext* context,
                                     const v1::TokenizeRequest* request,
                                     v1::TokenizeResponse* response) override;
  grpc::ServerUnaryReactor* Models(grpc::CallbackServerContext* context,
                                   const v1::ModelsRequest* request,
                                   v1::ModelsResponse* response) override;

 private:
  /// Who calls, and what it says besides its content.
  absl::StatusOr<CallContext> Admit(const grpc::CallbackServerContext& context,
                                    const v1::RequestContext& asked) const;
  template <typename Message, typename Request>
  grpc::ServerWriteReactor<Message>* Stream(
      grpc::CallbackServerContext* context, const Request* request,
      absl::Status (InferenceService::*answer)(const Request&, CallContext, Inference::Writer));
  template <typename Body>
  grpc::ServerUnaryReactor* Unary(grpc::CallbackServerContext* context, Body body);

  absl::Status AnswerGenerate(const v1::GenerateRequest& request, CallContext context,
                              Inference::Writer writer);
  absl::Status AnswerChat(const v1::ChatRequest& request, CallContext context,
                          Inference::Writer writer);

  Inference& inference_;
  const Gate& gate_;
  Calls& calls_;
  const size_t max_buffered_bytes_;
  const Post post_;
};

}  // namespace deepseek::agent::rpc
