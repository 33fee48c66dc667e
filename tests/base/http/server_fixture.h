#pragma once
// A server whose handler is a function, and what its tests wait for.

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "base/http/server.h"
#include "base/strings.h"
#include "tests/support/http/raw_client.h"

namespace deepseek::http {

using testing::RawClient;
using testing::RawResponse;

using Function = std::function<void(Request, std::shared_ptr<ResponseWriter>)>;

class FunctionHandler : public Handler {
 public:
  explicit FunctionHandler(Function f) : f_(std::move(f)) {}
  void Handle(Request request, std::shared_ptr<ResponseWriter> writer) override {
    f_(std::move(request), std::move(writer));
  }

 private:
  Function f_;
};

/// A thing that happens on another thread.
class Event {
 public:
  void Set() {
    const std::lock_guard lock(mutex_);
    set_ = true;
    changed_.notify_all();
  }
  bool Wait() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(20), [this] { return set_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool set_ = false;
};

class ServerTest : public ::testing::Test {
 protected:
  void Start(Function f, ServerLimits limits = {},
             std::function<std::optional<Response>(const Request&)> admit = nullptr) {
    handler_ = std::make_unique<FunctionHandler>(std::move(f));
    ServerOptions options;
    options.addresses = {"127.0.0.1:0"};
    options.limits = limits;
    options.admit = std::move(admit);
    auto server = StartServer(options, *handler_);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    address_ = server_->addresses().front();
  }

  static void Echo(Request request, std::shared_ptr<ResponseWriter> writer) {
    writer->Send(
        {200, "text/plain", {}, StrCat(request.method, " ", request.target, " ", request.body)});
  }

  /// Keeps the writer of a request.
  struct Kept {
    Event handling, gone;
    std::shared_ptr<ResponseWriter> writer;
  };
  void StartKeeping(Kept* kept) {
    Start([kept](Request, std::shared_ptr<ResponseWriter> writer) {
      writer->OnGone([kept] { kept->gone.Set(); });
      kept->writer = std::move(writer);
      kept->handling.Set();
    });
  }

  std::unique_ptr<FunctionHandler> handler_;
  std::unique_ptr<Server> server_;
  std::string address_;
};

}  // namespace deepseek::http
