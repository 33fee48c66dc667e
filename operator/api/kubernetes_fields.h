#pragma once
// Rows for the parts of a pod spec that users may set: the shapes of Kubernetes' own types, in
// full, so that a typo in them is refused like any other.

#include "operator/api/field.h"

namespace deepseek::api {

Fields ResourcesFields();                  ///< corev1.ResourceRequirements: limits, requests
Fields TolerationsFields();                ///< []corev1.Toleration
Fields AffinityFields();                   ///< corev1.Affinity
Fields TopologySpreadConstraintsFields();  ///< []corev1.TopologySpreadConstraint
Fields NetworkPeersFields();               ///< []networkingv1.NetworkPolicyPeer

}  // namespace deepseek::api
