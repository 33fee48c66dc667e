#include "engine/tokenizer/prompt_encoder.h"

#include "base/status.h"
#include "engine/tokenizer/prompt_encoders.h"

namespace deepseek::engine {
namespace {

using Write = absl::Status (*)(const OrderedJson& variables, prompt::Writer* out);

class PromptEncoder final : public ChatTemplate {
 public:
  explicit PromptEncoder(Write write) : write_(write) {}

  absl::StatusOr<RenderedChat> Render(const OrderedJson& variables,
                                      const RenderLimits& limits) const override {
    prompt::Writer out(limits);
    RETURN_IF_ERROR(write_(variables, &out));
    return out.Finish();
  }

 private:
  Write write_;
};

}  // namespace

std::optional<PromptFormat> PromptFormatOf(std::string_view model_type) {
  if (model_type == "deepseek_v32") return PromptFormat::kDeepSeekV32;
  if (model_type == "deepseek_v4") return PromptFormat::kDeepSeekV4;
  return std::nullopt;
}

std::unique_ptr<ChatTemplate> MakePromptEncoder(PromptFormat format) {
  return std::make_unique<PromptEncoder>(format == PromptFormat::kDeepSeekV32 ? prompt::WriteV32
                                                                              : prompt::WriteV4);
}

}  // namespace deepseek::engine
