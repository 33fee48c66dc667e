#include "agent/telemetry/telemetry.h"

#include <array>
#include <mutex>
#include <utility>
#include <vector>

#include "base/strings.h"

namespace deepseek::agent {
namespace {

using engine::FinishReason;
using metrics::Counter;
using metrics::Gauge;
using metrics::Histogram;
using metrics::Labels;
using metrics::Registry;

// Seconds. 0.5 is the bound of the usual service level for the first token.
const std::vector<double> kFirstToken = {0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5,
                                         0.75,  1,     2.5,  5,    7.5,  10,   20,   40,  80};
const std::vector<double> kTokenGap = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15,
                                       0.2,   0.3,    0.4,   0.5,  0.75,  1,    2.5,   5};
const std::vector<double> kRequest = {0.01, 0.05, 0.1, 0.3, 0.5, 0.8, 1,  1.5, 2,   2.5,
                                      5,    10,   15,  20,  30,  40,  50, 60,  120, 240};
const std::vector<double> kTokens = {1,   2,    5,    10,   20,    50,    100,   200,
                                     500, 1000, 2000, 5000, 10000, 20000, 50000, 100000};

constexpr std::array kRefusals = {
    Refusal::kInvalid,   Refusal::kUnknownModel, Refusal::kContextLength, Refusal::kUnauthenticated,
    Refusal::kForbidden, Refusal::kQueueFull,    Refusal::kClientLimit,   Refusal::kLoading,
    Refusal::kDraining,  Refusal::kError};
constexpr std::array kReasons = {FinishReason::kStop, FinishReason::kLength,
                                 FinishReason::kCancelled, FinishReason::kDeadline,
                                 FinishReason::kError};

/// vLLM calls every unfinished answer "abort".
std::string_view ReasonLabel(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop:
      return "stop";
    case FinishReason::kLength:
      return "length";
    case FinishReason::kError:
      return "error";
    default:
      return "abort";
  }
}

}  // namespace

std::string_view Name(Refusal refusal) {
  switch (refusal) {
    case Refusal::kInvalid:
      return "invalid_request";
    case Refusal::kUnknownModel:
      return "model_not_found";
    case Refusal::kContextLength:
      return "context_length_exceeded";
    case Refusal::kUnauthenticated:
      return "unauthenticated";
    case Refusal::kForbidden:
      return "forbidden";
    case Refusal::kQueueFull:
      return "queue_full";
    case Refusal::kClientLimit:
      return "client_limit";
    case Refusal::kLoading:
      return "loading";
    case Refusal::kDraining:
      return "draining";
    case Refusal::kError:
      break;
  }
  return "error";
}

struct Telemetry::Series {
  Series(Registry& r, const std::string& model) : registry(r), labels{{"model_name", model}} {
    for (const Refusal refusal : kRefusals) {
      Labels with_reason = labels;
      with_reason["reason"] = std::string(Name(refusal));
      refused.push_back(r.AddCounter("deepseek_request_refused_total",
                                     "Requests that got no tokens, by reason.", with_reason));
    }
    for (const FinishReason reason : kReasons) {
      Labels with_reason = labels;
      with_reason["finished_reason"] = std::string(ReasonLabel(reason));
      finished.push_back(
          r.AddCounter("vllm:request_success_total", "Finished answers, by reason.", with_reason));
    }
  }

  Gauge MakeGauge(const std::string& name, const std::string& help) {
    return registry.AddGauge(name, help, labels);
  }
  Counter MakeCounter(const std::string& name, const std::string& help) {
    return registry.AddCounter(name, help, labels);
  }
  Histogram MakeHistogram(const std::string& name, const std::string& help,
                          const std::vector<double>& bounds) {
    return registry.AddHistogram(name, help, bounds, labels);
  }

  void Fetch() {
    const std::lock_guard lock(mutex);
    if (!engine) return;
    const engine::Stats stats = engine->stats();
    running.Set(stats.running);
    waiting.Set(stats.waiting);
    kv_usage.Set(stats.kv_blocks_total > 0 ? static_cast<double>(stats.kv_blocks_used) /
                                                 static_cast<double>(stats.kv_blocks_total)
                                           : 0);
    prefix_queries.RaiseTo(static_cast<double>(stats.prefix_queries));
    prefix_hits.RaiseTo(static_cast<double>(stats.prefix_hits));
    preemptions.RaiseTo(static_cast<double>(stats.preemptions));
    nonfinite.RaiseTo(static_cast<double>(stats.nonfinite_rows));
  }

  Registry& registry;
  const Labels labels;
  std::mutex mutex;
  const engine::Engine* engine = nullptr;
  std::vector<Counter> refused, finished;

  Gauge running = MakeGauge("vllm:num_requests_running", "Requests in the batch.");
  Gauge waiting = MakeGauge("vllm:num_requests_waiting", "Requests waiting to be scheduled.");
  Gauge kv_usage = MakeGauge("vllm:kv_cache_usage_perc", "Used part of the KV cache, 0 to 1.");
  Counter prefix_queries = MakeCounter("vllm:prefix_cache_queries_total",
                                       "Prompt tokens looked up in the prefix cache.");
  Counter prefix_hits =
      MakeCounter("vllm:prefix_cache_hits_total", "Prompt tokens found in the prefix cache.");
  Counter preemptions =
      MakeCounter("vllm:num_preemptions_total", "Requests put back into the queue.");
  Counter prompt_tokens = MakeCounter("vllm:prompt_tokens_total", "Prompt tokens processed.");
  Counter generation_tokens = MakeCounter("vllm:generation_tokens_total", "Tokens generated.");
  Histogram ttft =
      MakeHistogram("vllm:time_to_first_token_seconds", "Arrival to first token.", kFirstToken);
  Histogram itl = MakeHistogram("vllm:inter_token_latency_seconds",
                                "Time between two tokens of an answer.", kTokenGap);
  Histogram e2e =
      MakeHistogram("vllm:e2e_request_latency_seconds", "Arrival to last token.", kRequest);
  Histogram queue =
      MakeHistogram("vllm:request_queue_time_seconds", "Time waiting to be scheduled.", kRequest);
  Histogram prefill = MakeHistogram("vllm:request_prefill_time_seconds",
                                    "First row computed to first token.", kRequest);
  Histogram decode =
      MakeHistogram("vllm:request_decode_time_seconds", "First to last token.", kRequest);
  Histogram request_prompt =
      MakeHistogram("vllm:request_prompt_tokens", "Prompt tokens of a request.", kTokens);
  Histogram request_generation =
      MakeHistogram("vllm:request_generation_tokens", "Tokens of an answer.", kTokens);
  Gauge in_flight =
      MakeGauge("deepseek_tokens_in_flight", "Prompt and answer tokens of unfinished requests.");
  Gauge load_seconds = MakeGauge("deepseek_model_load_seconds", "How long the model took to load.");
  Gauge loaded_bytes = MakeGauge("deepseek_model_loaded_bytes", "Bytes of weights loaded so far.");
  Gauge planned_bytes =
      MakeGauge("deepseek_planned_memory_bytes", "What the memory plan of the load promised.");
  Gauge huge_pages = MakeGauge("deepseek_huge_page_bytes",
                               "Bytes of this process in huge pages when the model was loaded.");
  Counter nonfinite =
      MakeCounter("deepseek_nonfinite_rows_total", "Rows whose logits held NaN or infinity.");
};

Telemetry::Telemetry(Registry& registry, const std::string& model_name)
    : series_(std::make_unique<Series>(registry, model_name)) {
  registry.BeforeScrape([s = series_.get()] { s->Fetch(); });
}

Telemetry::~Telemetry() = default;

void Telemetry::SetBuild(std::string_view version, std::string_view revision,
                         std::string_view device) {
  series_->registry
      .AddGauge("deepseek_build_info", "Always 1; what is running, in the labels.",
                {{"version", std::string(version)},
                 {"revision", std::string(revision)},
                 {"device", std::string(device)}})
      .Set(1);
}

void Telemetry::OnLoadProgress(const engine::LoadProgress& progress) {
  series_->loaded_bytes.Set(static_cast<double>(progress.loaded_bytes));
}

void Telemetry::SetEngine(const engine::Engine* engine, absl::Duration load_time) {
  {
    const std::lock_guard lock(series_->mutex);
    series_->engine = engine;
  }
  if (!engine) return;
  series_->load_seconds.Set(absl::ToDoubleSeconds(load_time));
  const engine::MemoryUse memory = engine->memory();
  series_->planned_bytes.Set(static_cast<double>(memory.planned_bytes));
  series_->huge_pages.Set(static_cast<double>(memory.huge_page_bytes));
  Labels config = series_->labels;
  config["num_gpu_blocks"] =
      StrCat(engine->stats().kv_blocks_total);  // vLLM's word for blocks of any device
  series_->registry
      .AddGauge("vllm:cache_config_info", "Always 1; the KV cache's configuration, in the labels.",
                config)
      .Set(1);
}

void Telemetry::OnRefused(Refusal reason) {
  series_->refused[static_cast<size_t>(reason)].Add();
}

void Telemetry::OnSubmitted(int32_t prompt_tokens) {
  series_->in_flight.Add(prompt_tokens);
}

void Telemetry::OnFirstToken(absl::Duration since_arrival) {
  series_->ttft.Observe(absl::ToDoubleSeconds(since_arrival));
  series_->generation_tokens.Add();
  series_->in_flight.Add(1);
}

void Telemetry::OnLaterToken(absl::Duration since_previous) {
  series_->itl.Observe(absl::ToDoubleSeconds(since_previous));
  series_->generation_tokens.Add();
  series_->in_flight.Add(1);
}

void Telemetry::OnFinished(FinishReason reason, int32_t prompt_tokens, const engine::Usage& usage,
                           absl::Duration since_arrival) {
  Series& s = *series_;
  for (size_t i = 0; i < kReasons.size(); ++i) {
    if (kReasons[i] == reason) s.finished[i].Add();
  }
  s.in_flight.Add(-static_cast<double>(prompt_tokens) - usage.generated_tokens);
  s.e2e.Observe(absl::ToDoubleSeconds(since_arrival));
  s.request_prompt.Observe(prompt_tokens);
  s.request_generation.Observe(usage.generated_tokens);
  // Without tokens: cut off in the prompt, or one of which nothing but the prompt was wanted.
  if (usage.generated_tokens > 0 || reason == FinishReason::kLength) {
    s.prompt_tokens.Add(prompt_tokens);
    s.queue.Observe(absl::ToDoubleSeconds(usage.queue_time));
    s.prefill.Observe(absl::ToDoubleSeconds(usage.prefill_time));
    s.decode.Observe(absl::ToDoubleSeconds(usage.decode_time));
  }
}

}  // namespace deepseek::agent
