#pragma once
// The answer to one request of a session. Internal to base/http.

#include <functional>
#include <memory>
#include <string_view>
#include <utility>

#include "base/http/session.h"

namespace deepseek::http {

/// Ends the exchange when the last reference goes, so that a forgotten answer cannot hang a client.
class SessionWriter : public ExchangeWriter {
 public:
  SessionWriter(std::shared_ptr<Session> session, uint64_t exchange)
      : session_(std::move(session)), exchange_(exchange) {}
  ~SessionWriter() override { session_->Dropped(exchange_); }
  void Send(Response response) override { session_->Send(exchange_, response); }
  void Start(Response head) override { session_->Start(exchange_, head); }
  bool Write(std::string_view piece) override { return session_->Write(exchange_, piece); }
  void Finish() override { session_->Finish(exchange_); }
  void OnGone(std::function<void()> callback) override {
    session_->OnGone(exchange_, std::move(callback));
  }
  void Fail() override { session_->Fail(exchange_); }

 private:
  std::shared_ptr<Session> session_;
  uint64_t exchange_;
};

}  // namespace deepseek::http
