// A model folder: config.json, the index of shards (empty: none) and the shards, cut at the mark of
// input.h. Whatever is in them, the folder is refused or every tensor that the config asks for (of
// MTP layers, where there is any of theirs) is there in its shape, with FP8 scales of the right
// number and no NaN.

#include "engine/weights/checkpoint.h"
#include "base/status.h"
#include "engine/weights/check_tensors.h"
#include "engine/weights/verify.h"
#include "tests/fuzz/input.h"

namespace {
constexpr const char* kShards[] = {"a.safetensors", "b.safetensors", "c.safetensors"};
constexpr const char* kIndex = "model.safetensors.index.json";
constexpr const char* kSingle = "model.safetensors";
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace deepseek;
  static const fuzz::Folder folder;
  const auto pieces = fuzz::Pieces(data, size);
  if (pieces.size() < 3 || pieces.size() > 2 + std::size(kShards)) return 0;
  folder.Put("config.json", pieces[0]);
  const bool sharded = !pieces[1].empty();
  folder.Remove(kIndex);
  folder.Remove(kSingle);
  for (const char* shard : kShards) folder.Remove(shard);
  if (sharded) folder.Put(kIndex, pieces[1]);
  for (size_t i = 2; i < pieces.size(); ++i) {
    folder.Put(sharded ? kShards[i - 2] : kSingle, pieces[i]);
  }
  const auto report = engine::VerifyCheckpoint(folder.path());
  if (!report.ok()) {
    fuzz::Require(ExitCode(report.status()) == 2, "an invalid model is exit code 2");
    return 0;
  }
  const auto checkpoint = engine::Checkpoint::Open(folder.path());
  fuzz::Require(checkpoint.ok(), "what verify accepts can be opened");
  fuzz::Require(engine::CheckTensors(*checkpoint, report->spec, report->mtp).ok(),
                "and has its tensors");
  fuzz::Require(engine::ExpectedBytes(*checkpoint, report->spec, report->mtp) <= report->bytes,
                "which are not larger than the files");
  return 0;
}
