// tokenizer_config.json and generation_config.json beside a small tokenizer, cut at the mark of
// input.h.

#include "agent/load/loaded_model.h"
#include "base/json_full.h"
#include "base/status.h"
#include "tests/fuzz/input.h"

namespace {

using namespace deepseek;

struct Demo {
  fuzz::Folder folder;
  engine::ModelSpec spec;
  Demo() {
    folder.Put("tokenizer.json",
               fuzz::ReadWhole(TEST_SOURCE_DIR "/tests/fuzz/corpus/tokenizer_json/tiny.json"));
    auto parsed =
        engine::ParseModelConfig(fuzz::ReadWhole(TEST_SOURCE_DIR "/models/demo-v3/config.json"));
    fuzz::Require(parsed.ok(), "the demo model's config");
    spec = *std::move(parsed);
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Demo demo;
  const auto pieces = fuzz::Pieces(data, size);
  if (pieces.size() > 1) {
    const auto defaults = agent::ParseGenerationConfig(pieces[1], demo.spec);
    if (!defaults.ok())
      fuzz::Require(ExitCode(defaults.status()) == 2, "an invalid file is exit code 2");
  }
  demo.folder.Put("tokenizer_config.json", pieces[0]);
  const auto text = agent::LoadText(demo.folder.path());
  if (!text.ok()) {
    fuzz::Require(ExitCode(text.status()) == 2, "an invalid file is exit code 2");
    return 0;
  }
  fuzz::Require(text->bos_id < text->tokenizer->size(), "bos_token is a token");
  fuzz::Require(text->eos_id < text->tokenizer->size(), "eos_token is a token");
  (void)agent::CheckTokenizer(*text, demo.spec, {}, demo.folder.path());
  if (text->chat_template == nullptr) return 0;
  const OrderedJson variables = {{"messages", {{{"role", "user"}, {"content", "hi"}}}},
                                 {"add_generation_prompt", true}};
  (void)text->chat_template->Render(
      variables,
      {.max_steps = 20000, .max_depth = 64, .max_output_bytes = 1 << 16, .now_seconds = 1});
  return 0;
}
