#include "tests/support/agent/fake_agent.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/time/clock.h"
#include "base/json_full.h"
#include "base/strings.h"
#include "engine/refusal.h"

namespace deepseek::testing {
namespace {

using engine::FinishReason;

constexpr std::array<std::string_view, 5> kAdded = {"<|user|>", "<|assistant|>", "<|eos|>",
                                                    "<think>", "</think>"};

class FakeTokenizer : public engine::Tokenizer {
 public:
  std::vector<int32_t> Encode(std::string_view text, engine::AddedTokens added) const override {
    const engine::TextSpan span{text, added != engine::AddedTokens::kNone};
    return EncodeSpans({&span, 1});
  }
  std::vector<int32_t> EncodeSpans(absl::Span<const engine::TextSpan> spans) const override {
    std::vector<int32_t> ids;
    for (const engine::TextSpan& span : spans) {
      for (size_t at = 0; at < span.text.size();) {
        const auto added = std::find_if(kAdded.begin(), kAdded.end(), [&](std::string_view word) {
          return span.parse_added && span.text.substr(at).starts_with(word);
        });
        if (added != kAdded.end()) {
          ids.push_back(static_cast<int32_t>(256 + (added - kAdded.begin())));
          at += added->size();
        } else {
          ids.push_back(static_cast<unsigned char>(span.text[at++]));
        }
      }
    }
    return ids;
  }
  std::string Decode(absl::Span<const int32_t> ids, bool) const override {
    std::string text;
    for (const int32_t id : ids) text += TokenBytes(id);
    return text;
  }
  std::string_view TokenBytes(int32_t id) const override {
    static const std::string bytes = [] {
      std::string all;
      for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
      return all;
    }();
    if (id < 0 || id >= size()) return {};
    return id < 256 ? std::string_view(bytes).substr(static_cast<size_t>(id), 1)
                    : kAdded[static_cast<size_t>(id) - 256];
  }
  bool IsSpecial(int32_t id) const override { return id == kEosId; }
  bool IsAdded(int32_t id) const override { return id >= 256 && id < size(); }
  int32_t TokenId(std::string_view content) const override {
    const auto it = std::find(kAdded.begin(), kAdded.end(), content);
    return it == kAdded.end() ? -1 : static_cast<int32_t>(256 + (it - kAdded.begin()));
  }
  absl::Span<const int32_t> PrefixIds() const override { return {}; }
  int64_t LeastTokens(size_t bytes) const override {
    return static_cast<int64_t>(bytes / kAdded[1].size());
  }
  int32_t size() const override { return 261; }
};

class FakeTemplate : public engine::ChatTemplate {
 public:
  absl::StatusOr<engine::RenderedChat> Render(const OrderedJson& variables,
                                              const engine::RenderLimits&) const override {
    engine::RenderedChat out;
    const auto add = [&](std::string_view text, bool input) {
      out.marks.push_back({out.text.size(), out.text.size() + text.size(), input});
      out.text += text;
    };
    for (const OrderedJson& message : variables["messages"]) {
      if (message["role"] == "tool") return absl::InvalidArgumentError("no tools here");
      add("<|user|>", false);
      if (message["content"].is_string()) add(message["content"].get<std::string>(), true);
    }
    add("<|assistant|>", false);
    if (variables.value("thinking", false)) add("<think>", false);
    return out;
  }
};

}  // namespace

FakeEngine::FakeEngine(Options options) : options_(std::move(options)), held_(options_.held) {
  spec_.family = "fake";
  spec_.vocab = 261;
  thread_ = std::thread([this] { Loop(); });
}

FakeEngine::~FakeEngine() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

absl::StatusOr<engine::RequestId> FakeEngine::Submit(engine::Request request,
                                                     std::shared_ptr<engine::Sink> sink) {
  const std::lock_guard lock(mutex_);
  if (draining_) return absl::UnavailableError("draining");
  if (static_cast<int32_t>(live_.size()) >= options_.max_queue)
    return engine::Refused("the queue is full", absl::Seconds(6.5));
  requests_.push_back(request);
  std::vector<int32_t> answer = options_.script(request);
  live_[++last_id_] = {std::move(request), std::move(sink), std::move(answer)};
  changed_.notify_all();
  return last_id_;
}

void FakeEngine::Cancel(engine::RequestId id) {
  const std::lock_guard lock(mutex_);
  cancels_.push_back(id);
  changed_.notify_all();
}

int FakeEngine::Drain(absl::Time deadline) {
  std::unique_lock lock(mutex_);
  draining_ = true;
  const absl::Duration wait = std::max(deadline - absl::Now(), absl::ZeroDuration());
  changed_.wait_for(lock, absl::ToChronoMilliseconds(wait), [this] { return live_.empty(); });
  const int left = static_cast<int>(live_.size());
  for (const auto& [id, _] : live_) cancels_.push_back(id);
  changed_.notify_all();
  changed_.wait(lock, [this] { return live_.empty(); });
  return left;
}

engine::Stats FakeEngine::stats() const {
  const std::lock_guard lock(mutex_);
  engine::Stats stats;
  stats.running = static_cast<int32_t>(live_.size());
  stats.kv_blocks_total = 10;
  stats.steps = steps_;
  return stats;
}

void FakeEngine::Release() {
  const std::lock_guard lock(mutex_);
  held_ = false;
  changed_.notify_all();
}

bool FakeEngine::WaitUntil(const std::function<bool(const engine::Stats&)>& condition) {
  const absl::Time deadline = absl::Now() + absl::Seconds(20);
  while (!condition(stats())) {
    if (absl::Now() > deadline) return false;
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::milliseconds(20));
  }
  return true;
}

int FakeEngine::cancelled() const {
  const std::lock_guard lock(mutex_);
  return cancelled_;
}

std::vector<engine::Request> FakeEngine::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

// Two tokens a step; the log-prob tells the position.
std::vector<engine::TokenEvent> FakeEngine::Score(Live* live) {
  std::vector<engine::TokenEvent> told;
  for (int i = 0; i < 2 && live->scored < live->request.prompt.size(); ++i, ++live->scored) {
    engine::TokenEvent& token = told.emplace_back();
    token.id = live->request.prompt[live->scored];
    token.logprob = -static_cast<float>(live->scored);
    for (int32_t t = 0; t < live->request.prompt_logprobs; ++t)
      token.top.push_back({'A' + t, -0.25F - static_cast<float>(t)});
  }
  return told;
}

// As the real one: sinks are called without the lock.
void FakeEngine::Loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock,
                  [this] { return stop_ || !cancels_.empty() || (!held_ && !live_.empty()); });
    const auto finish = [&](engine::RequestId id, FinishReason reason, const absl::Status& error) {
      const auto node = live_.extract(id);
      if (node.empty()) return;
      engine::Usage usage;
      usage.prompt_tokens = static_cast<int32_t>(node.mapped().request.prompt.size());
      usage.generated_tokens = node.mapped().made;
      usage.cached_tokens = 1;
      cancelled_ += reason == FinishReason::kCancelled ? 1 : 0;
      lock.unlock();
      node.mapped().sink->OnFinish(reason, usage, error);
      lock.lock();
    };
    while (!cancels_.empty()) {
      const engine::RequestId id = cancels_.front();
      cancels_.pop_front();
      finish(id, FinishReason::kCancelled, absl::OkStatus());
    }
    if (stop_) {
      while (!live_.empty())
        finish(live_.begin()->first, FinishReason::kCancelled, absl::OkStatus());
      return;
    }
    std::vector<engine::RequestId> ids;
    for (const auto& [id, _] : live_) ids.push_back(id);
    for (const engine::RequestId id : held_ ? std::vector<engine::RequestId>{} : ids) {
      Live& live = live_.at(id);
      if (live.request.prompt_logprobs >= 0 && live.scored < live.request.prompt.size()) {
        const std::vector<engine::TokenEvent> told = Score(&live);
        const std::shared_ptr<engine::Sink> sink = live.sink;
        lock.unlock();
        sink->OnPrompt(told);
        lock.lock();
        continue;
      }
      if (live.request.prompt_only) {
        finish(id, FinishReason::kLength, absl::OkStatus());
        continue;
      }
      engine::TokenEvent token;
      token.id = live.answer[static_cast<size_t>(live.made) % live.answer.size()];
      token.logprob = -0.5F;
      for (int32_t t = 0; t < live.request.top_logprobs; ++t)
        token.top.push_back({'a' + t, -0.5F - static_cast<float>(t)});
      ++live.made;
      const bool stop =
          std::count(live.request.stop_ids.begin(), live.request.stop_ids.end(), token.id) > 0;
      token.ends = stop;
      const bool full = live.made >= live.request.max_tokens;
      const std::shared_ptr<engine::Sink> sink = live.sink;
      lock.unlock();
      sink->OnToken(token);
      lock.lock();
      if (!options_.error.ok()) {
        finish(id, FinishReason::kError, options_.error);
      } else if (stop || full) {
        finish(id, stop ? FinishReason::kStop : FinishReason::kLength, absl::OkStatus());
      }
    }
    ++steps_;
    changed_.notify_all();
  }
}

std::vector<int32_t> BytesThenEos(std::string_view text) {
  std::vector<int32_t> ids;
  for (const unsigned char c : text) ids.push_back(c);
  ids.push_back(kEosId);
  return ids;
}

std::unique_ptr<agent::LoadedModel> FakeModel(std::unique_ptr<engine::Engine> engine) {
  auto model = std::make_unique<agent::LoadedModel>();
  model->served_name = "fake";
  model->text.tokenizer = std::make_unique<FakeTokenizer>();
  model->text.chat_template = std::make_unique<FakeTemplate>();
  model->defaults.eos_ids = {kEosId};
  model->engine = std::move(engine);
  return model;
}

}  // namespace deepseek::testing
