#include "agent/cli/bench_report.h"

#include <algorithm>
#include <cstdio>

#include "base/json_full.h"

namespace deepseek::agent {
namespace {

using engine::Op;
using engine::OpCost;

BenchPhase Sum(const std::vector<BenchRun>& runs, BenchPhase BenchRun::*phase) {
  BenchPhase sum;
  for (const BenchRun& run : runs) {
    const BenchPhase& p = run.*phase;
    sum.tokens += p.tokens;
    sum.seconds += p.seconds;
    sum.cpu_seconds += p.cpu_seconds;
    sum.profile += p.profile;
  }
  return sum;
}

OrderedJson Rates(const std::vector<BenchRun>& runs, BenchPhase BenchRun::*phase) {
  std::vector<double> rates;
  for (const BenchRun& run : runs) {
    if ((run.*phase).tokens > 0) rates.push_back((run.*phase).tokens_per_second());
  }
  return rates.empty() ? OrderedJson() : Spread(std::move(rates));
}

// The share of its cores that a phase got: well below 1 on a crowded machine, or when threads wait.
double CpuShare(const BenchPhase& phase, int threads) {
  return phase.seconds > 0 ? phase.cpu_seconds / phase.seconds / threads : 0;
}

OrderedJson Row(std::string_view name, const OpCost& cost, double steps, double phase_seconds,
                int threads) {
  OrderedJson row;
  row["name"] = std::string(name);
  row["calls"] = static_cast<double>(cost.calls) / steps;
  row["milliseconds"] = 1e3 * cost.seconds / steps;
  row["share"] = cost.seconds / phase_seconds;
  row["cpu_share"] = cost.seconds > 0 ? cost.cpu_seconds / cost.seconds / threads : 0;
  row["cpu_milliseconds"] = 1e3 * cost.cpu_seconds / steps;
  const auto bytes = static_cast<double>(cost.weight_bytes + cost.kv_bytes);
  row["bytes"] = bytes / steps;
  row["gb_per_s"] = cost.seconds > 0 ? bytes / cost.seconds * 1e-9 : 0;
  row["flops"] = cost.flops / steps;
  row["gflop_per_s"] = cost.seconds > 0 ? cost.flops / cost.seconds * 1e-9 : 0;
  row["gflop_per_cpu_s"] = cost.cpu_seconds > 0 ? cost.flops / cost.cpu_seconds * 1e-9 : 0;
  return row;
}

}  // namespace

OrderedJson Spread(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  const double median =
      values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
  return {{"min", values.front()}, {"median", median}, {"max", values.back()}};
}

OrderedJson ReportRuns(const std::vector<BenchRun>& runs, int threads) {
  const BenchPhase prefill = Sum(runs, &BenchRun::prefill), decode = Sum(runs, &BenchRun::decode);
  const OpCost in_prefill = prefill.profile.Total(), in_decode = decode.profile.Total();
  const auto per_token = [](int64_t amount, const BenchPhase& phase) {
    return phase.tokens > 0 ? amount / phase.tokens : 0;
  };
  OrderedJson out;
  out["prefill_tokens_per_s"] = Rates(runs, &BenchRun::prefill);
  out["decode_tokens_per_s"] = Rates(runs, &BenchRun::decode);
  out["weight_bytes_per_token"] = per_token(in_decode.weight_bytes, decode);
  out["kv_bytes_read_per_token"] = per_token(in_decode.kv_bytes, decode);
  out["experts_read_per_token"] =
      decode.tokens > 0
          ? static_cast<double>(decode.profile.experts_read) / static_cast<double>(decode.tokens)
          : 0;
  out["prefill_flops_per_token"] = in_prefill.flops / static_cast<double>(prefill.tokens);
  out["decode_flops_per_token"] =
      decode.tokens > 0 ? in_decode.flops / static_cast<double>(decode.tokens) : 0;
  out["cpu_share"] = {{"prefill", CpuShare(prefill, threads)},
                      {"decode", CpuShare(decode, threads)}};
  return out;
}

OrderedJson ReportProfile(const std::vector<BenchRun>& runs, BenchPhase BenchRun::*phase,
                          int threads) {
  const BenchPhase sum = Sum(runs, phase);
  const engine::StepProfile& profile = sum.profile;
  OrderedJson out;
  out["steps"] = profile.steps;
  out["rows"] = profile.rows;
  if (profile.steps == 0) return out;
  const auto steps = static_cast<double>(profile.steps);
  out["milliseconds_per_step"] = 1e3 * sum.seconds / steps;
  out["operations"] = OrderedJson::array();
  for (size_t i = 0; i < profile.ops.size(); ++i) {
    if (profile.ops[i].calls == 0) continue;
    out["operations"].push_back(
        Row(Name(static_cast<Op>(i)), profile.ops[i], steps, sum.seconds, threads));
  }
  const OpCost total = profile.Total();
  OpCost between;
  between.seconds = sum.seconds - total.seconds;
  between.cpu_seconds = sum.cpu_seconds - total.cpu_seconds;
  out["operations"].push_back(Row("between", between, steps, sum.seconds, threads));
  OpCost whole = total;
  whole.seconds = sum.seconds;
  whole.cpu_seconds = sum.cpu_seconds;
  out["total"] = Row("total", whole, steps, sum.seconds, threads);
  return out;
}

std::string ProfileTable(const OrderedJson& profile) {
  if (!profile.contains("operations")) return "";
  char line[200];
  std::snprintf(line, sizeof(line), "%-10s %7s %10s %7s %5s %10s %10s %7s %9s %9s\n", "operation",
                "calls", "ms", "share", "cpu", "cpu ms", "MB", "GB/s", "GFLOP/s", "per cpu s");
  std::string table = line;
  const auto add = [&](const OrderedJson& row) {
    std::snprintf(line, sizeof(line),
                  "%-10s %7.1f %10.3f %6.1f%% %5.2f %10.3f %10.2f %7.1f %9.1f %9.1f\n",
                  row["name"].get<std::string>().c_str(), row["calls"].get<double>(),
                  row["milliseconds"].get<double>(), 100 * row["share"].get<double>(),
                  row["cpu_share"].get<double>(), row["cpu_milliseconds"].get<double>(),
                  row["bytes"].get<double>() * 1e-6, row["gb_per_s"].get<double>(),
                  row["gflop_per_s"].get<double>(), row["gflop_per_cpu_s"].get<double>());
    table += line;
  };
  for (const OrderedJson& row : profile["operations"]) add(row);
  add(profile["total"]);
  return table;
}

}  // namespace deepseek::agent
