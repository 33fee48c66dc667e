#pragma once
// Settings of the fake library (fake_nvml.cc) for one test.

#include <cstdlib>
#include <string>

namespace deepseek::agent {

/// Sets FAKE_NVML_* variables; they are gone with it.
class FakeNvml {
 public:
  FakeNvml() = default;
  FakeNvml(const FakeNvml&) = delete;
  FakeNvml& operator=(const FakeNvml&) = delete;
  ~FakeNvml() {
    for (const char* name : {"GPUS", "UTIL", "FAIL", "XIDS", "BLOCK"}) Set(name, "");
  }

  /// `name` without FAKE_NVML_; empty takes the variable away.
  void Set(const std::string& name, const std::string& value) {
    const std::string full = "FAKE_NVML_" + name;
    if (value.empty()) {
      unsetenv(full.c_str());
    } else {
      setenv(full.c_str(), value.c_str(), 1);
    }
  }

  static constexpr char kPath[] = FAKE_NVML;
};

}  // namespace deepseek::agent
