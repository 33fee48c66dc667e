#include "agent/grammar/constraint.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

namespace deepseek::agent::grammar {
namespace {

constexpr std::string_view kThink = "<think>";
constexpr std::string_view kEndThink = "</think>";
constexpr std::string_view kSpace = " \t\r\n";
constexpr size_t kNone = std::string_view::npos;
/// No token is so long and has this in it.
constexpr size_t kMostRest = 32;

class GrammarConstraint final : public engine::TokenConstraint {
 public:
  GrammarConstraint(std::shared_ptr<const ConstraintPlan> plan, const engine::Tokenizer& tokenizer)
      : plan_(std::move(plan)),
        tokenizer_(tokenizer),
        matcher_(*plan_->matcher),
        mask_(matcher_.vocabulary().words()) {
    phase_ = plan_->begins_thinking ? Phase::kThinking : Phase::kBefore;
    if (phase_ == Phase::kBefore && !plan_->waits()) Begin();
  }

  const uint64_t* Allowed(int32_t tokens_left) override {
    if (phase_ == Phase::kLost) return nullptr;
    if (phase_ != Phase::kGrammar) {
      if (plan_->waits()) return phase_ == Phase::kBefore ? AllThatFit() : nullptr;
      return AllButStops();
    }
    std::fill(mask_.begin(), mask_.end(), 0);
    matcher_.Allowed(at_, tokens_left, mask_.data());
    if (matcher_.CanEnd(at_)) {
      for (const int32_t id : plan_->stop_ids) AllowId(id);
    }
    return mask_.data();
  }

  void Accept(int32_t id) override {
    switch (phase_) {
      case Phase::kThinking:
        return Think(id);
      case Phase::kBefore:
        if (id == plan_->trigger) return Begin();
        Open(id);
        if (phase_ == Phase::kBefore) Watch(tokenizer_.TokenBytes(id));
        return;
      case Phase::kGrammar:
        at_ = matcher_.Advance(at_, id);
        // Only an engine that ignores the mask comes here; the answer is then as free as it wants.
        if (at_ == Matcher::kNowhere) phase_ = Phase::kLost;
        return;
      case Phase::kLost:
        return;
    }
  }

  bool MayEnd() const override { return phase_ != Phase::kGrammar || matcher_.CanEnd(at_); }
  bool Complete() const override { return phase_ == Phase::kGrammar && matcher_.MustEnd(at_); }
  int32_t vocab() const override { return matcher_.vocabulary().size(); }

 private:
  enum class Phase { kThinking, kBefore, kGrammar, kLost };

  void Begin() {
    phase_ = Phase::kGrammar;
    at_ = matcher_.Start();
  }

  /// Where `text`, the latest of a free answer, begins to be an opening or what may become one;
  /// npos: nowhere.
  size_t OpeningIn(std::string_view text) const {
    if (plan_->opens_answer) {
      const size_t first = text.find_first_not_of(kSpace);
      return first == std::string_view::npos || Fits(text.substr(first)) ? first : kNone;
    }
    for (size_t at = 0; at < text.size(); ++at) {
      if (Fits(text.substr(at))) return at;
    }
    return kNone;
  }
  bool Fits(std::string_view text) const {
    return std::any_of(plan_->openings.begin(), plan_->openings.end(), [&](const std::string& o) {
      return text.starts_with(o) || o.starts_with(text);
    });
  }
  bool Opened(std::string_view text) const {
    return std::any_of(plan_->openings.begin(), plan_->openings.end(),
                       [&](const std::string& o) { return text.starts_with(o); });
  }

  /// A free answer goes on with `bytes`: the grammar begins with the first opening.
  void Watch(std::string_view bytes) {
    if (plan_->openings.empty() || (plan_->opens_answer && told_)) return;
    said_ += bytes;
    const size_t at = OpeningIn(said_);
    if (at == kNone) {
      told_ = said_.find_first_not_of(kSpace) != std::string::npos;
      return said_.clear();
    }
    said_.erase(0, at);
    if (!Opened(said_)) return;
    phase_ = Phase::kGrammar;
    at_ = matcher_.AdvanceBytes(matcher_.Start(), said_);
    if (at_ == Matcher::kNowhere) phase_ = Phase::kLost;
  }

  /// All but the tokens that complete an opening and go on as no call does; null: these are none.
  const uint64_t* AllThatFit() {
    if (said_.empty()) return nullptr;
    std::vector<std::string_view> rests;
    size_t shortest = kMostRest;
    for (const std::string& opening : plan_->openings) {
      if (!opening.starts_with(said_)) continue;
      const std::string_view rest = std::string_view(opening).substr(said_.size());
      if (rest.size() >= kMostRest) continue;
      rests.push_back(rest);
      shortest = std::min(shortest, rest.size());
    }
    if (rests.empty()) return nullptr;
    bool all = true;
    for (int32_t id = 0; id < std::min(vocab(), tokenizer_.size()); ++id) {
      const std::string_view bytes = tokenizer_.TokenBytes(id);
      if (bytes.size() <= shortest) continue;
      const bool completes = std::any_of(rests.begin(), rests.end(), [&](std::string_view rest) {
        return bytes.size() > rest.size() && bytes.starts_with(rest);
      });
      if (!completes) continue;
      std::string text = said_;
      text += bytes;
      if (matcher_.AdvanceBytes(matcher_.Start(), text) != Matcher::kNowhere) continue;
      if (all) std::fill(mask_.begin(), mask_.end(), ~uint64_t{0});
      all = false;
      mask_[id / 64] &= ~(uint64_t{1} << (id % 64));
    }
    return all ? nullptr : mask_.data();
  }

  void AllowId(int32_t id) {
    if (id >= 0 && id < vocab()) Allow(mask_.data(), id);
  }

  /// An answer whose first word is <think> thinks: calls in its reasoning are none.
  void Open(int32_t id) {
    if (opened_) return;
    tail_ += tokenizer_.TokenBytes(id);
    const size_t first = std::min(tail_.find_first_not_of(kSpace), tail_.size());
    const std::string_view word = std::string_view(tail_).substr(first);
    if (kThink.starts_with(word) && word != kThink) return;
    opened_ = true;
    if (word.starts_with(kThink)) phase_ = Phase::kThinking;
    tail_.clear();
  }

  /// While it thinks it may say anything but stop, and nothing that would run on behind </think>.
  const uint64_t* AllButStops() {
    if (tail_.empty() && !thinking_.empty()) return thinking_.data();
    std::fill(mask_.begin(), mask_.end(), 0);
    for (int32_t id = 0; id < std::min(vocab(), tokenizer_.size()); ++id) {
      if (!RunsOn(id)) Allow(mask_.data(), id);
    }
    for (const int32_t id : plan_->stop_ids) {
      if (id >= 0 && id < vocab()) mask_[id / 64] &= ~(uint64_t{1} << (id % 64));
    }
    if (tail_.empty()) thinking_ = mask_;
    return mask_.data();
  }

  bool RunsOn(int32_t id) const {
    const std::string_view bytes = tokenizer_.TokenBytes(id);
    const size_t close = bytes.find('>');
    if (tail_.empty() && bytes.find(kEndThink) == std::string_view::npos) return false;
    if (close == std::string_view::npos) return false;
    std::string text = tail_;
    text += bytes;
    const size_t at = text.find(kEndThink);
    return at != std::string::npos &&
           text.find_first_not_of(kSpace, at + kEndThink.size()) != std::string::npos;
  }

  void Think(int32_t id) {
    tail_ += tokenizer_.TokenBytes(id);
    if (tail_.find(kEndThink) != std::string::npos) {
      tail_.clear();
      opened_ = true;
      phase_ = Phase::kBefore;
      said_.clear();
      told_ = false;
      if (!plan_->waits()) Begin();
      return;
    }
    // What can still become the mark.
    size_t keep = std::min(tail_.size(), kEndThink.size() - 1);
    while (keep > 0 && tail_.substr(tail_.size() - keep) != kEndThink.substr(0, keep)) --keep;
    tail_.erase(0, tail_.size() - keep);
  }

  const std::shared_ptr<const ConstraintPlan> plan_;
  const engine::Tokenizer& tokenizer_;
  Matcher& matcher_;
  TokenMask mask_;
  TokenMask thinking_;  ///< AllButStops with an empty tail, once it has been asked for
  Phase phase_ = Phase::kThinking;
  Matcher::Position at_ = Matcher::kNowhere;
  std::string tail_;     ///< the end of what was thought, as far as it begins </think>
  bool opened_ = false;  ///< the answer's first word is known
  std::string said_;     ///< the end of a free answer, as far as it may become an opening
  bool told_ = false;    ///< the answer has begun, and not with an opening
};

}  // namespace

std::unique_ptr<engine::TokenConstraint> MakeConstraint(std::shared_ptr<const ConstraintPlan> plan,
                                                        const engine::Tokenizer& tokenizer) {
  return std::make_unique<GrammarConstraint>(std::move(plan), tokenizer);
}

}  // namespace deepseek::agent::grammar
