#pragma once
// Counts the calls of the API server.

#include <functional>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "operator/kube/transport.h"
#include "operator/telemetry/telemetry.h"

namespace deepseek::telemetry {

/// Thread-safe. Watches count when they end, without their length.
class CountingTransport : public kube::Transport {
 public:
  /// `host`: the label; `telemetry` must outlive the transport; `monotonic` goes only forward.
  CountingTransport(std::shared_ptr<kube::Transport> inner, Telemetry& telemetry, std::string host,
                    std::function<absl::Time()> monotonic);

  absl::StatusOr<kube::HttpResponse> Send(const kube::HttpRequest& request) override;
  absl::StatusOr<kube::HttpResponse> Stream(
      const kube::HttpRequest& request, const std::function<bool(std::string_view line)>& on_line,
      const std::function<bool()>& stop) override;

 private:
  const std::shared_ptr<kube::Transport> inner_;
  Telemetry& telemetry_;
  const std::string host_;
  const std::function<absl::Time()> monotonic_;
};

}  // namespace deepseek::telemetry
