#include "agent/cli/chat_transport.h"

#include <condition_variable>
#include <mutex>
#include <utility>

#include "agent/openai/api.h"
#include "base/http/client.h"
#include "base/json_full.h"
#include "base/metrics/metrics.h"
#include "base/status.h"
#include "base/strings.h"

namespace deepseek::agent {
namespace {

http::Request PostRequest(std::string target, std::string body) {
  http::Request request;
  request.method = "POST";
  request.target = std::move(target);
  request.headers = {{"Content-Type", "application/json"}};
  request.body = std::move(body);
  return request;
}

absl::Status ErrorOfBody(int status, const std::string& body) {
  const Json json = Json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (json.is_object() && json.contains("error") && json["error"].is_object()) {
    return absl::UnavailableError(
        StrCat(json["error"].value("message", ""), " (HTTP ", status, ")"));
  }
  return absl::UnavailableError(StrCat("the server answered with HTTP ", status));
}

class OverHttp : public ChatTransport {
 public:
  OverHttp(std::unique_ptr<http::Client> client, std::string server, std::string target,
           const std::string& api_key)
      : client_(std::move(client)), server_(std::move(server)), target_(std::move(target)) {
    if (!api_key.empty()) authorization_ = StrCat("Bearer ", api_key);
  }

  absl::Status Post(const std::string& body, const std::function<bool(std::string_view)>& on_bytes,
                    const std::function<bool()>& stop) override {
    http::Request request = PostRequest(target_, body);
    if (!authorization_.empty()) request.headers.push_back({"Authorization", authorization_});
    const auto response = client_->Stream(request, absl::Hours(1), on_bytes, stop);
    if (!response.ok()) {
      return absl::Status(response.status().code(),
                          StrCat("chat: ", server_, ": ", response.status().message(),
                                 " (is it the address of a server that runs?)"));
    }
    return response->status / 100 == 2 ? absl::OkStatus()
                                       : ErrorOfBody(response->status, response->body);
  }

 private:
  std::unique_ptr<http::Client> client_;
  std::string server_, target_, authorization_;
};

/// Collects what the API writes and hands it to the thread that asked.
class LocalWriter : public http::ResponseWriter {
 public:
  void Send(http::Response response) override {
    const std::lock_guard lock(mutex_);
    if (response.status / 100 == 2) {
      bytes_ += response.body;
    } else {
      error_ = ErrorOfBody(response.status, response.body);
    }
    done_ = true;
    changed_.notify_all();
  }
  void Start(http::Response head) override { Write(head.body); }
  bool Write(std::string_view piece) override {
    const std::lock_guard lock(mutex_);
    if (done_) return false;
    bytes_ += piece;
    changed_.notify_all();
    return true;
  }
  void Finish() override {
    const std::lock_guard lock(mutex_);
    done_ = true;
    changed_.notify_all();
  }
  void OnGone(std::function<void()> callback) override {
    const std::lock_guard lock(mutex_);
    if (!done_) on_gone_ = std::move(callback);
  }

  absl::Status Drain(const std::function<bool(std::string_view)>& on_bytes,
                     const std::function<bool()>& stop) {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait_for(lock, std::chrono::milliseconds(100),
                        [this] { return done_ || !bytes_.empty(); });
      const std::string bytes = std::exchange(bytes_, {});
      const bool last = done_;
      lock.unlock();
      const bool go_on = (bytes.empty() || on_bytes(bytes)) && !stop();
      lock.lock();
      if (last && bytes_.empty()) return error_;
      if (!go_on) break;
    }
    done_ = true;
    const std::function<void()> gone = std::exchange(on_gone_, nullptr);
    lock.unlock();
    if (gone) gone();
    return absl::OkStatus();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string bytes_;
  bool done_ = false;
  absl::Status error_;
  std::function<void()> on_gone_;
};

class InProcess : public ChatTransport {
 public:
  explicit InProcess(std::unique_ptr<LoadedModel> model)
      : telemetry_(registry_, model->served_name),
        probes_(service_, nullptr, "{}"),
        inference_(service_, telemetry_, RequestLimits{}),
        api_(inference_, probes_, gate_),
        model_(std::move(model)) {
    service_.Serve(model_.get());
  }

  absl::Status Post(const std::string& body, const std::function<bool(std::string_view)>& on_bytes,
                    const std::function<bool()>& stop) override {
    const auto writer = std::make_shared<LocalWriter>();
    api_.Handle(PostRequest("/v1/chat/completions", body), writer);
    return writer->Drain(on_bytes, stop);
  }

 private:
  metrics::Registry registry_;
  Telemetry telemetry_;
  Service service_;
  Probes probes_;
  const Gate gate_;
  Inference inference_;
  Api api_;
  std::unique_ptr<LoadedModel> model_;  // last: its step thread ends before what it calls
};

}  // namespace

absl::StatusOr<std::unique_ptr<ChatTransport>> HttpTransport(const std::string& url,
                                                             const ServerAccess& access) {
  // People paste OpenAI base URLs, which end in /v1. A path before it belongs to a gateway and
  // stays.
  std::string base = url;
  while (base.ends_with('/')) base.pop_back();
  if (base.ends_with("/v1")) base.resize(base.size() - 3);
  const size_t scheme = base.find("://");
  const size_t path = scheme == std::string::npos ? std::string::npos : base.find('/', scheme + 3);
  const std::string prefix = path == std::string::npos ? "" : base.substr(path);
  http::ClientOptions options;
  options.base_url = base.substr(0, path);
  options.tls.ca_pem = access.ca_pem;
  ASSIGN_OR_RETURN(auto client, http::NewClient(std::move(options)));
  return std::make_unique<OverHttp>(std::move(client), base, StrCat(prefix, "/v1/chat/completions"),
                                    access.api_key);
}

std::unique_ptr<ChatTransport> LocalTransport(std::unique_ptr<LoadedModel> model) {
  return std::make_unique<InProcess>(std::move(model));
}

}  // namespace deepseek::agent
