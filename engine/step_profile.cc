#include "engine/step_profile.h"

namespace deepseek::engine {

std::string_view Name(Op op) {
  constexpr std::array<std::string_view, static_cast<size_t>(Op::kCount)> kNames{
      "embed",  "norm",  "query",   "key_value", "rope", "append", "attend", "output",
      "router", "route", "experts", "dense",     "head", "sample", "other"};
  return kNames[static_cast<size_t>(op)];
}

OpCost& OpCost::operator+=(const OpCost& o) {
  calls += o.calls;
  seconds += o.seconds;
  cpu_seconds += o.cpu_seconds;
  weight_bytes += o.weight_bytes;
  kv_bytes += o.kv_bytes;
  flops += o.flops;
  return *this;
}

OpCost& OpCost::operator-=(const OpCost& o) {
  calls -= o.calls;
  seconds -= o.seconds;
  cpu_seconds -= o.cpu_seconds;
  weight_bytes -= o.weight_bytes;
  kv_bytes -= o.kv_bytes;
  flops -= o.flops;
  return *this;
}

OpCost StepProfile::Total() const {
  OpCost total;
  for (const OpCost& op : ops) total += op;
  return total;
}

StepProfile StepProfile::Since(const StepProfile& before) const {
  StepProfile since = *this;
  for (size_t i = 0; i < ops.size(); ++i) since.ops[i] -= before.ops[i];
  since.steps -= before.steps;
  since.rows -= before.rows;
  since.experts_read -= before.experts_read;
  since.expert_pairs -= before.expert_pairs;
  return since;
}

StepProfile& StepProfile::operator+=(const StepProfile& o) {
  for (size_t i = 0; i < ops.size(); ++i) ops[i] += o.ops[i];
  steps += o.steps;
  rows += o.rows;
  experts_read += o.experts_read;
  expert_pairs += o.expert_pairs;
  return *this;
}

}  // namespace deepseek::engine
