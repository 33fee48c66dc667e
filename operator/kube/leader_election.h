#pragma once
// Leader election on a Lease, and the fence that keeps a deposed leader from writing.
// The scheme is client-go's: another one's lease is judged by how long we have seen it unchanged on
// our own clock, so clocks of different machines need not agree.

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "operator/kube/client.h"
#include "operator/kube/transport.h"

namespace deepseek::kube {

struct LeaderElectionOptions {
  std::string ns, name;
  std::string identity;                      ///< unique per process
  absl::Duration lease = absl::Seconds(15);  ///< others wait this long after our last sign of life
  absl::Duration renew_deadline =
      absl::Seconds(10);  ///< we stop writing this long after the last renewal
  absl::Duration retry = absl::Seconds(2);
};

struct LeaderElectionWorld {
  std::function<absl::Time()> monotonic;  ///< goes on while the machine or the process is suspended
  std::function<absl::Time()> wall;  ///< for the times written into the Lease, which people read
  std::function<void(absl::Duration)> sleep;  ///< returns early when stop() is true
  std::function<bool()> stop;
  std::function<double()> chance;  ///< uniform in [0, 1)
};

class LeaderElection {
 public:
  LeaderElection(const Client& client, LeaderElectionOptions options, LeaderElectionWorld world);

  /// Blocks until we lead (OK) or stop() (kCancelled). Failures are retried.
  absl::Status Acquire();
  /// Renews until stop() (OK) or until the lease is lost (kAborted): taken by another, or not
  /// renewed for the deadline.
  absl::Status Hold();
  /// Gives the lease up, so that the next leader need not wait. Call when nothing writes any more.
  absl::Status Release();

  /// One attempt. True: the lease is ours. For tests and the loops above.
  absl::StatusOr<bool> TryAcquireOrRenew();
  /// How long a write that begins now may take; zero or less: we must not write. Thread-safe.
  absl::Duration WriteTime() const;
  const std::string& identity() const { return options_.identity; }

 private:
  Json NextRecord(const Json& old) const;
  bool Holds(Object lease, absl::Time since);

  Client client_;
  const LeaderElectionOptions options_;
  const LeaderElectionWorld world_;
  Object mine_;  ///< what we wrote last, while nothing says that it is not there any more
  mutable std::mutex mutex_;
  absl::Time renewed_ = absl::InfinitePast();  ///< when the last successful renewal began
  std::string seen_version_;                   ///< of another one's lease
  absl::Time seen_at_ = absl::InfinitePast();
};

/// A Transport that refuses writes (kFailedPrecondition) when `write_time` is not positive, and
/// ends the deadline of the others within it. Reads pass.
class FencedTransport : public Transport {
 public:
  FencedTransport(std::shared_ptr<Transport> inner, std::function<absl::Duration()> write_time);

  absl::StatusOr<HttpResponse> Send(const HttpRequest& request) override;
  absl::StatusOr<HttpResponse> Stream(const HttpRequest& request,
                                      const std::function<bool(std::string_view line)>& on_line,
                                      const std::function<bool()>& stop) override;

 private:
  std::shared_ptr<Transport> inner_;
  std::function<absl::Duration()> write_time_;
};

}  // namespace deepseek::kube
