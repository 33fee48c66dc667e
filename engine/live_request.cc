#include "engine/live_request.h"

#include <algorithm>

namespace deepseek::engine {

Sequence ToSequence(const LiveRequest& live) {
  Sequence s;
  s.id = live.id;
  s.ticket = live.id;  // ids are given in order of arrival
  s.priority = live.request.priority;
  s.turn = live.turn;
  s.arrival = live.arrival;
  s.deadline = live.request.deadline;
  s.known_tokens = live.known_tokens();
  s.prompt_tokens = live.prompt_tokens();
  s.first_absorbed = live.first_absorbed;
  s.answer_left = live.answer_limit - static_cast<int32_t>(live.generated.size());
  s.computed = live.computed;
  s.blocks = static_cast<int32_t>(live.blocks.size());
  s.kept = absl::MakeConstSpan(live.blocks).first(static_cast<size_t>(live.kept));
  if (!live.running) {
    s.kept = live.cached;
    s.computed = static_cast<int32_t>(live.cached.size()) * kBlockTokens;
  }
  return s;
}

bool AppendRows(const LiveRequest& live, int32_t rows, Batch* batch) {
  const int32_t begin = live.computed;
  const int32_t end = begin + rows;
  const auto first_block = static_cast<int32_t>(batch->block_ids.size());
  const auto blocks = BlocksFor(end, kBlockTokens);
  AppendSegments(begin, rows, live.first_absorbed, first_block, blocks, batch);
  batch->block_ids.insert(batch->block_ids.end(), live.blocks.begin(),
                          live.blocks.begin() + blocks);
  for (int32_t p = begin; p < end; ++p) batch->tokens.push_back(live.token(p));
  const bool samples = end == live.known_tokens() && !live.request.prompt_only;
  if (samples) batch->logit_rows.push_back(static_cast<int32_t>(batch->tokens.size()) - 1);
  return samples;
}

std::vector<PromptRow> RowsToScore(const LiveRequest& live, int32_t rows, const Batch& batch) {
  std::vector<PromptRow> out;
  if (!live.scoring()) return out;
  const int32_t end = live.computed + rows;
  const auto behind = static_cast<int32_t>(batch.tokens.size());
  for (int32_t p = std::max(live.scored, live.computed + 1);
       p < std::min(live.prompt_tokens(), end + 1); ++p) {
    out.push_back({behind - (end - (p - 1)), p});
  }
  return out;
}

SampleSpec ScoreOf(const LiveRequest& live, int32_t position, int32_t row) {
  SampleSpec spec;
  spec.row = row;
  spec.given = live.token(position);
  spec.top_logprobs = live.request.prompt_logprobs;
  return spec;
}

SampleSpec SamplingOf(const LiveRequest& live, int32_t row) {
  const SamplingParams& p = live.request.sampling;
  SampleSpec spec;
  spec.row = row;
  spec.temperature = p.temperature;
  spec.top_p = p.top_p;
  spec.top_k = p.top_k;
  spec.min_p = p.min_p;
  spec.presence_penalty = p.presence_penalty;
  spec.frequency_penalty = p.frequency_penalty;
  spec.repetition_penalty = p.repetition_penalty;
  spec.seed = p.seed;
  spec.choice = p.choice;
  spec.position = static_cast<uint32_t>(live.known_tokens());
  spec.prompt = &live.request.prompt;
  spec.generated = &live.generated;
  spec.logit_bias = p.logit_bias.empty() ? nullptr : &p.logit_bias;
  spec.top_logprobs = live.request.top_logprobs;
  return spec;
}

void Constrain(LiveRequest* live, SampleSpec* spec) {
  TokenConstraint* constraint = live->request.constraint.get();
  if (constraint == nullptr) return;
  spec->allowed =
      constraint->Allowed(live->answer_limit - static_cast<int32_t>(live->generated.size()));
}

Usage UsageOf(const LiveRequest& live, absl::Time now) {
  Usage usage;
  usage.prompt_tokens = live.prompt_tokens();
  usage.cached_tokens = std::max(live.cached_tokens, 0);
  usage.generated_tokens = static_cast<int32_t>(live.generated.size());
  const absl::Time first_row = std::min(live.first_row, now);
  const absl::Time first_token = std::min(live.first_token, now);
  usage.queue_time = first_row - live.arrival;
  usage.prefill_time = first_token - first_row;
  if (!live.generated.empty()) usage.decode_time = live.last_token - first_token;
  return usage;
}

}  // namespace deepseek::engine
