// ControllerRevisions that released operators stored (tests/golden/operator/vX.Y.Z) mean today what
// they meant then: their pods are made again from the stored template, whatever this version would
// render.
//
// DEEPSEEK_RECORD_REVISIONS=DIR writes the fixtures of a release into DIR; done once, before its
// tag, and never again.

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "base/strings.h"
#include "operator/kube/client.h"
#include "tests/operator/reconcile/harness.h"

namespace deepseek::reconcile {
namespace {

using kube::resources::kControllerRevision;
using kube::resources::kDeepSeekDeployment;
using kube::resources::kDeployment;

struct Stored {
  const char* name;
  Json spec;
};

std::vector<Stored> SpecsOfARelease() {
  return {
      {"minimal", Spec()},
      {"full", Spec({{"model", {{"name", "chat"}}},
                     {"engine", {{"compute", "FP32"}, {"maxBatch", 4}, {"maxContextTokens", 512}}},
                     {"workload",
                      {{"drain", {{"delay", "2s"}, {"timeout", "20s"}}},
                       {"nodeSelector", {{"disk", "fast"}}}}},
                     {"observability", {{"logLevel", "debug"}}}})}};
}

// Name of the dsd's only Deployment.
std::string OnlyDeployment(const Harness& h) {
  const std::string all = h.Deployments();
  return all.substr(0, all.find('='));
}

Json WithoutServerFields(Json object) {
  for (const char* field :
       {"uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"}) {
    object["metadata"].erase(field);
  }
  return object;
}

void Record(const std::string& dir, const Stored& stored) {
  Harness h;
  h.Apply("demo", stored.spec);
  h.Converge("demo");
  const std::string name = OnlyDeployment(h);
  const Json fixture = {
      {"spec", stored.spec},
      {"controllerRevision", WithoutServerFields(h.Get(kControllerRevision, name))},
      {"podTemplate", h.Get(kDeployment, name)["spec"]["template"]}};
  std::ofstream(StrCat(dir, "/", stored.name, ".json")) << fixture.dump(1) << "\n";
}

class StoredRevisionTest : public testing::TestWithParam<std::string> {};

TEST_P(StoredRevisionTest, KeepsItsPodsUnderANewerOperator) {
  std::ifstream file(StrCat(TEST_SOURCE_DIR, "/tests/golden/operator/", GetParam()));
  ASSERT_TRUE(file.is_open());
  std::stringstream text;
  text << file.rdbuf();
  const Json fixture = Json::parse(text.str());

  Harness h;
  h.Upgrade("agent:99", "99.0.0");
  h.Apply("demo", fixture["spec"]);
  Json revision = fixture["controllerRevision"];
  const std::string name = revision["metadata"]["name"];
  revision["metadata"]["ownerReferences"][0]["uid"] =
      h.Get(kDeepSeekDeployment, "demo")["metadata"]["uid"];
  ASSERT_LT(h.server
                ->SendAsController({.method = "POST",
                                    .path = kube::CollectionPath(kControllerRevision, kNamespace),
                                    .headers = {{"Content-Type", "application/json"}},
                                    .body = revision.dump()})
                .code,
            300);
  h.Converge("demo");

  EXPECT_EQ(OnlyDeployment(h), name) << "the same intent is another revision today";
  EXPECT_EQ(h.Get(kDeployment, name)["spec"]["template"], fixture["podTemplate"]);
  EXPECT_EQ(h.Condition("demo", "Ready"), "True AllReplicasReady");
  EXPECT_EQ(h.Condition("demo", "UpgradeAvailable"), "True NewerDefaults");
}

INSTANTIATE_TEST_SUITE_P(Releases, StoredRevisionTest,
                         testing::Values("v0.1.0/minimal.json", "v0.1.0/full.json"),
                         [](const auto& test) {
                           return test.param.find("full") == std::string::npos
                                      ? std::string("Minimal")
                                      : std::string("Full");
                         });

TEST(StoredRevision, Record) {
  const char* dir = std::getenv("DEEPSEEK_RECORD_REVISIONS");
  for (const Stored& stored : SpecsOfARelease()) {
    if (dir != nullptr) Record(dir, stored);
  }
}

}  // namespace
}  // namespace deepseek::reconcile
