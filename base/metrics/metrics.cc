#include "base/metrics/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/metric_family.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <mutex>
#include <utility>

namespace deepseek::metrics {
namespace {

template <typename T>
T& As(void* impl) {
  return *static_cast<T*>(impl);
}

std::mutex raise_mutex;

prometheus::MetricFamily AsPrometheus(const GaugeFamily& family) {
  prometheus::MetricFamily out{family.name, family.help, prometheus::MetricType::Gauge, {}};
  for (const GaugeFamily::Series& series : family.series) {
    prometheus::ClientMetric metric;
    for (const auto& [name, value] : series.labels) metric.label.push_back({name, value});
    metric.gauge.value = series.value;
    out.metric.push_back(std::move(metric));
  }
  return out;
}

}  // namespace

// The registry answers a repeated Register() and Add() with the existing family and series.
struct Registry::Impl {
  prometheus::Registry registry{prometheus::Registry::InsertBehavior::Merge};
  mutable std::mutex mutex;
  std::vector<std::function<void()>> updates;
  std::vector<std::function<std::vector<GaugeFamily>()>> reads;
};

void Counter::Add(double amount) {
  As<prometheus::Counter>(impl_).Increment(amount);
}

void Counter::RaiseTo(double total) {
  const std::lock_guard lock(raise_mutex);
  auto& counter = As<prometheus::Counter>(impl_);
  if (total > counter.Value()) counter.Increment(total - counter.Value());
}

double Counter::Value() const {
  return As<prometheus::Counter>(impl_).Value();
}
void Gauge::Set(double value) {
  As<prometheus::Gauge>(impl_).Set(value);
}
void Gauge::Add(double amount) {
  As<prometheus::Gauge>(impl_).Increment(amount);
}
double Gauge::Value() const {
  return As<prometheus::Gauge>(impl_).Value();
}
void Histogram::Observe(double value) {
  As<prometheus::Histogram>(impl_).Observe(value);
}

Registry::Registry() : impl_(std::make_unique<Impl>()) {}
Registry::~Registry() = default;

Counter Registry::AddCounter(const std::string& name, const std::string& help,
                             const Labels& labels) {
  auto& family = prometheus::BuildCounter().Name(name).Help(help).Register(impl_->registry);
  return Counter(&family.Add(labels));
}

Gauge Registry::AddGauge(const std::string& name, const std::string& help, const Labels& labels) {
  auto& family = prometheus::BuildGauge().Name(name).Help(help).Register(impl_->registry);
  return Gauge(&family.Add(labels));
}

Histogram Registry::AddHistogram(const std::string& name, const std::string& help,
                                 const std::vector<double>& bounds, const Labels& labels) {
  auto& family = prometheus::BuildHistogram().Name(name).Help(help).Register(impl_->registry);
  return Histogram(&family.Add(labels, bounds));
}

void Registry::BeforeScrape(std::function<void()> update) {
  const std::lock_guard lock(impl_->mutex);
  impl_->updates.push_back(std::move(update));
}

void Registry::AtScrape(std::function<std::vector<GaugeFamily>()> read) {
  const std::lock_guard lock(impl_->mutex);
  impl_->reads.push_back(std::move(read));
}

std::string Registry::Text() const {
  std::vector<std::function<void()>> updates;
  std::vector<std::function<std::vector<GaugeFamily>()>> reads;
  {
    const std::lock_guard lock(impl_->mutex);
    updates = impl_->updates;
    reads = impl_->reads;
  }
  for (const auto& update : updates) update();
  std::vector<prometheus::MetricFamily> families = impl_->registry.Collect();
  for (const auto& read : reads) {
    for (const GaugeFamily& family : read()) {
      if (!family.series.empty()) families.push_back(AsPrometheus(family));
    }
  }
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace deepseek::metrics
