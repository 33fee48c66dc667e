#include "engine/schedule/plan.h"

#include <algorithm>

namespace deepseek::engine {
namespace {

/// One planning pass; the members are the snapshot as the decisions so far have changed it.
class Planner {
 public:
  Planner(const Queues& queues, const Cache& cache, const Policy& policy, absl::Time now)
      : policy_(policy),
        now_(now),
        free_(cache.blocks_free),
        block_tokens_(cache.block_tokens),
        holders_(cache.holders.begin(), cache.holders.end()) {
    for (const Sequence& s : queues.running) Sort(s, &running_);
    for (const Sequence& s : queues.waiting) Sort(s, &waiting_);
    std::sort(running_.begin(), running_.end(), Senior);
    std::sort(waiting_.begin(), waiting_.end(), Senior);
  }

  Step Run() {
    if (WaitsForCompany()) return std::move(step_);
    PlanGenerated();
    generated_ = rows_;
    PlanPrompts();
    if (step_.work.empty()) step_.wake = NextDeadline();
    return std::move(step_);
  }

 private:
  void Sort(const Sequence& s, std::vector<Sequence>* into) {
    if (s.deadline <= now_) {
      step_.expire.push_back(s.id);
      GiveBack(s);
    } else {
      into->push_back(s);
    }
  }

  // Only an idle engine waits, and only until its oldest request has waited max_batch_delay or the
  // batch is full.
  bool WaitsForCompany() {
    if (!running_.empty() || waiting_.empty()) return false;
    if (static_cast<int32_t>(waiting_.size()) >= policy_.max_batch) return false;
    absl::Time oldest = absl::InfiniteFuture();
    for (const Sequence& s : waiting_) oldest = std::min(oldest, s.arrival);
    const absl::Time start = oldest + policy_.max_batch_delay;
    if (start <= now_) return false;
    step_.wake = std::min(start, NextDeadline());
    return true;
  }

  absl::Time NextDeadline() const {
    absl::Time next = absl::InfiniteFuture();
    for (const Sequence& s : waiting_) next = std::min(next, s.deadline);
    return next;
  }

  // Blocks without a holder afterwards are free.
  void GiveBack(const Sequence& s) {
    if (s.blocks == 0) return;
    free_ += s.blocks - static_cast<int32_t>(s.kept.size());
    for (const int32_t block : s.kept) {
      if (--holders_[static_cast<size_t>(block)] == 0) ++free_;
    }
  }

  // Of the free ones, with those of the prefix cache that nobody holds now.
  int32_t Need(const Sequence& s) const {
    const auto held = std::count_if(s.kept.begin(), s.kept.end(), [this](int32_t block) {
      return holders_[static_cast<size_t>(block)] > 0;
    });
    return BlocksFor(s.known_tokens, block_tokens_) - static_cast<int32_t>(held);
  }

  void PreemptMostJunior() {
    step_.preempt.push_back(running_.back().id);
    GiveBack(running_.back());
    running_.pop_back();
  }

  // Generated rows, most senior first; who finds no block takes those of the most junior, at last
  // its own.
  void PlanGenerated() {
    for (size_t i = 0; i < running_.size(); ++i) {
      if (!running_[i].decoding()) continue;
      const int32_t need = BlocksFor(running_[i].known_tokens, block_tokens_) - running_[i].blocks;
      while (i < running_.size() && need > free_) PreemptMostJunior();
      if (i >= running_.size()) break;
      Give(&running_[i], 1, std::max(need, 0));
    }
  }

  // Prompts (and rows to compute again) and newcomers, by seniority: the first newcomer that does
  // not fit is the last one looked at, so that no small request overtakes a large one for ever.
  void PlanPrompts() {
    size_t next = 0;  // of running_; MakeRoom only removes sequences behind it
    for (Sequence& s : waiting_) {
      for (; next < running_.size() && Senior(running_[next], s); ++next) Continue(&running_[next]);
      if (!Admit(&s)) break;
    }
    for (; next < running_.size(); ++next) Continue(&running_[next]);
  }

  // Prompt rows that the step still has room for, when `s` comes next.
  int32_t PromptRowsLeft(const Sequence& s) const {
    const int32_t given = rows_ - generated_;
    const int32_t room = policy_.max_rows - rows_;
    const CostModel& cost = policy_.cost;
    if (policy_.step_target == absl::InfiniteDuration()) return room;
    if (cost.per_prompt_row <= absl::ZeroDuration())
      return std::min(room, kFirstPromptRows - given);
    const absl::Duration time = given > 0 ? prompt_time_ : PromptTimeFor(s);
    const int32_t rows = RowsWithin(cost, time, s.computed, s.first_absorbed);
    return std::min(room, std::max(rows, kLeastPromptRows - given));
  }

  absl::Duration PromptTimeFor(const Sequence& s) const {
    return PromptTime(policy_.cost, generated_, s.computed, policy_.step_target, s.first_absorbed);
  }

  // The blocks were taken at admission.
  void Continue(Sequence* s) {
    if (!s->decoding()) GivePromptRows(s, 0);
  }

  bool Admit(Sequence* s) {
    if (PromptRowsLeft(*s) <= 0 || s->follows) return false;
    if (!Fits(*s) && !MakeRoom(*s)) return false;
    step_.admit.push_back(s->id);
    ++admitted_;
    if (Grows(*s)) ++admitted_that_grow_;
    free_ -= Need(*s);
    for (const int32_t block : s->kept) ++holders_[static_cast<size_t>(block)];
    s->blocks = BlocksFor(s->known_tokens, block_tokens_);
    GivePromptRows(s, 0);
    return true;
  }

  // A block that the sequence may still take: its last token is never computed.
  bool Grows(const Sequence& s) const {
    return BlocksFor(s.known_tokens + s.answer_left - 1, block_tokens_) >
           BlocksFor(s.known_tokens, block_tokens_);
  }

  // One block for each running sequence that may still grow is left free, or a new one would soon
  // be preempted again.
  bool Fits(const Sequence& s) const {
    const int32_t others = static_cast<int32_t>(running_.size()) + admitted_;
    const auto grow = std::count_if(running_.begin(), running_.end(),
                                    [this](const Sequence& other) { return Grows(other); });
    return others < policy_.max_batch &&
           Need(s) + static_cast<int32_t>(grow) + admitted_that_grow_ <= free_;
  }

  // A request of higher priority takes the place of the lowest ones, if that lets it in.
  bool MakeRoom(const Sequence& s) {
    if (running_.empty() || running_.back().priority >= s.priority) return false;
    const std::vector<Sequence> running = running_;
    const std::vector<int32_t> holders = holders_;
    const int32_t free = free_;
    while (!running_.empty() && running_.back().priority < s.priority) {
      GiveBack(running_.back());
      running_.pop_back();
      if (!Fits(s)) continue;
      for (size_t i = running.size(); i-- > running_.size();) {
        Withdraw(running[i].id);
        step_.preempt.push_back(running[i].id);
      }
      return true;
    }
    running_ = running;
    holders_ = holders;
    free_ = free;
    return false;
  }

  void GivePromptRows(Sequence* s, int32_t new_blocks) {
    const int32_t rows = std::min(s->rows_left(), PromptRowsLeft(*s));
    if (rows <= 0) return;
    if (rows_ == generated_) prompt_time_ = PromptTimeFor(*s);
    prompt_time_ -= ChunkTime(policy_.cost, rows, s->computed, s->first_absorbed);
    Give(s, rows, new_blocks);
  }

  void Give(Sequence* s, int32_t rows, int32_t new_blocks) {
    free_ -= new_blocks;
    s->blocks += new_blocks;
    rows_ += rows;
    step_.work.push_back({s->id, rows, s->blocks});
  }

  // The work (a generated row) of a sequence that is about to be preempted.
  void Withdraw(uint64_t id) {
    const auto it = std::find_if(step_.work.begin(), step_.work.end(),
                                 [id](const Work& w) { return w.id == id; });
    if (it == step_.work.end()) return;
    rows_ -= it->rows;
    generated_ -= it->rows;
    step_.work.erase(it);
  }

  const Policy& policy_;
  const absl::Time now_;
  int32_t free_;
  const int32_t block_tokens_;
  std::vector<int32_t> holders_;  // of each block
  int32_t rows_ = 0;
  int32_t generated_ = 0;       // of rows_
  absl::Duration prompt_time_;  // what is left of it, once the first prompt rows were given
  int32_t admitted_ = 0, admitted_that_grow_ = 0;
  std::vector<Sequence> running_, waiting_;
  Step step_;
};

}  // namespace

bool Senior(const Sequence& a, const Sequence& b) {
  if (a.priority != b.priority) return a.priority > b.priority;
  return a.turn != b.turn ? a.turn < b.turn : a.ticket < b.ticket;
}

int32_t BlocksFor(int32_t tokens, int32_t block_tokens) {
  return tokens / block_tokens + (tokens % block_tokens != 0 ? 1 : 0);
}

Step Plan(const Queues& queues, const Cache& cache, const Policy& policy, absl::Time now) {
  return Planner(queues, cache, policy, now).Run();
}

}  // namespace deepseek::engine
