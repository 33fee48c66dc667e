#pragma once
// The runs of one bench case as JSON and as text.

#include <string>
#include <vector>

#include "agent/cli/bench_run.h"
#include "base/json.h"

namespace deepseek::agent {

/// {"min","median","max"}; `values` must not be empty.
OrderedJson Spread(std::vector<double> values);

/// Rates, bytes and floating-point operations per token, processor share. `threads` > 0.
OrderedJson ReportRuns(const std::vector<BenchRun>& runs, int threads);

/// Where the time of a phase went, per step, over all runs: {"steps","rows","seconds_per_step",
/// "operations":[{"name",..}]}. The last one, "between", is what no operation accounts for.
OrderedJson ReportProfile(const std::vector<BenchRun>& runs, BenchPhase BenchRun::*phase,
                          int threads);

/// The table of a ReportProfile.
std::string ProfileTable(const OrderedJson& profile);

}  // namespace deepseek::agent
