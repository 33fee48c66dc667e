#include "base/status.h"
#include "tests/operator/kube/conformance_fixture.h"

namespace deepseek::kube {
namespace {

// The custom resource: its defaults, its rules and its subresources. Skipped where a real cluster
// does not have it installed.
class CustomResource : public Conformance {
 protected:
  void SetUp() override {
    Conformance::SetUp();
    if (HasFatalFailure()) return;
    const auto list = client_->ListAll(resources::kDeepSeekDeployment,
                                       {.ns = ns_, .label_selector = "", .field_selector = ""});
    if (IsRealServer() && absl::IsNotFound(list.status())) {
      GTEST_SKIP() << "this cluster does not have the custom resource";
    }
    ASSERT_TRUE(list.ok()) << list.status();
  }
  static Json Minimal(const std::string& name) {
    // Without pods: an operator that runs here makes no work of it.
    return {{"apiVersion", resources::kDeepSeekDeployment.ApiVersion()},
            {"kind", "DeepSeekDeployment"},
            {"metadata", {{"name", name}}},
            {"spec", {{"model", {{"source", {{"builtin", "demo-v3"}}}}}, {"replicas", 0}}}};
  }
  absl::StatusOr<Object> Create(const Json& object) {
    return client_->Create(resources::kDeepSeekDeployment, ns_, object, "me");
  }
};

TEST_F(CustomResource, ReplicasHaveADefaultAndNothingElse) {
  Json object = Minimal("demo");
  object["spec"].erase("replicas");
  const auto created = Create(object);
  ASSERT_TRUE(created.ok()) << created.status();
  EXPECT_EQ((**created)["spec"],
            Json({{"model", {{"source", {{"builtin", "demo-v3"}}}}}, {"replicas", 1}}));
  EXPECT_EQ(At(*created, "/metadata/generation"), "1");
}

TEST_F(CustomResource, RulesAndLimitsRefuse) {
  const struct {
    const char* what;
    Json spec;
    const char* said;
  } kCases[] = {
      {"both sources",
       {{"model",
         {{"source", {{"builtin", "demo-v3"}, {"persistentVolumeClaim", {{"claimName", "c"}}}}}}}},
       "exactly one of builtin and persistentVolumeClaim"},
      {"a path out of the volume",
       {{"model",
         {{"source",
           {{"builtin", nullptr},
            {"persistentVolumeClaim", {{"claimName", "c"}, {"path", "a/../../b"}}}}}}}},
       "relative to the volume"},
      {"no way to replace a pod",
       {{"rollout", {{"maxSurge", 0}, {"maxUnavailable", 0}}}},
       "maxSurge and maxUnavailable cannot both be 0"},
      {"INT8 arithmetic of native weights", {{"engine", {{"compute", "INT8"}}}}, "compute INT8"},
      {"a number out of its range", {{"engine", {{"maxBatch", 0}}}}, "engine.maxBatch"},
      {"a word that is none of the values", {{"engine", {{"device", "TPU"}}}}, "engine.device"},
      {"a number that is a text", {{"replicas", "two"}}, "replicas"},
  };
  for (const auto& c : kCases) {
    Json object = Minimal("demo");
    object["spec"].merge_patch(c.spec);
    const absl::Status refused = Create(object).status();
    EXPECT_TRUE(absl::IsInvalidArgument(refused)) << c.what << ": " << refused;
    EXPECT_NE(refused.message().find(c.said), absl::string_view::npos) << c.what << ": " << refused;
  }
  Json named = Minimal("1-starts-with-a-digit");
  EXPECT_TRUE(absl::IsInvalidArgument(Create(named).status()));
  EXPECT_TRUE(Create(Minimal("demo")).ok());
}

TEST_F(CustomResource, StatusAndScaleAreSubresources) {
  Json object = Minimal("demo");
  object["status"] = {{"ready", "9/9"}};
  ASSERT_TRUE(Create(object).ok());
  const auto scaled = client_->MergePatch(resources::kDeepSeekDeployment, ns_, "demo",
                                          {{"spec", {{"replicas", 0}}}}, "me", "scale");
  ASSERT_TRUE(scaled.ok()) << scaled.status();
  EXPECT_EQ(At(*scaled, "/kind"), "Scale");
  const auto changed = client_->MergePatch(resources::kDeepSeekDeployment, ns_, "demo",
                                           {{"spec", {{"engine", {{"maxBatch", 2}}}}}}, "me");
  ASSERT_TRUE(changed.ok()) << changed.status();
  EXPECT_EQ(At(*changed, "/metadata/generation"), "2");
  EXPECT_NE(At(*changed, "/status/ready"), "9/9");
  Json status{{"apiVersion", resources::kDeepSeekDeployment.ApiVersion()},
              {"kind", "DeepSeekDeployment"},
              {"metadata", {{"name", "demo"}}},
              {"spec", {{"replicas", 7}}},
              {"status", {{"device", "CPU"}}}};
  const auto written = client_->Apply(resources::kDeepSeekDeployment, ns_, "demo", status,
                                      {.field_manager = "conformance"}, "status");
  ASSERT_TRUE(written.ok()) << written.status();
  EXPECT_EQ(At(*written, "/status/device"), "CPU");
  EXPECT_EQ(At(*written, "/spec/replicas"), "0");
  EXPECT_EQ(At(*written, "/metadata/generation"), "2");
}

}  // namespace
}  // namespace deepseek::kube
