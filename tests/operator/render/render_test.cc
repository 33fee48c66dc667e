#include "operator/render/render.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "base/strings.h"
#include "operator/api/field.h"
#include "operator/decide/json_read.h"
#include "tests/operator/render/render_world.h"

namespace deepseek::render {
namespace {

using ::testing::ElementsAre;

std::string TextOf(const Json& spec) {
  std::string out;
  for (const Rendered& rendered : Render(PlanOf(spec)))
    StrAppend(&out, rendered.object->dump(1), "\n");
  return out;
}

void ExpectGolden(const std::string& name, const std::string& text) {
  const std::string path = StrCat(TEST_SOURCE_DIR, "/tests/golden/operator/", name);
  if (std::getenv("UPDATE_GOLDEN") != nullptr) {
    std::ofstream(path, std::ios::binary) << text;
    return;
  }
  std::ifstream file(path, std::ios::binary);
  std::ostringstream golden;
  golden << file.rdbuf();
  EXPECT_EQ(golden.str(), text)
      << path << ": a change here restarts no pod of a live revision, but does it need "
      << "decide::kTemplateVersion to grow? Review, then run with UPDATE_GOLDEN=1";
}

TEST(RenderTest, TheSmallestSpec) {
  ExpectGolden("render_minimal.json", TextOf(Minimal()));
}

TEST(RenderTest, AFullSpec) {
  ExpectGolden("render_full.json", TextOf(Json::parse(R"({
    "model": {"name": "m", "source": {"persistentVolumeClaim": {"claimName": "weights", "path": "v3"}}},
    "engine": {"image": "registry/agent:2", "imagePullPolicy": "Always", "imagePullSecrets": [{"name": "s"}],
               "device": "CPU", "compute": "FP32", "maxContextTokens": 4096, "maxBatch": 4, "maxBatchDelay": "3ms",
               "kvCacheMemory": "1Gi"},
    "workload": {"resources": {"requests": {"cpu": "500m"}}, "nodeSelector": {"disk": "fast"},
                 "tolerations": [{"key": "gpu", "operator": "Exists"}], "priorityClassName": "high",
                 "runtimeClassName": "nvidia", "drain": {"delay": "2s", "timeout": "90s"},
                 "startup": {"deadline": "1h"}},
    "replicas": 3,
    "traffic": {"service": {"type": "LoadBalancer", "annotations": {"a": "b"}},
                "allowedFrom": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]},
    "observability": {"logLevel": "debug", "scrapeFrom": []}})")));
}

TEST(RenderTest, OrderIsIdentityNetworkRevisionPodsTrafficDisruption) {
  std::vector<std::string> kinds;
  for (const Rendered& rendered : Render(PlanOf(Minimal())))
    kinds.push_back((*rendered.object)["kind"]);
  EXPECT_THAT(kinds, ElementsAre("ServiceAccount", "NetworkPolicy", "ControllerRevision",
                                 "Deployment", "Service", "Service", "PodDisruptionBudget"));
}

TEST(RenderTest, EverythingIsOwnedLabelledAndStamped) {
  for (const Rendered& rendered : Render(PlanOf(Minimal()))) {
    const Json& object = *rendered.object;
    const Json& owner = object["metadata"]["ownerReferences"][0];
    EXPECT_EQ(owner["controller"], true);
    EXPECT_EQ(owner["uid"], "u");
    EXPECT_EQ(decide::MetadataAt(object, "labels", "serving.deepseek-operator.io/deployment"),
              "demo");
    EXPECT_EQ(decide::MetadataAt(object, "labels", "app.kubernetes.io/managed-by"),
              "deepseek-operator");
    EXPECT_EQ(decide::MetadataAt(object, "annotations", "serving.deepseek-operator.io/applied-hash")
                  .size(),
              16u);
  }
}

TEST(RenderTest, AnEmptyListOfPeersMeansNobodyNotEverybody) {
  Json spec = Minimal();
  spec["traffic"]["allowedFrom"] = Json::array();
  spec["observability"]["scrapeFrom"] = Json::array();
  for (const Rendered& rendered : Render(PlanOf(spec))) {
    if ((*rendered.object)["kind"] == "NetworkPolicy") {
      EXPECT_TRUE((*rendered.object)["spec"]["ingress"].empty());
      EXPECT_EQ((*rendered.object)["spec"]["policyTypes"][0], "Ingress");
    }
  }
}

TEST(RenderTest, TheOperatorsPodsMayReadPort9090WhereverItRuns) {
  decide::Plan plan = PlanOf(Minimal());
  plan.operator_namespace = "deepseek-system";
  for (const Rendered& rendered : Render(plan)) {
    if ((*rendered.object)["kind"] != "NetworkPolicy") continue;
    const Json& rules = (*rendered.object)["spec"]["ingress"];
    ASSERT_EQ(rules.size(), 3u);
    EXPECT_EQ(rules[2], Json::parse(R"({"from":[{"namespaceSelector":{"matchLabels":
        {"kubernetes.io/metadata.name":"deepseek-system"}},"podSelector":{"matchLabels":
        {"app.kubernetes.io/name":"deepseek-operator"}}}],"ports":[{"port":9090,"protocol":"TCP"}]})"));
  }
}

TEST(RenderTest, TheDigestOfTheWeightsComesBeforeThePodsThatMustFindThem) {
  decide::Plan plan = PlanOf(Minimal());
  plan.workloads.at(0).model_digest = "sha256:aa";
  std::vector<std::string> kinds;
  for (const Rendered& rendered : Render(plan)) {
    const Json& object = *rendered.object;
    kinds.push_back(object["kind"]);
    if (object["kind"] != "ConfigMap") continue;
    EXPECT_EQ(object["metadata"]["name"], plan.workloads[0].name);
    EXPECT_EQ(object["data"], Json::parse(R"({"model-digest":"sha256:aa"})"));
  }
  EXPECT_THAT(kinds,
              ElementsAre("ServiceAccount", "NetworkPolicy", "ControllerRevision", "ConfigMap",
                          "Deployment", "Service", "Service", "PodDisruptionBudget"));
}

TEST(RenderTest, WithRecreateEveryNewRevisionIsTried) {
  Json spec = Minimal();
  spec["rollout"]["strategy"] = "Recreate";
  const decide::Plan plan = PlanOf(spec);
  const decide::Object trial = RenderTrial(plan);
  ASSERT_NE(trial, nullptr);
  EXPECT_EQ((*trial)["spec"]["template"], *plan.revision->pod_template);
}

TEST(RenderTest, WithRollingOnlyANewRevisionWithAnOverlayIsTried) {
  EXPECT_EQ(RenderTrial(PlanOf(Minimal())), nullptr);
  Json spec = Minimal();
  spec["workload"]["template"]["spec"]["dnsPolicy"] = "Default";
  const decide::Plan plan = PlanOf(spec);
  const decide::Object trial = RenderTrial(plan);
  ASSERT_NE(trial, nullptr);
  EXPECT_EQ((*trial)["kind"], "Deployment");
  EXPECT_EQ((*trial)["spec"]["template"]["spec"]["dnsPolicy"], "Default");
  EXPECT_EQ((*trial)["spec"]["replicas"], 0);
  EXPECT_EQ(RenderTrial(PlanOf(Json::object())), nullptr) << "a refused spec";
}

TEST(RenderTest, ARefusedSpecRendersNothing) {
  EXPECT_TRUE(Render(PlanOf(Json::object())).empty());
}

// A value for a field that differs from what its absence means.
Json Sample(const api::Field& field) {
  switch (field.type) {
    case api::Type::kObject:
      return Json::object();
    case api::Type::kEnum:
      return field.values.back();
    case api::Type::kInteger:
      return std::max<int64_t>(field.min, 17);
    case api::Type::kBoolean:
      return true;
    case api::Type::kDuration:
      return "17s";
    case api::Type::kQuantity:
      return "17";
    case api::Type::kList:
      return Json::array();
    case api::Type::kMap:
      return Json::object();
    default:
      return "x17";
  }
}

void Fill(const std::string& prefix, Json* value);

// Gives an object its required fields, a list one item, a map one entry.
void FillRow(const api::Field& row, Json* value) {
  if (row.type == api::Type::kList) {
    value->push_back(Json());
    Fill(row.path + "[]", &value->back());
  } else if (row.type == api::Type::kMap) {
    Fill(row.path + "{}", &(*value)["k17"]);
  } else if (row.type == api::Type::kObject) {
    for (const api::Field& child : api::SpecFields()) {
      const auto segments = api::Segments(child.path), parents = api::Segments(row.path);
      if (segments.size() != parents.size() + 1 || !child.required) continue;
      if (std::equal(parents.begin(), parents.end(), segments.begin())) {
        (*value)[segments.back()] = Sample(child);
        FillRow(child, &(*value)[segments.back()]);
      }
    }
  }
}

void Fill(const std::string& path, Json* value) {
  for (const api::Field& row : api::SpecFields()) {
    if (row.path != path) continue;
    *value = Sample(row);
    FillRow(row, value);
  }
}

// The spec with this one field set, its parents' required fields filled in.
Json With(const api::Field& field) {
  Json spec = Minimal();
  Json* at = &spec;
  std::string path;
  for (const std::string& segment : api::Segments(field.path)) {
    const bool bracket = segment == "[]" || segment == "{}";
    path = path.empty() || bracket ? path + segment : StrCat(path, ".", segment);
    if (bracket) {
      at = segment == "[]" ? &(*at)[0] : &(*at)["k17"];
    } else {
      if (!at->is_object()) *at = Json::object();
      at = &(*at)[segment];
    }
    if (at->is_null()) Fill(path, at);
  }
  return spec;
}

// Fields that decide alone uses: their effect on a first reconcile is seen in the plan or later.
bool ActsElsewhere(const std::string& path) {
  return path.starts_with("rollout") || path == "revisionHistoryLimit";
}

// No field may be declared and ignored: each leaf changes what is rendered.
TEST(RenderTest, EveryDeclaredFieldChangesWhatIsRendered) {
  const std::string plain = TextOf(Minimal());
  int leaves = 0;
  for (const api::Field& field : api::SpecFields()) {
    const bool leaf = field.type != api::Type::kObject && field.type != api::Type::kList &&
                      field.type != api::Type::kMap && field.type != api::Type::kFree;
    if (!leaf || ActsElsewhere(field.path) || field.path == "model.source.builtin") continue;
    Json spec = With(field);
    if (field.path.find("persistentVolumeClaim") != std::string::npos)
      spec["model"]["source"].erase("builtin");
    // INT8 is refused without integer weights.
    if (field.path == "engine.compute") spec["engine"]["compute"] = "BF16";
    if (field.path == "engine.gpusPerReplica") spec["engine"]["device"] = "CUDA";
    const decide::Plan plan = PlanOf(spec);
    ASSERT_TRUE(plan.manage) << field.path << ": " << spec.dump() << "\n"
                             << plan.decisions.at(0).message;
    const std::string text = TextOf(spec);
    EXPECT_NE(text, plain) << field.path << " is ignored";
    ++leaves;
  }
  EXPECT_GT(leaves, 70);
}

}  // namespace
}  // namespace deepseek::render
