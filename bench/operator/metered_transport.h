#pragma once
// Tells what the fake API server costs from what we cost, where both run in one process.

#include <atomic>
#include <memory>

#include "operator/kube/transport.h"

namespace deepseek::bench {

/// CPU time that the calling thread has used.
absl::Duration ThreadCpu();
/// CPU time that all threads have used.
absl::Duration ProcessCpu();

/// What happens below this transport is the server's; everything else is ours. Thread-safe.
class MeteredTransport : public kube::Transport {
 public:
  explicit MeteredTransport(std::shared_ptr<kube::Transport> inner) : inner_(std::move(inner)) {}

  absl::StatusOr<kube::HttpResponse> Send(const kube::HttpRequest& request) override;
  absl::StatusOr<kube::HttpResponse> Stream(
      const kube::HttpRequest& request, const std::function<bool(std::string_view line)>& on_line,
      const std::function<bool()>& stop) override;

  /// CPU of the server, all threads.
  absl::Duration server_cpu() const { return absl::Nanoseconds(server_cpu_.load()); }
  /// Wall time that the calling thread has spent in Send.
  static absl::Duration ThreadInServer();

  /// Counts requests from here on.
  void Begin();
  /// Would requests queue now at the operator's rate limit, which is not there?
  bool WouldQueue() const;

 private:
  std::shared_ptr<kube::Transport> inner_;
  std::atomic<int64_t> server_cpu_{0}, requests_{0}, begun_at_{0};
};

}  // namespace deepseek::bench
