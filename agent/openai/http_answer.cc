#include "agent/openai/http_answer.h"

#include <atomic>
#include <utility>

#include "base/strings.h"

namespace deepseek::agent {
namespace {

class Answer : public AnswerWriter {
 public:
  Answer(std::shared_ptr<http::ResponseWriter> writer, std::string request_id)
      : writer_(std::move(writer)), request_id_(std::move(request_id)) {}

  void Whole(std::string answer) override {
    http::Response response;
    response.headers = {{"x-request-id", request_id_}};
    response.body = std::move(answer);
    writer_->Send(std::move(response));
  }

  void Start(std::vector<std::string> pieces) override {
    http::Response head;
    head.content_type = "text/event-stream; charset=utf-8";
    head.headers = {
        {"Cache-Control", "no-cache"}, {"X-Accel-Buffering", "no"}, {"x-request-id", request_id_}};
    for (const std::string& piece : pieces) head.body += Event(piece);
    writer_->Start(std::move(head));
    streaming_ = true;
  }

  bool Piece(std::string piece) override { return writer_->Write(Event(piece)); }

  void Finish() override {
    writer_->Write(kDoneEvent);
    writer_->Finish();
  }

  void Fail(const ApiError& error) override {
    if (streaming_) {
      Piece(ErrorBody(error));
      return Finish();
    }
    http::Response response = ErrorResponse(error);
    response.headers.push_back({"x-request-id", request_id_});
    writer_->Send(std::move(response));
  }

  void OnGone(std::function<void()> callback) override { writer_->OnGone(std::move(callback)); }

 private:
  const std::shared_ptr<http::ResponseWriter> writer_;
  const std::string request_id_;
  std::atomic<bool> streaming_ = false;
};

}  // namespace

std::shared_ptr<AnswerWriter> HttpAnswer(std::shared_ptr<http::ResponseWriter> writer,
                                         std::string request_id) {
  return std::make_shared<Answer>(std::move(writer), std::move(request_id));
}

std::string Event(std::string_view json) {
  return StrCat("data: ", json, "\n\n");
}

}  // namespace deepseek::agent
