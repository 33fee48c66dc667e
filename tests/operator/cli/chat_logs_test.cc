#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "operator/cli/chat.h"
#include "operator/cli/logs.h"
#include "tests/operator/cli/terminal.h"

namespace deepseek::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kChat[] = "/api/v1/namespaces/models/services/demo%3Ahttp/proxy/v1/chat/completions";
constexpr char kAnswer[] =
    "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n"
    "data: {\"choices\":[{\"delta\":{\"content\":\"Lis\"}}]}\n\n"
    "data: {\"choices\":[{\"delta\":{\"content\":\"bon\"}}]}\n\ndata: [DONE]\n";

class ChatTest : public ::testing::Test {
 protected:
  ChatTest() {
    t.Apply("demo", {{"model", {{"name", "demo-v3"}}}});
    t.Settle("demo");
    t.front->streams[kChat] = kAnswer;
  }
  Json Body(size_t call) const { return Json::parse(t.front->streamed.at(call).body); }
  Terminal t;
};

TEST_F(ChatTest, OneQuestion) {
  ASSERT_TRUE(Chat(t.session, {.name = "demo", .question = "The capital of Portugal?"}).ok());
  EXPECT_EQ(t.Said(), "Lisbon\n");
  EXPECT_EQ(t.front->streamed[0].method, "POST");
  EXPECT_THAT(t.front->streamed[0].headers,
              ::testing::Contains(::testing::Pair("Connection", "close")))
      << "else the API server's proxy cuts an answer now and then";
  EXPECT_EQ(Body(0)["model"], "demo-v3");
  EXPECT_EQ(Body(0)["stream"], true);
  EXPECT_FALSE(Body(0).contains("temperature")) << "the model's own";
  ASSERT_TRUE(Chat(t.session, {.name = "demo", .question = "x", .temperature = 0}).ok());
  EXPECT_EQ(Body(1)["temperature"], 0.0);
  EXPECT_EQ(Body(0)["messages"][0]["content"], "The capital of Portugal?");
}

TEST_F(ChatTest, AConversationRemembers) {
  t.in << "first\n\nsecond\n";
  ASSERT_TRUE(Chat(t.session, {.name = "demo"}).ok());
  EXPECT_EQ(t.Said(), "> Lisbon\n> > Lisbon\n> \n");
  ASSERT_EQ(t.front->streamed.size(), 2u);
  EXPECT_EQ(Body(1)["messages"].size(), 3u);
  EXPECT_EQ(Body(1)["messages"][1], Json::parse(R"({"role":"assistant","content":"Lisbon"})"));
}

TEST_F(ChatTest, Json) {
  t.session.json = true;
  t.in << "q\n";
  ASSERT_TRUE(Chat(t.session, {.name = "demo", .prompt = false}).ok());
  EXPECT_EQ(t.SaidJson(), Json::parse(R"({"question":"q","answer":"Lisbon"})"));
}

TEST_F(ChatTest, AnAnswerThatFailsLeavesNoTraceInTheConversation) {
  t.front->streams[kChat] = "data: {\"error\":{\"message\":\"out of memory\"}}\n";
  t.in << "first\n";
  ASSERT_TRUE(Chat(t.session, {.name = "demo", .prompt = false}).ok());
  EXPECT_THAT(t.Said(), HasSubstr("error: chat with demo: out of memory"));
  EXPECT_FALSE(Chat(t.session, {.name = "demo", .question = "x"}).ok());
  t.front->streams.clear();
  t.front->streams[std::string("!") + kChat] =
      R"({"kind":"Status","message":"no endpoints available"})";
  EXPECT_THAT(std::string(Chat(t.session, {.name = "demo", .question = "x"}).message()),
              HasSubstr("no endpoints available"));
}

TEST_F(ChatTest, BeforeItServes) {
  t.Apply("other");
  const absl::Status status = Chat(t.session, {.name = "other", .question = "x"});
  EXPECT_THAT(std::string(status.message()), HasSubstr("serves nothing yet"));
  EXPECT_TRUE(absl::IsNotFound(Chat(t.session, {.name = "absent", .question = "x"})));
}

TEST(TextOfEventTest, OnlyWhatIsSaid) {
  EXPECT_EQ(TextOfEvent("data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"hm\"}}]}"), "hm");
  for (const char* line : {"", ": comment", "data: [DONE]", "data: {", "data: {\"choices\":[]}",
                           "data: {\"usage\":{}}", "event: x"})
    EXPECT_EQ(TextOfEvent(line), "") << line;
}

TEST(LogsTest, OfAllPodsWithTheirNames) {
  Terminal t;
  t.Apply("demo", {{"replicas", 2}});
  t.Settle("demo");
  t.front->streams["/api/v1/namespaces/models/pods/"] = "one\ntwo\n";
  ASSERT_TRUE(Logs(t.session, {.name = "demo"}).ok());
  EXPECT_THAT(t.Said(), AllOf(HasSubstr("-rs-1  one\n"), HasSubstr("-rs-2  two\n")));
  EXPECT_THAT(t.front->streamed[0].path,
              AllOf(HasSubstr("/log?container=agent&tailLines=100"), Not(HasSubstr("follow"))));
}

TEST(LogsTest, OfOnePodWithout) {
  Terminal t;
  t.Apply("demo");
  t.Settle("demo");
  t.front->streams["/api/v1/namespaces/models/pods/"] = "one\n";
  ASSERT_TRUE(Logs(t.session, {.name = "demo", .follow = true, .previous = true, .tail = 5}).ok());
  EXPECT_EQ(t.Said(), "one\n");
  EXPECT_THAT(t.front->streamed[0].path, HasSubstr("tailLines=5&follow=true&previous=true"));
}

TEST(LogsTest, OfARevision) {
  Terminal t;
  t.Apply("demo");
  t.Settle("demo");
  t.front->streams["/api/v1/namespaces/models/pods/"] = "one\n";
  const std::string revision = t.Dsd("demo")["status"]["stableRevision"];
  EXPECT_TRUE(Logs(t.session, {.name = "demo", .revision = revision}).ok());
  EXPECT_TRUE(absl::IsNotFound(Logs(t.session, {.name = "demo", .revision = "demo-0"})));
  EXPECT_TRUE(absl::IsNotFound(Logs(t.session, {.name = "absent"})));
  t.front->streams = {{"!/api/v1/namespaces/models/pods/",
                       R"({"kind":"Status","message":"container is waiting to start"})"}};
  EXPECT_THAT(std::string(Logs(t.session, {.name = "demo"}).message()),
              HasSubstr("container is waiting to start"));
}

}  // namespace
}  // namespace deepseek::cli
