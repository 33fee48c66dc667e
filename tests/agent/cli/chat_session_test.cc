#include "agent/cli/chat_session.h"

#include <gtest/gtest.h>

#include "base/json_full.h"

namespace deepseek::agent {
namespace {

/// Answers each request with the next script, in pieces of three bytes.
class ScriptedTransport : public ChatTransport {
 public:
  ScriptedTransport(std::vector<std::string>* bodies, std::vector<std::string> answers)
      : bodies_(bodies), answers_(std::move(answers)) {}
  absl::Status Post(const std::string& body, const std::function<bool(std::string_view)>& on_bytes,
                    const std::function<bool()>& stop) override {
    bodies_->push_back(body);
    const std::string answer = answers_.at(bodies_->size() - 1);
    if (answer.empty()) return absl::UnavailableError("no one there");
    for (size_t at = 0; at < answer.size() && !stop(); at += 3) {
      if (!on_bytes(std::string_view(answer).substr(at, 3))) break;
    }
    return absl::OkStatus();
  }

 private:
  std::vector<std::string>* bodies_;
  std::vector<std::string> answers_;
};

std::string Delta(const std::string& field, const std::string& text) {
  const Json json = {{"choices", {{{"delta", {{field, text}}}}}}};
  return "data: " + json.dump() + "\n\n";
}

class ChatSessionTest : public ::testing::Test {
 protected:
  void Start(std::vector<std::string> answers) {
    session_ = std::make_unique<ChatSession>(
        std::make_unique<ScriptedTransport>(&bodies_, std::move(answers)), "m");
  }
  absl::Status Ask(const std::string& question) {
    said_.clear();
    reasoned_.clear();
    return session_->Ask(
        question,
        [this](const ChatPiece& piece) {
          said_ += piece.content;
          reasoned_ += piece.reasoning;
        },
        [] { return false; });
  }
  std::vector<std::string> bodies_;
  std::unique_ptr<ChatSession> session_;
  std::string said_, reasoned_;
};

TEST_F(ChatSessionTest, KeepsTheConversation) {
  Start({Delta("reasoning_content", "hm") + Delta("content", "Pa") + Delta("content", "ris") +
             "data: [DONE]\n\n",
         Delta("content", "Rome")});
  EXPECT_TRUE(Ask("France?").ok());
  EXPECT_EQ(said_, "Paris");
  EXPECT_EQ(reasoned_, "hm");
  EXPECT_TRUE(Ask("Italy?").ok());
  const Json second = Json::parse(bodies_.at(1));
  EXPECT_EQ(second["model"], "m");
  EXPECT_EQ(second["stream"], true);
  ASSERT_EQ(second["messages"].size(), 3U);
  EXPECT_EQ(second["messages"][1]["content"], "Paris");
}

TEST_F(ChatSessionTest, AFailedQuestionLeavesNoTrace) {
  Start({"", "data: {\"error\":{\"message\":\"too busy\"}}\n\n", Delta("content", "ok")});
  EXPECT_FALSE(Ask("one").ok());
  const absl::Status busy = Ask("two");
  EXPECT_EQ(busy.message(), "too busy");
  EXPECT_TRUE(Ask("three").ok());
  EXPECT_EQ(Json::parse(bodies_.at(2))["messages"].size(), 1U);
}

TEST_F(ChatSessionTest, OddChunksAreHarmless) {
  Start(
      {": ping\n\ndata: {}\n\ndata: [1]\n\ndata: {\"choices\":[]}\n\ndata: "
       "{\"choices\":[{}]}\r\n\r\n" +
       Delta("content", "x")});
  EXPECT_TRUE(Ask("a").ok());
  EXPECT_EQ(said_, "x");
}

TEST(EventReader, JoinsPiecesOfLines) {
  EventReader reader;
  EXPECT_TRUE(reader.Push("da").empty());
  EXPECT_EQ(reader.Push("ta: a\ndata:b\nda"), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(reader.Push("ta: c\n"), std::vector<std::string>{"c"});
}

}  // namespace
}  // namespace deepseek::agent
