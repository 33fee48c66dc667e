#include "agent/rpc/service.h"

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"
#include "agent/rpc/stream_answer.h"
#include "agent/rpc/typed.h"
#include "base/caught.h"
#include "base/status.h"
#include "base/strings.h"

namespace deepseek::agent::rpc {
namespace {

/// Empty: none, or more than one, which no honest client sends.
std::string_view Authorization(const grpc::CallbackServerContext& context) {
  const auto [begin, end] = context.client_metadata().equal_range("authorization");
  if (begin == end || std::next(begin) != end) return {};
  return {begin->second.data(), begin->second.size()};
}

ApiError TooManyCalls() {
  return {429, "too many calls at once, try again later", "rate_limit_error", "", ""};
}

}  // namespace

uint64_t Calls::Begin(std::function<void()> abort) {
  const std::lock_guard lock(mutex_);
  if (running_.size() >= static_cast<size_t>(limit_)) return 0;
  running_[++last_] = std::move(abort);
  return last_;
}

void Calls::End(uint64_t call) {
  std::function<void()> forgotten;  // destroyed after the lock
  const std::lock_guard lock(mutex_);
  if (auto node = running_.extract(call)) forgotten = std::move(node.mapped());
  changed_.notify_all();
}

int Calls::Finish(absl::Time deadline) {
  std::unique_lock lock(mutex_);
  // Not wait_until(system time): a clock that is set must not cut answers.
  const absl::Duration wait =
      std::clamp(deadline - absl::Now(), absl::ZeroDuration(), absl::Hours(24));
  changed_.wait_for(lock, absl::ToChronoMilliseconds(wait), [this] { return running_.empty(); });
  const auto left = running_;
  lock.unlock();
  for (const auto& [_, abort] : left) {
    if (abort) abort();
  }
  return static_cast<int>(left.size());
}

InferenceService::InferenceService(Inference& inference, const Gate& gate, Calls& calls,
                                   size_t max_buffered_bytes, Post post)
    : inference_(inference),
      gate_(gate),
      calls_(calls),
      max_buffered_bytes_(max_buffered_bytes),
      post_(std::move(post)) {}

absl::StatusOr<CallContext> InferenceService::Admit(const grpc::CallbackServerContext& context,
                                                    const v1::RequestContext& asked) const {
  ASSIGN_OR_RETURN(const auth::Principal caller, gate_.Admit(Authorization(context)));
  const auto deadline = context.deadline();
  ASSIGN_OR_RETURN(CallContext out,
                   ToCallContext(asked,
                                 deadline == std::chrono::system_clock::time_point::max()
                                     ? absl::InfiniteFuture()
                                     : absl::FromChrono(deadline),
                                 absl::Now()));
  out.client = caller.name;
  ASSIGN_OR_RETURN(out.tenant, TenantOf(caller, asked.tenant()));
  return out;
}

template <typename Message, typename Request>
grpc::ServerWriteReactor<Message>* InferenceService::Stream(
    grpc::CallbackServerContext* context, const Request* request,
    absl::Status (InferenceService::*answer)(const Request&, CallContext, Inference::Writer)) {
  auto writer = std::make_shared<StreamAnswer<Message>>(context, max_buffered_bytes_);
  const uint64_t number = calls_.Begin([weak = std::weak_ptr(writer)] {
    if (const auto live = weak.lock()) live->Abort();
  });
  if (number != 0) writer->WhenDone([this, number] { calls_.End(number); });
  grpc::ServerWriteReactor<Message>* const reactor = writer->NewReactor();
  const std::string request_id = RequestId(request->context().request_id());
  context->AddInitialMetadata("x-request-id", request_id);
  if (number == 0) {
    writer->Fail(TooManyCalls());
    return reactor;
  }
  absl::StatusOr<CallContext> admitted = Admit(*context, request->context());
  if (!admitted.ok()) {
    writer->Fail(inference_.Refused(admitted.status(), request_id));
    return reactor;
  }
  admitted->request_id = request_id;
  // The request lives until OnDone, which may come at once when the client is gone: take a copy.
  post_([this, answer, writer, copy = *request, call = *std::move(admitted)]() mutable {
    const std::string id = call.request_id;
    const absl::Status status =
        Caught(id, [&] { return (this->*answer)(copy, std::move(call), writer); });
    if (!status.ok()) writer->Fail(inference_.Refused(status, id));
  });
  return reactor;
}

absl::Status InferenceService::AnswerGenerate(const v1::GenerateRequest& request,
                                              CallContext context, Inference::Writer writer) {
  if (request.prompt_case() == v1::GenerateRequest::PROMPT_NOT_SET)
    return BadParam("prompt", "one of text and tokens is needed");
  return inference_.Complete(ToJson(request), std::move(context), std::move(writer), TypedFormat());
}

absl::Status InferenceService::AnswerChat(const v1::ChatRequest& request, CallContext context,
                                          Inference::Writer writer) {
  return inference_.Chat(request.json(), std::move(context), std::move(writer));
}

grpc::ServerWriteReactor<v1::GenerateResponse>* InferenceService::Generate(
    grpc::CallbackServerContext* context, const v1::GenerateRequest* request) {
  return Stream<v1::GenerateResponse>(context, request, &InferenceService::AnswerGenerate);
}

grpc::ServerWriteReactor<v1::ChatResponse>* InferenceService::Chat(
    grpc::CallbackServerContext* context, const v1::ChatRequest* request) {
  return Stream<v1::ChatResponse>(context, request, &InferenceService::AnswerChat);
}

template <typename Body>
grpc::ServerUnaryReactor* InferenceService::Unary(grpc::CallbackServerContext* context, Body body) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  const std::string request_id = RequestId("");
  context->AddInitialMetadata("x-request-id", request_id);
  const auto refuse = [this, reactor, request_id](const absl::Status& status) {
    reactor->Finish(ToGrpc(inference_.Refused(status, request_id)));
  };
  if (const auto who = gate_.Admit(Authorization(*context)); !who.ok()) {
    refuse(who.status());
  } else if (const uint64_t number = calls_.Begin(nullptr); number == 0) {
    reactor->Finish(ToGrpc(TooManyCalls()));
  } else {
    // Request and response live until Finish.
    post_([this, reactor, refuse, body, number, request_id] {
      if (const absl::Status status = Caught(request_id, body); status.ok()) {
        reactor->Finish(grpc::Status::OK);
      } else {
        refuse(status);
      }
      calls_.End(number);
    });
  }
  return reactor;
}

grpc::ServerUnaryReactor* InferenceService::Tokenize(grpc::CallbackServerContext* context,
                                                     const v1::TokenizeRequest* request,
                                                     v1::TokenizeResponse* response) {
  return Unary(context, [this, request, response]() -> absl::Status {
    ASSIGN_OR_RETURN(const Inference::Tokens tokens, inference_.Tokenize(ToJson(*request)));
    response->mutable_ids()->Add(tokens.ids.begin(), tokens.ids.end());
    response->set_max_context(tokens.max_context);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* InferenceService::Models(grpc::CallbackServerContext* context,
                                                   const v1::ModelsRequest*,
                                                   v1::ModelsResponse* response) {
  return Unary(context, [this, response]() -> absl::Status {
    ASSIGN_OR_RETURN(const LoadedModel* loaded, inference_.Model());
    v1::Model* model = response->add_models();
    model->set_name(loaded->served_name);
    model->set_family(loaded->engine->spec().family);
    model->set_digest(loaded->digest);
    model->set_max_context(loaded->engine->max_context());
    return absl::OkStatus();
  });
}

}  // namespace deepseek::agent::rpc
