#include "tests/support/engine/fake_model.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/status.h"

namespace deepseek::engine {
namespace {

// splitmix64's finaliser.
uint64_t Mix(uint64_t x) {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9ULL;
  x ^= x >> 27;
  x *= 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

uint64_t Extend(uint64_t before, int32_t token, int32_t position, RowPath path) {
  return Mix(before +
             Mix(static_cast<uint64_t>(token) * 8191 + static_cast<uint64_t>(position) * 2 +
                 (path == RowPath::kAbsorbed ? 1 : 0) + 1));
}

}  // namespace

absl::Status FakeBackend::Download(const Buffer&, absl::Span<uint8_t> bytes) {
  if (bytes.size() > logits.size() * sizeof(float))
    return absl::InternalError("download: past the logits");
  std::memcpy(bytes.data(), logits.data(), bytes.size());
  return absl::OkStatus();
}

void FakeBackend::Sample(const Buffer&, absl::Span<const SampleSpec> specs,
                         std::vector<SampleResult>* results) {
  results->clear();
  for (const SampleSpec& spec : specs) {
    const auto row = logits.begin() + int64_t{spec.row} * vocab;
    SampleResult r;
    r.finite = std::all_of(row, row + vocab, [](float x) { return std::isfinite(x); });
    const auto may = [&](int32_t id) {
      return spec.allowed == nullptr || (spec.allowed[id / 64] >> (id % 64) & 1) != 0;
    };
    int32_t best = -1;
    for (int32_t id = 0; id < vocab; ++id) {
      if (may(id) && (best < 0 || row[id] > row[best])) best = id;
    }
    if (r.finite) r.id = best;
    r.logprob = -0.5F;
    if (spec.given >= 0) {
      r.id = spec.given;
      r.logprob = row[spec.given];
    }
    for (int32_t i = 0; i < spec.top_logprobs; ++i)
      r.top.emplace_back(i, -1.0F * static_cast<float>(i));
    results->push_back(r);
  }
}

FakeModel::FakeModel(const Options& o)
    : limits_(o.limits),
      one_path_(o.one_path),
      cache_(o.kv_blocks, std::vector<uint64_t>(kBlockTokens)) {
  spec_.family = "fake";
  spec_.vocab = backend_.vocab = o.vocab;
  spec_.max_positions = o.max_positions;
  spec_.attention = o.one_path ? Attention::kGqa : Attention::kMla;
  spec_.layers = 2;
  spec_.hidden = 3;
  spec_.mtp_layers = o.mtp ? 1 : 0;
  options_.max_batch = o.max_batch;
  options_.load_mtp = o.mtp;
}

void FakeModel::WriteLogits(uint64_t state, bool poisoned, float* row) const {
  for (int32_t v = 0; v < spec_.vocab; ++v) {
    row[v] = static_cast<float>(Mix(state + static_cast<uint64_t>(v)) >> 40);
  }
  if (poisoned) row[0] = std::numeric_limits<float>::quiet_NaN();
}

uint64_t FakeModel::RowState(const Batch& batch, const Segment& segment, int32_t position) const {
  const int32_t block = batch.block_ids[segment.first_block + position / kBlockTokens];
  return cache_[block][position % kBlockTokens];
}

absl::Status FakeModel::Forward(const Batch& batch) {
  ++forwards_;
  {
    std::unique_lock lock(mutex_);
    waiting_ = forwards_ >= hold_at_;
    gate_.notify_all();
    gate_.wait(lock, [this] { return forwards_ < hold_at_; });
    waiting_ = false;
  }
  const auto rows = static_cast<int32_t>(batch.tokens.size());
  if (rows > limits_.max_rows ||
      static_cast<int32_t>(batch.logit_rows.size()) > limits_.max_logit_rows) {
    return absl::InternalError("forward: more rows than planned");
  }
  rows_computed += rows;
  max_rows_seen = std::max<int>(max_rows_seen, rows);
  max_segments_seen = std::max<int>(max_segments_seen, static_cast<int>(batch.segments.size()));
  if (fail_forwards > 0) {
    --fail_forwards;
    return absl::InternalError("forward: broken for a test");
  }
  std::vector<uint64_t>& states = states_;
  states.assign(static_cast<size_t>(rows), 0);
  for (const Segment& s : batch.segments) {
    if (s.blocks * kBlockTokens < s.context + s.rows)
      return absl::InternalError("forward: block table too short");
    if (s.path == RowPath::kMaterialised) rows_materialised += s.rows;
    for (int32_t i = 0; i < s.rows; ++i) {
      const int32_t position = s.context + i;
      const uint64_t before = position == 0 ? 0 : RowState(batch, s, position - 1);
      const int32_t block = batch.block_ids[s.first_block + position / kBlockTokens];
      states[s.first_row + i] = Extend(before, batch.tokens[s.first_row + i], position,
                                       one_path_ ? RowPath::kMaterialised : s.path);
      cache_[block][position % kBlockTokens] = states[s.first_row + i];
    }
  }
  RETURN_IF_ERROR(MoreLogits(batch));
  if (hidden_ != nullptr) {
    hidden_->clear();
    for (int32_t layer = 0; layer <= spec_.layers; ++layer) {
      for (const uint64_t s : states) {
        for (int32_t d = 0; d < spec_.hidden; ++d) {
          hidden_->push_back(static_cast<float>((s >> 44) + static_cast<uint64_t>(layer * 10 + d)));
        }
      }
    }
  }
  return absl::OkStatus();
}

absl::Status FakeModel::MoreLogits(const Batch& batch) {
  if (static_cast<int32_t>(batch.logit_rows.size()) > limits_.max_logit_rows ||
      batch.tokens.size() != states_.size()) {
    return absl::InternalError("more logits: not the batch of the last step");
  }
  backend_.logits.resize(batch.logit_rows.size() * spec_.vocab);
  for (size_t i = 0; i < batch.logit_rows.size(); ++i) {
    const int32_t row = batch.logit_rows[i];
    WriteLogits(states_[row], batch.tokens[row] == poison_token, &backend_.logits[i * spec_.vocab]);
  }
  return absl::OkStatus();
}

Buffer FakeModel::logits() const {
  Buffer b;
  b.handle = 1;
  b.shape = {limits_.max_logit_rows, spec_.vocab, 0};
  return b;
}

absl::Status FakeModel::ForwardMtp(const Batch& batch, absl::Span<const int32_t> next_tokens,
                                   std::vector<float>* out) {
  out->assign(next_tokens.size() * spec_.vocab, 0);
  for (size_t i = 0; i < next_tokens.size(); ++i) {
    (*out)[i * spec_.vocab] = static_cast<float>(batch.tokens[i] * 1000 + next_tokens[i]);
  }
  return absl::OkStatus();
}

RowPath FakeModel::PathOf(int32_t position, const std::vector<int32_t>& prompt) const {
  if (one_path_) return RowPath::kMaterialised;
  return position < FirstAbsorbed(static_cast<int32_t>(prompt.size()), true)
             ? RowPath::kMaterialised
             : RowPath::kAbsorbed;
}

std::vector<int32_t> FakeModel::Expected(const std::vector<int32_t>& prompt, int32_t tokens) const {
  uint64_t state = 0;
  int32_t position = 0;
  for (const int32_t t : prompt) {
    state = Extend(state, t, position, PathOf(position, prompt));
    ++position;
  }
  std::vector<int32_t> answer;
  std::vector<float> row(spec_.vocab);
  while (static_cast<int32_t>(answer.size()) < tokens) {
    WriteLogits(state, false, row.data());
    answer.push_back(static_cast<int32_t>(std::max_element(row.begin(), row.end()) - row.begin()));
    state = Extend(state, answer.back(), position, PathOf(position, prompt));
    ++position;
  }
  return answer;
}

std::vector<float> FakeModel::ExpectedScores(const std::vector<int32_t>& prompt) const {
  uint64_t state = 0;
  std::vector<float> scores, row(spec_.vocab);
  for (size_t i = 0; i + 1 < prompt.size(); ++i) {
    const auto position = static_cast<int32_t>(i);
    state = Extend(state, prompt[i], position, PathOf(position, prompt));
    WriteLogits(state, false, row.data());
    scores.push_back(row[prompt[i + 1]]);
  }
  return scores;
}

void FakeModel::HoldAt(int64_t forward) {
  const std::lock_guard lock(mutex_);
  hold_at_ = forward;
}

void FakeModel::Release() {
  const std::lock_guard lock(mutex_);
  hold_at_ = std::numeric_limits<int64_t>::max();
  gate_.notify_all();
}

void FakeModel::WaitUntilHeld() {
  std::unique_lock lock(mutex_);
  gate_.wait(lock, [this] { return waiting_; });
}

}  // namespace deepseek::engine
