#pragma once
// Specs by chance, from the same table of fields that the CRD comes from.

#include <random>
#include <string>

#include "base/json.h"
#include "operator/api/field.h"

namespace deepseek::reconcile {

/// Mostly valid; about one value in a hundred breaks its field's limits, and rules over several
/// fields break as chance has it. The same seed gives the same specs.
class RandomSpec {
 public:
  explicit RandomSpec(uint64_t seed) : chance_(seed) {}

  Json Make();
  /// One to three fields set anew or removed.
  Json Edit(Json spec);

  int Below(int n) { return std::uniform_int_distribution<int>(0, n - 1)(chance_); }

 private:
  bool Happens(double p) { return std::uniform_real_distribution<double>(0, 1)(chance_) < p; }
  Json Value(const std::string& path);
  Json Scalar(const api::Field& field);
  Json Object(const std::string& path);

  std::mt19937_64 chance_;
};

}  // namespace deepseek::reconcile
