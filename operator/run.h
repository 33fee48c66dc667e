#pragma once
// `deepseek-operator run`: wires the client, the controller loop, the Reconciler, leader election
// and the probes.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/stop_signal.h"
#include "operator/kube/leader_election.h"
#include "operator/kube/throttle.h"
#include "operator/kube/transport.h"

namespace deepseek {

struct RunOptions {
  std::string agent_image;
  std::string ns;  ///< of the lease
  std::string lease_name = "deepseek-operator";
  std::string pod_namespace;                  ///< of our own pod; empty: we run in none
  std::vector<std::string> watch_namespaces;  ///< empty: all
  bool leader_elect = false;
  std::string identity;        ///< of this process in the lease
  std::string health_address;  ///< ":8081"
  /// HTTPS, for those that the API server lets in: ":8443"; empty: off.
  std::string metrics_address;
  std::string metrics_cert, metrics_key;  ///< files; empty: a certificate of our own making
  std::string server_host;                ///< of the API server, a label of metrics
  kube::ThrottleOptions throttle;         ///< how fast the API server may be asked
  /// Told when watches are to end, for a transport that listens (kube::NewHttpTransport).
  std::shared_ptr<StopSignal> streams_end;
  absl::Duration stop_within = absl::Seconds(25);
  kube::LeaderElectionOptions election;  ///< times; ns, name and identity are filled in
};

/// Runs until `stop` is set (OK, after workers have ended and the lease is given back) or until the
/// lease is lost (kAborted: the process must end and start anew). kDeadlineExceeded: a worker did
/// not end in time.
absl::Status RunOperator(const RunOptions& options, std::shared_ptr<kube::Transport> transport,
                         const StopSignal& stop);

}  // namespace deepseek
