#include "engine/evaluate.h"

#include <algorithm>
#include <numeric>

#include "base/status.h"
#include "engine/schedule/plan.h"

namespace deepseek::engine {
namespace {

class Evaluation {
 public:
  Evaluation(Model& model, const EvaluateRequest& request, const std::vector<int32_t>& block_table)
      : model_(model),
        request_(request),
        block_table_(block_table),
        wanted_(request.positions),
        count_(static_cast<int32_t>(request.tokens.size())),
        first_absorbed_(FirstAbsorbed(count_, model.spec().attention == Attention::kMla)) {
    if (wanted_.empty()) {
      wanted_.resize(count_);
      std::iota(wanted_.begin(), wanted_.end(), 0);
    }
    sorted_ = wanted_;
    std::sort(sorted_.begin(), sorted_.end());
    sorted_.erase(std::unique(sorted_.begin(), sorted_.end()), sorted_.end());
  }

  absl::StatusOr<EvaluateResult> Run(const std::function<void(int32_t)>& on_step) {
    const ModelSpec& spec = model_.spec();
    result_.logits.resize(wanted_.size() * spec.vocab);
    if (request_.hidden) result_.hidden.resize(int64_t{spec.layers + 1} * count_ * spec.hidden);
    for (int32_t begin = 0; begin < count_;) {
      const int32_t rows = NextChunk(begin);
      RETURN_IF_ERROR(RunChunk(begin, rows));
      on_step(rows);
      begin += rows;
    }
    return std::move(result_);
  }

 private:
  // Rows of the next step: what was asked for, cut where the rows or the logit rows of a step end.
  int32_t NextChunk(int32_t begin) const {
    const int32_t asked = request_.chunk > 0 ? request_.chunk : count_;
    int32_t rows = std::min({asked, model_.limits().max_rows, count_ - begin});
    const auto first = std::lower_bound(sorted_.begin(), sorted_.end(), begin);
    if (sorted_.end() - first > model_.limits().max_logit_rows) {
      rows = std::min(rows, first[model_.limits().max_logit_rows] - begin);
    }
    return rows;
  }

  absl::Status RunChunk(int32_t begin, int32_t rows) {
    MakeBatch(begin, rows);
    std::vector<float> hidden;
    model_.CaptureHidden(request_.hidden ? &hidden : nullptr);
    absl::Status status = model_.Forward(batch_);
    if (status.ok()) status = model_.backend().Synchronize();
    model_.CaptureHidden(nullptr);
    RETURN_IF_ERROR(status);
    RETURN_IF_ERROR(TakeLogits(begin));
    if (request_.hidden) TakeHidden(begin, rows, hidden);
    return request_.mtp ? RunMtp(begin, rows) : absl::OkStatus();
  }

  void MakeBatch(int32_t begin, int32_t rows) {
    batch_.clear();
    const int32_t blocks = BlocksFor(begin + rows, kBlockTokens);
    batch_.tokens.assign(request_.tokens.begin() + begin, request_.tokens.begin() + begin + rows);
    AppendSegments(begin, rows, first_absorbed_, 0, blocks, &batch_);
    batch_.block_ids.assign(block_table_.begin(), block_table_.begin() + blocks);
    for (auto p = std::lower_bound(sorted_.begin(), sorted_.end(), begin);
         p != sorted_.end() && *p < begin + rows; ++p) {
      batch_.logit_rows.push_back(*p - begin);
    }
  }

  absl::Status TakeLogits(int32_t begin) {
    if (batch_.logit_rows.empty()) return absl::OkStatus();
    const int64_t vocab = model_.spec().vocab;
    std::vector<float> rows(batch_.logit_rows.size() * vocab);  // [logit_rows, vocab]
    Buffer from = model_.logits();
    from.shape = {static_cast<int64_t>(batch_.logit_rows.size()), vocab, 0};
    RETURN_IF_ERROR(model_.backend().Download(
        from,
        absl::MakeSpan(reinterpret_cast<uint8_t*>(rows.data()), rows.size() * sizeof(float))));
    for (size_t i = 0; i < wanted_.size(); ++i) {
      const auto at =
          std::lower_bound(batch_.logit_rows.begin(), batch_.logit_rows.end(), wanted_[i] - begin);
      if (at == batch_.logit_rows.end() || *at != wanted_[i] - begin) continue;
      std::copy_n(rows.begin() + (at - batch_.logit_rows.begin()) * vocab, vocab,
                  result_.logits.begin() + static_cast<int64_t>(i) * vocab);
    }
    return absl::OkStatus();
  }

  // chunk: [layers+1, rows, hidden] -> [layers+1, T, hidden]
  void TakeHidden(int32_t begin, int32_t rows, const std::vector<float>& chunk) {
    const int64_t width = model_.spec().hidden;
    for (int64_t layer = 0; layer <= model_.spec().layers; ++layer) {
      std::copy_n(chunk.begin() + layer * rows * width, rows * width,
                  result_.hidden.begin() + (layer * count_ + begin) * width);
    }
  }

  absl::Status RunMtp(int32_t begin, int32_t rows) {
    const int32_t next =
        std::min(rows, count_ - begin - 1);  // the last token's next one is unknown
    if (next == 0) return absl::OkStatus();
    std::vector<float> logits;  // [next, vocab]
    RETURN_IF_ERROR(model_.ForwardMtp(
        batch_, absl::MakeConstSpan(request_.tokens.data() + begin + 1, static_cast<size_t>(next)),
        &logits));
    result_.mtp_logits.insert(result_.mtp_logits.end(), logits.begin(), logits.end());
    return absl::OkStatus();
  }

  Model& model_;
  const EvaluateRequest& request_;
  const std::vector<int32_t>& block_table_;
  std::vector<int32_t> wanted_;  // positions in the order asked for
  std::vector<int32_t> sorted_;  // the same, ascending, each once
  const int32_t count_;          // tokens
  const int32_t first_absorbed_;
  Batch batch_;
  EvaluateResult result_;
};

}  // namespace

absl::StatusOr<EvaluateResult> RunEvaluate(Model& model, const EvaluateRequest& request,
                                           const std::vector<int32_t>& block_table,
                                           const std::function<void(int32_t)>& on_step) {
  return Evaluation(model, request, block_table).Run(on_step);
}

}  // namespace deepseek::engine
