#pragma once
// An answer as a gRPC server stream. Internal to agent/rpc: knows gRPC.

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/openai/answer_writer.h"
#include "agent/rpc/typed.h"

namespace deepseek::agent::rpc {

/// Message: v1::ChatResponse or v1::GenerateResponse. Lives until both gRPC (OnDone) and the last
/// owner of the AnswerWriter have let it go. One write is in flight at a time; gRPC is called
/// without the lock, since it may call back at once.
template <typename Message>
class StreamAnswer : public AnswerWriter,
                     public std::enable_shared_from_this<StreamAnswer<Message>> {
 public:
  /// `context` lives until gRPC has let the call go.
  StreamAnswer(grpc::CallbackServerContext* context, size_t max_buffered_bytes)
      : context_(context), max_buffered_bytes_(max_buffered_bytes) {}

  /// Before NewReactor. `done` runs when gRPC has let the call go.
  void WhenDone(std::function<void()> done) { done_ = std::move(done); }

  /// Before anything is written; at most once. The reactor belongs to gRPC and deletes itself.
  grpc::ServerWriteReactor<Message>* NewReactor() {
    reactor_ = new Reactor(this->shared_from_this());
    return reactor_;
  }

  void Whole(std::string answer) override {
    if (Piece(std::move(answer))) Finish();
  }
  void Start(std::vector<std::string> pieces) override {
    for (std::string& piece : pieces) Piece(std::move(piece));
  }
  bool Piece(std::string piece) override {
    Message message;
    Fill(std::move(piece), &message);
    bool slow;
    {
      const std::lock_guard lock(mutex_);
      if (gone_ || status_) return false;
      slow = !waiting_.empty() && waiting_bytes_ + message.ByteSizeLong() > max_buffered_bytes_;
      if (!slow) {
        waiting_bytes_ += message.ByteSizeLong();
        waiting_.push_back(std::move(message));
      }
    }
    if (slow) Abort();  // so slow a reader is no reader
    Advance();
    const std::lock_guard lock(mutex_);
    return !gone_;
  }
  void Finish() override { End(grpc::Status::OK); }
  void Fail(const ApiError& error) override { End(ToGrpc(error)); }

  void OnGone(std::function<void()> callback) override {
    {
      const std::lock_guard lock(mutex_);
      if (!gone_) {
        if (!status_) on_gone_ = std::move(callback);
        return;
      }
    }
    callback();
  }

  /// Any thread. Cuts the call, also where a write would never end by itself.
  void Abort() {
    {
      const std::lock_guard lock(mutex_);
      if (finished_ || cancelling_) return;
      cancelling_ = true;  // no Finish meanwhile, so the context is alive
    }
    context_->TryCancel();
    {
      const std::lock_guard lock(mutex_);
      cancelling_ = false;
      gone_ = true;
      waiting_.clear();
      if (!status_) status_ = grpc::Status::CANCELLED;
    }
    Advance();
  }

 private:
  void End(grpc::Status status) {
    std::function<void()> forgotten;  // destroyed after the lock: it may own the last reference
    {
      const std::lock_guard lock(mutex_);
      if (status_) return;
      status_ = std::move(status);
      std::swap(forgotten, on_gone_);
    }
    Advance();
  }

  class Reactor : public grpc::ServerWriteReactor<Message> {
   public:
    explicit Reactor(std::shared_ptr<StreamAnswer> answer) : answer_(std::move(answer)) {}
    void OnWriteDone(bool ok) override { answer_->Written(ok); }
    void OnCancel() override { answer_->Cancelled(); }
    void OnDone() override {
      const std::shared_ptr<StreamAnswer> answer = std::move(answer_);
      delete this;
      if (answer->done_) answer->done_();
    }

   private:
    std::shared_ptr<StreamAnswer> answer_;
  };

  static void Fill(std::string piece, v1::ChatResponse* message) {
    message->set_json(std::move(piece));
  }
  static void Fill(const std::string& piece, v1::GenerateResponse* message) {
    message->ParseFromString(piece);
  }

  void Written(bool ok) {
    {
      const std::lock_guard lock(mutex_);
      writing_ = false;
    }
    if (!ok) return Cancelled();
    Advance();
  }

  void Cancelled() {
    std::function<void()> callback;
    {
      const std::lock_guard lock(mutex_);
      gone_ = true;
      waiting_.clear();
      if (!status_) status_ = grpc::Status::CANCELLED;
      std::swap(callback, on_gone_);
    }
    if (callback) callback();
    Advance();
  }

  /// Starts the next write, or the end. The reactor outlives every call made here: gRPC deletes it
  /// only after Finish, which is called once and last.
  void Advance() {
    bool finish = false;
    {
      const std::lock_guard lock(mutex_);
      if (writing_ || cancelling_ || finished_) return;
      if (!waiting_.empty()) {
        current_ = std::move(waiting_.front());
        waiting_.pop_front();
        waiting_bytes_ -= current_.ByteSizeLong();
        writing_ = true;
      } else if (status_) {
        finish = finished_ = true;
      } else {
        return;
      }
    }
    if (finish) {
      reactor_->Finish(*status_);
    } else {
      reactor_->StartWrite(&current_);
    }
  }

  grpc::CallbackServerContext* const context_;
  const size_t max_buffered_bytes_;
  std::function<void()> done_;
  Reactor* reactor_ = nullptr;
  Message current_;  ///< what gRPC is writing, while writing_

  std::mutex mutex_;
  std::deque<Message> waiting_;
  size_t waiting_bytes_ = 0;
  bool writing_ = false, cancelling_ = false, finished_ = false, gone_ = false;
  std::optional<grpc::Status> status_;  ///< how it ends, once nothing more will be written
  std::function<void()> on_gone_;
};

}  // namespace deepseek::agent::rpc
