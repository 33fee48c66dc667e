// Children as they are read: revisions with their marks, Deployments, and the rest by name and
// owner.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/json_full.h"
#include "operator/api/names.h"
#include "operator/decide/observed.h"

namespace deepseek::decide {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

Json Child(const std::string& kind, const std::string& name, const Json& more = Json::object()) {
  Json object = {{"kind", kind},
                 {"metadata",
                  {{"name", name},
                   {"uid", "uid-" + name},
                   {"resourceVersion", "9"},
                   {"labels", {{api::kRevisionLabel, "cafe0000"}}},
                   {"ownerReferences", Json::array({{{"apiVersion", api::kApiVersion},
                                                     {"kind", api::kKind},
                                                     {"name", "demo"},
                                                     {"uid", "u1"},
                                                     {"controller", true}}})}}}};
  object.merge_patch(more);
  return object;
}

Observed ReadAll(const std::vector<Json>& children) {
  Cluster cluster;
  cluster.dsd = std::make_shared<const Json>(
      Json::parse(R"({"metadata":{"name":"demo","namespace":"ns","uid":"u1"}})"));
  for (const Json& child : children)
    cluster.children.push_back(std::make_shared<const Json>(child));
  return Read(cluster);
}

Json RevisionObject(const std::string& name, int64_t number, const Json& annotations) {
  return Child("ControllerRevision", name,
               {{"revision", number},
                {"metadata", {{"annotations", annotations}}},
                {"data", {{"resolved", {{"image", "i"}}}, {"template", {{"spec", 1}}}}}});
}

TEST(ObservedChildTest, Identity) {
  const Observed observed = ReadAll(
      {Child("Service", "s"),
       Child("Service", "t", {{"metadata", {{"deletionTimestamp", "2023-01-01T00:00:00Z"}}}})});
  const decide::Child& child = observed.children.at(0);
  EXPECT_EQ(child.kind, "Service");
  EXPECT_EQ(child.name, "s");
  EXPECT_EQ(child.uid, "uid-s");
  EXPECT_EQ(child.resource_version, "9");
  EXPECT_EQ(child.revision, "cafe0000");
  EXPECT_EQ(child.ownership, Ownership::kOurs);
  EXPECT_FALSE(child.deleting);
  EXPECT_EQ((*child.object)["metadata"]["name"], "s");
  EXPECT_TRUE(observed.children.at(1).deleting);
}

TEST(ObservedChildTest, TheControllerAmongSeveralOwnersCounts) {
  Json object = Child("Service", "s");
  Json& owners = object["metadata"]["ownerReferences"];
  owners.insert(owners.begin(), Json{{"apiVersion", "v1"}, {"kind", "ConfigMap"}, {"uid", "x"}});
  EXPECT_EQ(ReadAll({object}).children.at(0).ownership, Ownership::kOurs);
  owners[1]["apiVersion"] = "serving.deepseek-operator.iox/v1";
  EXPECT_EQ(ReadAll({object}).children.at(0).ownership, Ownership::kForeign)
      << "a group that only begins like ours";
  owners[1]["apiVersion"] = api::kApiVersion;
  owners[1]["kind"] = "DeepSeekSomething";
  EXPECT_EQ(ReadAll({object}).children.at(0).ownership, Ownership::kForeign);
}

TEST(ObservedChildTest, ARevisionsMarks) {
  const Observed observed =
      ReadAll({RevisionObject("demo-cafe0000", 4,
                              {{api::kIntentHashAnnotation, "hash"},
                               {api::kStartedAtAnnotation, "2023-01-01T00:00:00Z"},
                               {api::kStableSinceAnnotation, "2023-01-01T00:00:01Z"},
                               {api::kRetryTokenAnnotation, "token"},
                               {api::kRetriedAtAnnotation, "2023-01-01T00:00:02Z"},
                               {api::kModelDigestAnnotation, "sha256:aa"},
                               {api::kModelAnnotation, "{}"},
                               {"somebody/else", "x"}})});
  ASSERT_EQ(observed.revisions.size(), 1u);
  const Revision& revision = observed.revisions[0];
  const absl::Time new_year = absl::FromUnixSeconds(1672531200);
  EXPECT_EQ(revision.child.name, "demo-cafe0000");
  EXPECT_EQ(revision.hash8, "cafe0000");
  EXPECT_EQ(revision.number, 4);
  EXPECT_EQ(revision.intent_hash, "hash");
  EXPECT_EQ(revision.started_at, new_year);
  EXPECT_EQ(revision.stable_since, new_year + absl::Seconds(1));
  EXPECT_EQ(revision.retried_at, new_year + absl::Seconds(2));
  EXPECT_EQ(revision.retry_token, "token");
  EXPECT_EQ(revision.model_digest, "sha256:aa");
  EXPECT_EQ((*revision.resolved)["image"], "i");
  EXPECT_EQ((*revision.pod_template)["spec"], 1);
  EXPECT_EQ(revision.state.size(), 7u) << "annotations of others are not ours to write";
  EXPECT_EQ(revision.state.at(api::kModelAnnotation), "{}");
}

TEST(ObservedChildTest, MarksThatAreAbsentLeaveNoTrace) {
  const Observed observed = ReadAll({RevisionObject("r", 1,
                                                    {{api::kIntentHashAnnotation, "h"},
                                                     {api::kRetryTokenAnnotation, ""},
                                                     {api::kStartedAtAnnotation, "yesterday"}})});
  const Revision& revision = observed.revisions.at(0);
  EXPECT_THAT(revision.state, ElementsAre(Pair(api::kIntentHashAnnotation, "h"),
                                          Pair(api::kStartedAtAnnotation, "yesterday")));
  EXPECT_FALSE(revision.started_at) << "no time";
  EXPECT_FALSE(revision.stable_since || revision.retried_at);
  EXPECT_FALSE(revision.Completed());
}

TEST(ObservedChildTest, CompletedNeedsBothMarksInOrder) {
  Revision revision;
  EXPECT_FALSE(revision.Completed());
  revision.stable_since = absl::UnixEpoch();
  EXPECT_FALSE(revision.Completed());
  revision.started_at = absl::UnixEpoch();
  EXPECT_TRUE(revision.Completed());
  revision.started_at = absl::UnixEpoch() + absl::Nanoseconds(1);
  EXPECT_FALSE(revision.Completed());
}

TEST(ObservedChildTest, ARevisionWithoutItsDataIsForeign) {
  for (const char* part : {"resolved", "template"}) {
    Json object = RevisionObject("r", 1, Json::object());
    object["data"].erase(part);
    const Observed observed = ReadAll({object});
    EXPECT_TRUE(observed.revisions.empty()) << part;
    EXPECT_EQ(observed.children.at(0).ownership, Ownership::kForeign) << part;
  }
}

TEST(ObservedChildTest, RevisionsComeByNumberThenName) {
  const Observed observed =
      ReadAll({RevisionObject("a", 1, Json::object()), RevisionObject("c", 2, Json::object()),
               RevisionObject("b", 2, Json::object())});
  std::vector<std::string> names;
  for (const Revision& revision : observed.revisions) names.push_back(revision.child.name);
  EXPECT_THAT(names, ElementsAre("b", "c", "a"));
}

TEST(ObservedChildTest, ADeployment) {
  const Observed observed = ReadAll({Child("Deployment", "b"),
                                     Child("Deployment", "a", Json::parse(R"({"spec":{"replicas":3},
                   "metadata":{"generation":2},"status":{"observedGeneration":2}})")),
                                     Child("Service", "c")});
  ASSERT_EQ(observed.workloads.size(), 2u) << "by name";
  EXPECT_EQ(observed.workloads[0].child.name, "a");
  EXPECT_EQ(observed.workloads[0].hash8, "cafe0000");
  EXPECT_EQ(observed.workloads[0].want, 3);
  EXPECT_TRUE(observed.workloads[0].settled);
  EXPECT_EQ(observed.workloads[1].want, 1) << "what Kubernetes takes absence for";
  EXPECT_FALSE(observed.workloads[1].settled) << "its controller has not said a word";
}

TEST(ObservedChildTest, ADeploymentIsSettledOnceItsControllerHasSeenTheSpec) {
  const auto settled = [](int generation, int observed) {
    return ReadAll({Child("Deployment", "a",
                          {{"metadata", {{"generation", generation}}},
                           {"status", {{"observedGeneration", observed}}}})})
        .workloads.at(0)
        .settled;
  };
  EXPECT_FALSE(settled(3, 2));
  EXPECT_TRUE(settled(3, 3));
}

TEST(ObservedChildTest, ADeploymentThatIsNotOursIsNoWorkload) {
  Json object = Child("Deployment", "a");
  object["metadata"]["ownerReferences"][0]["uid"] = "u2";
  EXPECT_TRUE(ReadAll({object}).workloads.empty());
  Json revision = RevisionObject("r", 1, Json::object());
  revision["metadata"]["ownerReferences"][0]["uid"] = "u2";
  EXPECT_TRUE(ReadAll({revision}).revisions.empty());
}

TEST(ObservedChildTest, ARefusalOfPodsCountsWhileItLasts) {
  const auto refused = [](const char* status) {
    return ReadAll({Child("Deployment", "a",
                          {{"status",
                            {{"conditions", Json::array({{{"type", "ReplicaFailure"},
                                                          {"status", status},
                                                          {"message", "m"}}})}}}})})
        .workloads.at(0)
        .refused;
  };
  EXPECT_EQ(refused("True"), "m");
  EXPECT_EQ(refused("False"), "");
}

}  // namespace
}  // namespace deepseek::decide
