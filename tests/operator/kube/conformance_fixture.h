#pragma once
// What the parts of the conformance script share: one script for the fake API server and for a real
// one, since what we build on must hold on both. DEEPSEEK_TEST_KUBECONFIG=<file> runs it against
// that cluster (in namespaces of its own, removed afterwards).

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "absl/time/clock.h"
#include "base/json_full.h"
#include "base/strings.h"
#include "operator/kube/client.h"
#include "tests/operator/kube/conformance_target.h"

namespace deepseek::kube {

inline const Resource kNamespace{"", "v1", "namespaces", "Namespace", false};
inline const ApplyOptions kOurs{.field_manager = "deepseek-operator"};

/// The text at a JSON pointer, other values as JSON; "(none)".
inline std::string At(const Object& object, const char* pointer) {
  const Json::json_pointer at(pointer);
  if (!object->contains(at)) return "(none)";
  return object->at(at).is_string() ? object->at(at).get<std::string>() : object->at(at).dump();
}

inline Json ConfigMap(const std::string& name, Json data = Json::object()) {
  return {{"apiVersion", "v1"},
          {"kind", "ConfigMap"},
          {"metadata", {{"name", name}, {"labels", {{"conformance", "yes"}}}}},
          {"data", std::move(data)}};
}

inline Json Container(const std::string& name, const std::string& image) {
  return {
      {"name", name},
      {"image", image},
      {"ports", Json::array({{{"containerPort", 8000}, {"name", "http"}, {"protocol", "TCP"}}})}};
}

inline Json Deployment(const std::string& name, Json containers) {
  const Json labels{{"app", name}};
  return {{"apiVersion", "apps/v1"},
          {"kind", "Deployment"},
          {"metadata", {{"name", name}, {"labels", labels}}},
          {"spec",
           {{"replicas", 0},
            {"selector", {{"matchLabels", labels}}},
            {"template",
             {{"metadata", {{"labels", labels}}}, {"spec", {{"containers", containers}}}}}}}};
}

/// A client of the target and a namespace for each test.
class Conformance : public ::testing::Test {
 protected:
  void SetUp() override {
    auto transport = ConformanceTarget();
    ASSERT_TRUE(transport.ok()) << transport.status();
    client_ = std::make_unique<Client>(*transport);
    static std::atomic<int> count{0};
    ns_ = StrCat("conformance-", getpid(), "-", ++count);
    const Json ns{{"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", {{"name", ns_}}}};
    const auto created = client_->Create(kNamespace, "", ns, "conformance");
    ASSERT_TRUE(created.ok()) << created.status();
  }
  void TearDown() override {
    if (client_ == nullptr) return;
    EXPECT_TRUE(client_->Delete(kNamespace, "", ns_).ok());
  }
  absl::StatusOr<Object> Apply(const Resource& r, const Json& object,
                               ApplyOptions options = kOurs) {
    return client_->Apply(r, ns_, object["metadata"]["name"].get<std::string>(), object, options);
  }
  Object MustApply(const Resource& r, const Json& object, ApplyOptions options = kOurs) {
    auto applied = Apply(r, object, options);
    EXPECT_TRUE(applied.ok()) << applied.status();
    return applied.ok() ? *applied : std::make_shared<const Json>(Json::object());
  }
  template <typename F>
  bool Eventually(F condition) {
    const absl::Time deadline = absl::Now() + absl::Seconds(30);
    while (!condition()) {
      if (absl::Now() > deadline) return false;
      absl::SleepFor(absl::Milliseconds(5));
    }
    return true;
  }

  std::unique_ptr<Client> client_;
  std::string ns_;
};

}  // namespace deepseek::kube
