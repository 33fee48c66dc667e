#pragma once
// What the operator itself brings to a decision: the defaults of its version, resolved once per
// revision.

#include <string>

namespace deepseek::decide {

struct Defaults {
  std::string agent_image;  ///< used where spec.engine.image is absent
  std::string image_pull_policy =
      "IfNotPresent";   ///< used where spec.engine.imagePullPolicy is absent
  std::string version;  ///< of the operator, recorded in each revision
  /// Pods of dcgm-exporter run in the cluster: its GPUs are reported already.
  bool gpus_reported = false;
  /// Where the operator's own pods run: they may read the agents' port 9090. Empty: not in a pod.
  std::string operator_namespace = "";
};

}  // namespace deepseek::decide
