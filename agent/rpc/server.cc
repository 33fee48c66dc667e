#include "agent/rpc/server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <mutex>
#include <thread>
#include <utility>

#include "absl/time/clock.h"
#include "agent/rpc/credentials.h"
#include "agent/rpc/service.h"
#include "base/http/server.h"
#include "base/status.h"
#include "base/strings.h"

namespace deepseek::agent::rpc {
namespace {

int Milliseconds(absl::Duration d) {
  return static_cast<int>(absl::ToInt64Milliseconds(d));
}

/// Once per process, before the first builder.
void InitPlugins() {
  static std::once_flag once;
  std::call_once(once, [] {
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  });
}

/// One listening socket and the connections that came through it.
struct Listener {
  Listener(Inference& inference, const Gate& gate, Calls& calls, const Options& options,
           InferenceService::Post post)
      : service(inference, gate, calls, options.max_buffered_bytes, std::move(post)) {}
  InferenceService service;
  std::unique_ptr<grpc::Server> server;
};

class GrpcServer : public Server {
 public:
  GrpcServer(Options options, Inference& inference, const Gate& gate)
      : options_(std::move(options)),
        inference_(inference),
        gate_(gate),
        calls_(options_.max_calls),
        workers_(static_cast<size_t>(options_.worker_threads)) {}

  ~GrpcServer() override { Stop(absl::InfinitePast()); }

  absl::Status Start() {
    ASSIGN_OR_RETURN(const http::HostPort where, http::ParseHostPort(options_.address));
    host_ = where.host.empty() ? "0.0.0.0" : where.host;
    if (host_.find(':') != std::string::npos) host_ = StrCat("[", host_, "]");
    port_ = where.port;
    ASSIGN_OR_RETURN(current_, Listen());
    return absl::OkStatus();
  }

  std::string address() const override { return StrCat(host_, ":", port_); }

  void SetServing(bool serving) override {
    const std::lock_guard lock(mutex_);
    serving_ = serving;
    if (current_) SetServing(*current_);
    if (old_) SetServing(*old_);
  }

  void CloseAfterResponse() override {
    const std::lock_guard lock(mutex_);
    if (!current_ || old_) return;
    // gRPC says GOAWAY only when a server shuts down, which also closes its port: a successor on
    // the same port takes whoever still comes.
    auto successor = Listen();
    if (!successor.ok()) return;
    old_ = std::exchange(current_, *std::move(successor));
    old_shutdown_ = std::thread([old = old_.get()] { old->server->Shutdown(); });
  }

  int Stop(absl::Time deadline) override {
    const std::lock_guard lock(mutex_);
    if (!current_) return 0;
    // Shutdown waits for all calls and cannot say how many it cut; Finish sees to their end.
    std::thread refuse([this] { current_->server->Shutdown(); });
    const int cut = calls_.Finish(deadline);
    refuse.join();
    if (old_shutdown_.joinable()) old_shutdown_.join();
    workers_.join();
    current_.reset();
    old_.reset();
    return cut;
  }

 private:
  absl::StatusOr<std::unique_ptr<Listener>> Listen() {
    InitPlugins();
    auto out = std::make_unique<Listener>(
        inference_, gate_, calls_, options_,
        [this](std::function<void()> work) { boost::asio::post(workers_, std::move(work)); });
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort(
        StrCat(host_, ":", port_),
        options_.tls ? ReloadingCredentials(options_.tls) : grpc::InsecureServerCredentials(),
        &port);
    builder.RegisterService(&out->service);
    builder.SetMaxReceiveMessageSize(static_cast<int>(options_.message_bytes));
    builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE,
                               static_cast<int>(options_.metadata_bytes));
    builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, options_.streams_per_connection);
    builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS,
                               Milliseconds(absl::Seconds(10)));
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, Milliseconds(absl::Minutes(1)));
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, Milliseconds(absl::Seconds(20)));
    builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                               Milliseconds(absl::Seconds(10)));
    builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, Milliseconds(absl::Minutes(5)));
    builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS,
                               Milliseconds(options_.connection_age));
    out->server = builder.BuildAndStart();
    if (!out->server || port == 0) {
      return absl::UnavailableError(
          StrCat("listen: ", options_.address,
                 ": gRPC cannot bind (is another program using this port?)"));
    }
    port_ = port;
    SetServing(*out);
    return out;
  }

  void SetServing(const Listener& listener) const {
    grpc::HealthCheckServiceInterface* health = listener.server->GetHealthCheckService();
    health->SetServingStatus(serving_);
    health->SetServingStatus(v1::Inference::service_full_name(), serving_);
  }

  const Options options_;
  Inference& inference_;
  const Gate& gate_;
  Calls calls_;
  boost::asio::thread_pool workers_;
  std::string host_;
  int port_ = 0;
  mutable std::mutex mutex_;
  bool serving_ = false;
  std::unique_ptr<Listener> current_, old_;
  std::thread old_shutdown_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> StartServer(Options options, Inference& inference,
                                                    const Gate& gate) {
  auto server = std::make_unique<GrpcServer>(std::move(options), inference, gate);
  RETURN_IF_ERROR(server->Start());
  return server;
}

}  // namespace deepseek::agent::rpc
