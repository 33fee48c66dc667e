#include "tests/engine/model/model_harness.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "engine/kernels/cpu/cpu_backend.h"
#include "engine/kernels/reference/reference_backend.h"
#include "engine/weights/tensor_values.h"

namespace deepseek::engine {
namespace {

template <typename T>
T Must(absl::StatusOr<T> value) {
  if (!value.ok()) {
    std::fprintf(stderr, "%s\n", std::string(value.status().message()).c_str());
    std::abort();
  }
  return *std::move(value);
}

void Must(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
  std::abort();
}

}  // namespace

std::unique_ptr<Backend> MakeBackend(Kernels kernels, Compute compute, int threads) {
  if (kernels == Kernels::kReference) return CreateReferenceBackend();
  return Must(CreateCpuBackend({compute, threads}));
}

std::unique_ptr<Model> MustLoad(const LoadSpec& spec) {
  ModelOptions options;
  options.model_dir = spec.dir;
  options.compute = spec.compute;
  options.kv = spec.kv;
  options.load_mtp = spec.mtp;
  options.max_batch = 4;
  options.max_context = spec.max_context;
  options.beyond_positions = true;
  StepLimits limits;
  limits.max_rows = spec.max_rows;
  limits.max_logit_rows = spec.max_rows;
  return Must(
      LoadModelWeights(options, limits, {}, MakeBackend(spec.kernels, spec.compute, spec.threads)));
}

Sequence::Sequence(Model* model, int32_t first_block, int32_t blocks) {
  for (int32_t i = blocks; i-- > 0;) table_.push_back((first_block + i) % model->kv_blocks());
}

void Sequence::AddRows(const std::vector<int32_t>& tokens, RowPath path, Batch* batch) {
  Segment segment;
  segment.first_row = static_cast<int32_t>(batch->tokens.size());
  segment.rows = static_cast<int32_t>(tokens.size());
  segment.context = length_;
  segment.path = path;
  segment.first_block = static_cast<int32_t>(batch->block_ids.size());
  segment.blocks = static_cast<int32_t>(table_.size());
  batch->segments.push_back(segment);
  batch->block_ids.insert(batch->block_ids.end(), table_.begin(), table_.end());
  for (const int32_t token : tokens) {
    batch->logit_rows.push_back(static_cast<int32_t>(batch->tokens.size()));
    batch->tokens.push_back(token);
  }
  length_ += segment.rows;
}

RunResult RunModel(Model* model, const std::vector<int32_t>& tokens, const RunSpec& spec) {
  const auto total = static_cast<int32_t>(tokens.size());
  const int32_t vocab = model->spec().vocab;
  const int32_t hidden = model->spec().hidden;
  Sequence sequence(model, 3, (total + kBlockTokens - 1) / kBlockTokens + 1);
  RunResult result;
  if (spec.hidden)
    result.hidden.resize(static_cast<size_t>(model->spec().layers + 1) * tokens.size() * hidden);
  while (sequence.length() < total) {
    const int32_t begin = sequence.length();
    int32_t end = spec.chunk == 0 ? total : std::min(total, begin + spec.chunk);
    if (begin < spec.prompt) end = std::min(end, spec.prompt);
    Batch batch;
    sequence.AddRows({tokens.begin() + begin, tokens.begin() + end},
                     begin < spec.prompt ? RowPath::kMaterialised : RowPath::kAbsorbed, &batch);
    std::vector<float> captured;
    model->CaptureHidden(spec.hidden ? &captured : nullptr);
    Must(model->Forward(batch));
    std::vector<float> logits(static_cast<size_t>(end - begin) * vocab);
    Must(model->backend().Download(model->logits(), {reinterpret_cast<uint8_t*>(logits.data()),
                                                     logits.size() * sizeof(float)}));
    result.logits.insert(result.logits.end(), logits.begin(), logits.end());
    for (int32_t layer = 0; spec.hidden && layer <= model->spec().layers; ++layer) {
      std::memcpy(&result.hidden[(static_cast<size_t>(layer) * tokens.size() + begin) * hidden],
                  &captured[static_cast<size_t>(layer) * (end - begin) * hidden],
                  static_cast<size_t>(end - begin) * hidden * sizeof(float));
    }
    if (spec.mtp) {
      std::vector<float> mtp;
      const std::vector<int32_t> next(tokens.begin() + begin + 1,
                                      tokens.begin() + std::min(end + 1, total));
      Must(model->ForwardMtp(batch, next, &mtp));
      result.mtp.insert(result.mtp.end(), mtp.begin(), mtp.end());
    }
  }
  model->CaptureHidden(nullptr);
  return result;
}

std::vector<int32_t> Greedy(Model* model, const std::vector<int32_t>& prompt, int count,
                            int32_t stop) {
  Sequence sequence(model, 1, static_cast<int32_t>(prompt.size() + count) / kBlockTokens + 1);
  std::vector<int32_t> feed = prompt;
  std::vector<int32_t> out;
  while (static_cast<int>(out.size()) < count && (out.empty() || out.back() != stop)) {
    Batch batch;
    sequence.AddRows(feed, out.empty() ? RowPath::kMaterialised : RowPath::kAbsorbed, &batch);
    batch.logit_rows = {static_cast<int32_t>(batch.tokens.size()) - 1};
    Must(model->Forward(batch));
    SampleSpec spec;
    spec.temperature = 0;
    std::vector<SampleResult> results;
    model->backend().Sample(model->logits(), {&spec, 1}, &results);
    Must(model->backend().Synchronize());
    out.push_back(results[0].id);
    feed = {results[0].id};
  }
  return out;
}

GoldenSet::GoldenSet(const std::string& name)
    : dir(std::string(TEST_SOURCE_DIR "/tests/golden/") + name) {
  for (const char* file : {"cases", "expected", "expected_hidden"}) {
    files_.push_back(Must(SafetensorsFile::Open(dir + "/" + file + ".safetensors")));
  }
}

std::vector<std::string> GoldenSet::cases() const {
  std::vector<std::string> names;
  for (const auto& [name, view] : files_[0].tensors()) {
    if (name.ends_with(".input_ids")) names.push_back(name.substr(0, name.find('.')));
  }
  return names;
}

std::vector<int32_t> GoldenSet::Ints(const std::string& tensor) const {
  for (const SafetensorsFile& file : files_) {
    const TensorView* view = file.Find(tensor);
    if (view == nullptr) continue;
    std::vector<int32_t> out(static_cast<size_t>(view->elements()));
    std::memcpy(out.data(), view->data.data(), view->data.size());
    return out;
  }
  return {};
}

std::vector<float> GoldenSet::Floats(const std::string& tensor) const {
  for (const SafetensorsFile& file : files_) {
    const TensorView* view = file.Find(tensor);
    if (view != nullptr) return Must(ToFloat(*view));
  }
  return {};
}

double GoldenSet::tolerance() const {
  return std::stod(files_[1].metadata().at("tol_fp32"));
}
double GoldenSet::kl_limit() const {
  return std::stod(files_[1].metadata().at("kl_bf16"));
}

double MaxError(const std::vector<float>& actual, const std::vector<float>& expected,
                const std::vector<int32_t>& positions, int64_t width) {
  double worst = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    const size_t row = i / width;
    const size_t at =
        positions.empty() ? i : static_cast<size_t>(positions[row]) * width + i % width;
    if (at >= actual.size()) return std::numeric_limits<double>::infinity();
    const double error = std::fabs(double{actual[at]} - expected[i]);
    worst = std::isnan(error) ? std::numeric_limits<double>::infinity() : std::max(worst, error);
  }
  return worst;
}

}  // namespace deepseek::engine
