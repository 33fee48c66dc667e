#pragma once
// A serving model without weights: the engine answers with a script, tokens are bytes.

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "agent/load/loaded_model.h"
#include "engine/engine.h"

namespace deepseek::testing {

/// One step gives every running request its next token.
class FakeEngine final : public engine::Engine {
 public:
  using Script = std::function<std::vector<int32_t>(const engine::Request&)>;
  struct Options {
    Script script = nullptr;  ///< the tokens of an answer; repeated when max_tokens asks for more
                              ///< and no stop id comes
    int32_t max_context = 1000;
    int32_t max_queue = 1000;
    bool held = false;                      ///< no steps until Release()
    absl::Status error = absl::OkStatus();  ///< not OK: every answer fails after its first token
  };
  explicit FakeEngine(Options options);
  ~FakeEngine() override;

  const engine::ModelSpec& spec() const override { return spec_; }
  const engine::ModelOptions& options() const override { return model_options_; }
  int32_t max_context() const override { return options_.max_context; }
  absl::StatusOr<engine::RequestId> Submit(engine::Request request,
                                           std::shared_ptr<engine::Sink> sink) override;
  void Cancel(engine::RequestId id) override;
  int Drain(absl::Time deadline) override;
  engine::Stats stats() const override;
  absl::StatusOr<engine::EvaluateResult> Evaluate(const engine::EvaluateRequest&) override {
    return absl::UnimplementedError("fake");
  }

  void Release();
  /// Waits until `condition` of stats() holds; false after 20 s.
  bool WaitUntil(const std::function<bool(const engine::Stats&)>& condition);
  int cancelled() const;
  std::vector<engine::Request> requests() const;

 private:
  struct Live {
    engine::Request request;
    std::shared_ptr<engine::Sink> sink;
    std::vector<int32_t> answer;
    int32_t made = 0;
    size_t scored = 1;  ///< tokens of the prompt whose log-probs need not be told any more
  };
  static std::vector<engine::TokenEvent> Score(Live* live);
  void Loop();

  const Options options_;
  engine::ModelSpec spec_;
  engine::ModelOptions model_options_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<engine::RequestId, Live> live_;
  std::deque<engine::RequestId> cancels_;
  std::vector<engine::Request> requests_;
  engine::RequestId last_id_ = 0;
  int cancelled_ = 0;
  int64_t steps_ = 0;
  bool held_, draining_ = false, stop_ = false;
  std::thread thread_;
};

/// Ids of the fake tokenizer beyond the 256 bytes.
inline constexpr int32_t kUserId = 256, kAssistantId = 257, kEosId = 258, kThinkId = 259,
                         kEndThinkId = 260;

/// Bytes of `text`, then the end of the answer.
std::vector<int32_t> BytesThenEos(std::string_view text);

/// A model named "fake" around `engine`; its template writes <|user|>TEXT...<|assistant|>, and
/// <think> if asked to.
std::unique_ptr<agent::LoadedModel> FakeModel(std::unique_ptr<engine::Engine> engine);

}  // namespace deepseek::testing
