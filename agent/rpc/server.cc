#include "agent/rpc/server.h"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <mutex>
#include <utility>

#include "absl/time/clock.h"
#include "agent/rpc/credentials.h"
#include "agent/rpc/service.h"
#include "base/http/server.h"
#include "base/status.h"
#include "base/strings.h"

namespace deepseek::agent::rpc {
namespace {

/// For clients to read their last answer before its connection ends.
constexpr absl::Duration kLinger = absl::Milliseconds(300);

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

class GrpcServer : public Server {
 public:
  GrpcServer(Options options, Inference& inference, const Gate& gate)
      : options_(std::move(options)),
        calls_(options_.max_calls),
        workers_(static_cast<size_t>(options_.worker_threads)),
        service_(
            inference, gate, calls_, options_.max_buffered_bytes,
            [this](std::function<void()> work) { boost::asio::post(workers_, std::move(work)); }) {}

  ~GrpcServer() override { Stop(absl::InfinitePast()); }

  absl::Status Start() {
    ASSIGN_OR_RETURN(const http::HostPort where, http::ParseHostPort(options_.address));
    host_ = where.host.empty() ? "0.0.0.0" : where.host;
    if (host_.find(':') != std::string::npos) host_ = StrCat("[", host_, "]");
    port_ = where.port;
    InitPlugins();
    int port = 0;
    grpc::ServerBuilder builder;
    credentials_ =
        options_.tls ? ReloadingCredentials(options_.tls) : grpc::InsecureServerCredentials();
    builder.AddListeningPort(StrCat(host_, ":", port_), credentials_, &port);
    builder.RegisterService(&service_);
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
    server_ = builder.BuildAndStart();
    if (!server_ || port == 0) {
      return absl::UnavailableError(
          StrCat("listen: ", options_.address,
                 ": gRPC cannot bind (is another program using this port?)"));
    }
    port_ = port;
    SetServing(false);
    return absl::OkStatus();
  }

  std::string address() const override { return StrCat(host_, ":", port_); }

  void SetServing(bool serving) override {
    grpc::HealthCheckServiceInterface* health = server_->GetHealthCheckService();
    health->SetServingStatus(serving);
    health->SetServingStatus(v1::Inference::service_full_name(), serving);
  }

  int Stop(absl::Time deadline) override {
    if (!server_ || stopped_) return 0;
    stopped_ = true;
    const int cut = calls_.Finish(deadline);
    if (cut == 0) absl::SleepFor(std::clamp(deadline - absl::Now(), absl::ZeroDuration(), kLinger));
    server_->Shutdown();
    workers_.join();
    return cut;
  }

 private:
  const Options options_;
  Calls calls_;
  boost::asio::thread_pool workers_;
  InferenceService service_;
  std::shared_ptr<grpc::ServerCredentials> credentials_;  // each handshake asks them
  std::unique_ptr<grpc::Server> server_;
  std::string host_;
  int port_ = 0;
  bool stopped_ = false;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> StartServer(Options options, Inference& inference,
                                                    const Gate& gate) {
  auto server = std::make_unique<GrpcServer>(std::move(options), inference, gate);
  RETURN_IF_ERROR(server->Start());
  return server;
}

}  // namespace deepseek::agent::rpc
