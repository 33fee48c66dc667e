#pragma once
// Counters, gauges and histograms in Prometheus' text format. prometheus-cpp stays inside
// metrics.cc.

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace deepseek::metrics {

using Labels = std::map<std::string, std::string>;

/// Handles are thread-safe, cheap to copy and live as long as their registry.
class Counter {
 public:
  void Add(double amount = 1);  ///< amount >= 0
  /// For totals that are counted elsewhere: raises the counter to `total`; a smaller total is
  /// ignored.
  void RaiseTo(double total);
  double Value() const;

 private:
  friend class Registry;
  explicit Counter(void* impl) : impl_(impl) {}
  void* impl_;
};

class Gauge {
 public:
  void Set(double value);
  void Add(double amount);
  double Value() const;

 private:
  friend class Registry;
  explicit Gauge(void* impl) : impl_(impl) {}
  void* impl_;
};

class Histogram {
 public:
  void Observe(double value);

 private:
  friend class Registry;
  explicit Histogram(void* impl) : impl_(impl) {}
  void* impl_;
};

/// The gauges of one name, as they are at one scrape.
struct GaugeFamily {
  struct Series {
    Labels labels;
    double value = 0;
  };
  std::string name, help;
  std::vector<Series> series;  ///< none: the text does not mention the name
};

/// Thread-safe. Asking again for the same name and labels gives the same series. Label values must
/// come from a bounded set: a client's text must never become one.
class Registry {
 public:
  Registry();
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  Counter AddCounter(const std::string& name, const std::string& help, const Labels& labels = {});
  Gauge AddGauge(const std::string& name, const std::string& help, const Labels& labels = {});
  /// `bounds`: ascending upper bounds, +Inf is added.
  Histogram AddHistogram(const std::string& name, const std::string& help,
                         const std::vector<double>& bounds, const Labels& labels = {});
  /// Runs before each Text(), to fetch values that are kept elsewhere.
  void BeforeScrape(std::function<void()> update);
  /// For series that come and go: `read` runs in each Text(), which writes what it gives and
  /// remembers nothing of it. Its names must be no one else's.
  void AtScrape(std::function<std::vector<GaugeFamily>()> read);
  /// Text format 0.0.4 (the content type is kContentType).
  std::string Text() const;

  static constexpr std::string_view kContentType = "text/plain; version=0.0.4; charset=utf-8";

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace deepseek::metrics
