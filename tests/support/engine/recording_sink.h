#pragma once
// A Sink that keeps what it gets, and waits for it.

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <vector>

#include "engine/engine.h"

namespace deepseek::engine {

class RecordingSink final : public Sink {
 public:
  void OnPrompt(absl::Span<const TokenEvent> tokens) override {
    const std::lock_guard lock(mutex_);
    EXPECT_TRUE(!finished_ && tokens_.empty()) << "the prompt comes first";
    prompt_.insert(prompt_.end(), tokens.begin(), tokens.end());
    ++prompt_pieces_;
  }
  void OnToken(const TokenEvent& token) override {
    const std::lock_guard lock(mutex_);
    EXPECT_FALSE(finished_) << "a token after the end";
    tokens_.push_back(token);
    changed_.notify_all();
  }
  void OnFinish(FinishReason reason, const Usage& usage, const absl::Status& error) override {
    const std::lock_guard lock(mutex_);
    EXPECT_FALSE(finished_) << "finished twice";
    finished_ = true;
    reason_ = reason;
    usage_ = usage;
    error_ = error;
    changed_.notify_all();
  }

  /// Until OnFinish; fails the test after 60 s.
  FinishReason Wait() {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, std::chrono::seconds(60), [this] { return finished_; }))
        << "never finished";
    return reason_;
  }
  void WaitForTokens(size_t count) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(
        changed_.wait_for(lock, std::chrono::seconds(60), [&] { return tokens_.size() >= count; }));
  }
  bool finished() const {
    const std::lock_guard lock(mutex_);
    return finished_;
  }
  std::vector<int32_t> ids() const {
    const std::lock_guard lock(mutex_);
    std::vector<int32_t> out;
    for (const TokenEvent& t : tokens_) out.push_back(t.id);
    return out;
  }
  std::vector<TokenEvent> tokens() const {
    const std::lock_guard lock(mutex_);
    return tokens_;
  }
  std::vector<TokenEvent> prompt() const {
    const std::lock_guard lock(mutex_);
    return prompt_;
  }
  int prompt_pieces() const {
    const std::lock_guard lock(mutex_);
    return prompt_pieces_;
  }
  Usage usage() const { return usage_; }         ///< after Wait
  absl::Status error() const { return error_; }  ///< after Wait

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<TokenEvent> tokens_, prompt_;
  int prompt_pieces_ = 0;
  bool finished_ = false;
  FinishReason reason_ = FinishReason::kError;
  Usage usage_;
  absl::Status error_;
};

}  // namespace deepseek::engine
