#include "operator/reconcile/event_recorder.h"

#include <gtest/gtest.h>

#include "base/json_full.h"
#include "base/strings.h"
#include "tests/support/fake_api_server.h"

namespace deepseek::reconcile {
namespace {

using kube::resources::kEvent;

class EventRecorderTest : public ::testing::Test {
 protected:
  void Record(const std::string& note, const std::string& uid = "u") {
    const Json dsd{{"metadata", {{"name", "demo"}, {"namespace", "ns"}, {"uid", uid}}}};
    recorder_.Record(dsd, {true, "Reconcile", "Unschedulable", note}, now_, 0);
    now_ += absl::Seconds(1);
  }
  int Count(const Json& event) const { return event.value("/series/count"_json_pointer, 1); }
  Json Only() const {
    const auto all = server_->All(kEvent);
    EXPECT_EQ(all.size(), 1u);
    return all.empty() ? Json() : *all.front();
  }

  absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
  std::shared_ptr<kube::FakeApiServer> server_ = std::make_shared<kube::FakeApiServer>();
  kube::Client client_{server_};
  EventRecorder recorder_{client_};
};

TEST_F(EventRecorderTest, TheFirstOneIsAnEventOfTheNewApi) {
  Record("no node");
  const Json event = Only();
  EXPECT_EQ(event["apiVersion"], "events.k8s.io/v1");
  EXPECT_EQ(event["eventTime"], "2023-11-14T22:13:20.000000Z");
  EXPECT_EQ(event["type"], "Warning");
  EXPECT_EQ(event["note"], "no node");
  EXPECT_EQ(event["regarding"]["uid"], "u");
  EXPECT_FALSE(event.contains("series"));
}

TEST_F(EventRecorderTest, ALongNoteIsCutBetweenCharacters) {
  std::string note;
  while (note.size() < 2000) note += "深";
  Record(note);
  EXPECT_EQ(Only()["note"], note.substr(0, 1023));
}

TEST_F(EventRecorderTest, RepetitionsCountInOneSeries) {
  for (int i = 0; i < 40; ++i) Record("no node");
  const Json event = Only();
  EXPECT_EQ(Count(event), 32) << "written when it doubles";
  EXPECT_EQ(event["series"]["lastObservedTime"], "2023-11-14T22:13:51.000000Z");
  EXPECT_EQ(server_->Calls().size(), 6u) << "not one write per repetition";
  now_ += absl::Minutes(2);
  Record("no node");
  EXPECT_EQ(Count(Only()), 41) << "and when it has not been for a minute";
}

TEST_F(EventRecorderTest, OtherWordsOrObjectsAreOtherEvents) {
  Record("no node");
  Record("no GPU");
  Record("no node", "another");
  EXPECT_EQ(server_->All(kEvent).size(), 3u);
}

TEST_F(EventRecorderTest, ASeriesEndsAfterSixMinutesOfSilence) {
  Record("no node");
  now_ += absl::Minutes(7);
  Record("no node");
  EXPECT_EQ(server_->All(kEvent).size(), 2u);
}

TEST_F(EventRecorderTest, ASeriesEndsThoughOthersAreRecordedAllTheTime) {
  Record("no node");
  for (int i = 0; i < 36; ++i) {
    now_ += absl::Seconds(10);
    Record("no GPU", "another");
  }
  Record("no node");
  EXPECT_EQ(server_->All(kEvent).size(), 3u);
}

TEST_F(EventRecorderTest, AnEventThatHasExpiredBeginsAnew) {
  Record("no node");
  const std::string name = Only()["metadata"]["name"];
  ASSERT_TRUE(client_.Delete(kEvent, "ns", name).ok());
  Record("no node");
  EXPECT_EQ(Count(Only()), 1);
}

TEST_F(EventRecorderTest, LongNotesAreCutAsTheApiDemands) {
  Record(std::string(5000, 'x'));
  EXPECT_EQ(Only()["note"].get<std::string>().size(), 1024u);
}

}  // namespace
}  // namespace deepseek::reconcile
