#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "agent/load/loaded_model.h"
#include "base/json_full.h"
#include "base/status.h"
#include "base/strings.h"
#include "tests/support/temp_dir.h"

namespace deepseek::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::string kDemo = std::string(TEST_SOURCE_DIR) + "/models/demo-v3";

engine::ModelSpec Spec() {
  engine::ModelSpec spec;
  spec.vocab = 2048;
  spec.bos_id = 0;
  spec.eos_ids = {1};
  return spec;
}

TEST(TextModel, PutsTheBeginningInFrontOnce) {
  const auto text = LoadText(kDemo);
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_EQ(text->bos_id, 0);
  EXPECT_EQ(text->eos_id, 1);
  const auto ids = text->Encode("12", true, true);
  EXPECT_EQ(ids.front(), 0);
  EXPECT_EQ(text->Encode("<｜begin▁of▁sentence｜>12", true, true), ids);
  EXPECT_EQ(text->Encode("12", false, true), std::vector<int32_t>(ids.begin() + 1, ids.end()));
}

TEST(LoadForServing, RefusesWeightsOfAnotherDigest) {
  LoadOptions options;
  options.engine.model.model_dir = kDemo;
  options.engine.model.max_context = 64;
  options.engine.model.max_batch = 1;
  options.expected_digest = "sha256:0000";
  const auto refused = LoadForServing(options);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(ExitCode(refused.status()), 2);
  EXPECT_THAT(ErrorLine(refused.status()),
              testing::AllOf(HasSubstr("model: "), HasSubstr("recorded is sha256:0000")));
  options.expected_digest = "";
  const auto loaded = LoadForServing(options);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  options.expected_digest = (*loaded)->digest;
  EXPECT_TRUE(LoadForServing(options).ok());
}

TEST(TextModel, PlainTextHoldsNoRoleToken) {
  const auto text = LoadText(kDemo);
  ASSERT_TRUE(text.ok());
  EXPECT_THAT(text->Encode("<｜User｜>", false, true), ElementsAre(2035));
  EXPECT_THAT(text->Encode("<｜User｜>", false, false), ::testing::Not(::testing::Contains(2035)));
}

TEST(TextModel, MissingFilesAreNamed) {
  const auto text = LoadText("/no/such/model");
  EXPECT_EQ(text.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(text.status().message()), HasSubstr("/no/such/model/tokenizer.json"));
}

/// The demo model's tokenizer with another tokenizer_config.json.
class TextModelFolder : public ::testing::Test {
 protected:
  TextModelFolder() {
    std::filesystem::copy_file(kDemo + "/tokenizer.json", dir_ / "tokenizer.json");
  }
  void Put(const std::string& name, const std::string& text) const {
    std::ofstream(dir_ / name) << text;
  }
  std::string Load(const std::string& template_file = "") const {
    return Said(LoadText(dir_.path(), template_file));
  }
  const TempDir dir_{"text_model"};

 private:
  static std::string Said(const absl::StatusOr<TextModel>& text) {
    if (!text.ok()) return text.status().ToString();
    if (!text->chat_template_error.ok()) return text->chat_template_error.ToString();
    if (text->chat_template == nullptr) return "no template";
    const auto chat = text->chat_template->Render({{"messages", OrderedJson::array()}});
    return chat.ok() ? chat->text : chat.status().ToString();
  }
};

TEST_F(TextModelFolder, TheTemplateInAFileOfItsOwnComesFirst) {
  Put("tokenizer_config.json", R"({"chat_template":"in the config"})");
  EXPECT_EQ(Load(), "in the config");
  Put("chat_template.jinja", "in the file");
  EXPECT_EQ(Load(), "in the file");
  Put("given", "given");
  EXPECT_EQ(Load(dir_ / "given"), "given");
  EXPECT_THAT(Load(dir_ / "none"), HasSubstr("INVALID_ARGUMENT: --chat-template: "));
  Put("given", "{% endfor %}");
  EXPECT_THAT(Load(dir_ / "given"), HasSubstr("INVALID_ARGUMENT: --chat-template: "));
  Put("chat_template.jinja", "{% endfor %}");
  EXPECT_THAT(Load(), HasSubstr("/chat_template.jinja: "));
}

// As transformers reads it: tokens that tokenizer.json lists keep what it says of them.
TEST_F(TextModelFolder, TokensThatOnlyTheConfigAddsAreRead) {
  Put("tokenizer_config.json", R"({"eos_token":"<|im_end|>","added_tokens_decoder":{
      "2035":{"content":"<｜User｜>","special":true},
      "2048":{"content":"<|im_end|>","special":true},
      "2049":{"content":"<mark>","special":false,"lstrip":false}}})");
  const auto text = LoadText(dir_.path());
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_EQ(text->eos_id, 2048);
  EXPECT_THAT(text->Encode("<mark><|im_end|>", false, true), ElementsAre(2049, 2048));
  EXPECT_EQ(text->tokenizer->Decode(std::vector<int32_t>{2049, 2048}), "<mark><|im_end|>");
  EXPECT_TRUE(text->tokenizer->IsSpecial(2048));
  EXPECT_FALSE(text->tokenizer->IsSpecial(2049));
  EXPECT_EQ(text->tokenizer->IsSpecial(2035), LoadText(kDemo)->tokenizer->IsSpecial(2035));
  for (const auto& [decoder, why] :
       {std::pair{R"({"100":{"content":"<x>"}})", "id 100 is another token's in tokenizer.json"},
        {R"({"2035":{"content":"<x>"}})", "id 2035 is another token's in tokenizer.json"},
        {R"({"x":{"content":"<x>"}})", "a key is not an id"},
        {R"({"-1":{"content":"<x>"}})", "id -1 is out of range"},
        {R"({"99999999999":{"content":"<x>"}})", "a key is not an id"},
        {R"({"2048":{}})", "id 2048 has no content"},
        {R"({"2048":{"content":"<x>","lstrip":true}})", "lstrip of <x>"}}) {
    Put("tokenizer_config.json", StrCat(R"({"added_tokens_decoder":)", decoder, "}"));
    EXPECT_THAT(Load(), HasSubstr(why));
  }
}

TEST_F(TextModelFolder, ATemplateThatIsNullIsNone) {
  Put("tokenizer_config.json", R"({"chat_template":null})");
  EXPECT_EQ(Load(), "no template");
}

// Tokens and plain text need no template: what a template has that we lack refuses a chat only.
TEST_F(TextModelFolder, ATemplateThatCannotBeUsedLeavesTheRest) {
  Put("tokenizer_config.json", R"({"chat_template":"{% include 'x' %}"})");
  const auto text = LoadText(dir_.path());
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_EQ(text->chat_template, nullptr);
  EXPECT_EQ(ExitCode(text->chat_template_error), 2);
  EXPECT_THAT(std::string(text->chat_template_error.message()),
              testing::AllOf(HasSubstr("tokenizer_config.json: "), HasSubstr("{% include %}"),
                             HasSubstr("--chat-template")));
}

TEST_F(TextModelFolder, TokensOfTheSpecialTokensMapCountWhereTheConfigNamesNone) {
  Put("special_tokens_map.json", R"({"bos_token":{"content":"<｜begin▁of▁sentence｜>"},
                                     "eos_token":"<｜User｜>"})");
  Put("tokenizer_config.json", R"({"eos_token":"<｜end▁of▁sentence｜>","chat_template":
                                   "{{ bos_token }}{{ eos_token }}"})");
  const auto text = LoadText(dir_.path());
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_EQ(text->bos_id, 0);
  EXPECT_EQ(text->eos_id, 1);
  EXPECT_EQ(Load(), "<｜begin▁of▁sentence｜><｜end▁of▁sentence｜>");
  Put("special_tokens_map.json", "[");
  EXPECT_THAT(Load(), HasSubstr("special_tokens_map.json"));
}

TEST_F(TextModelFolder, ATemplateForToolsMayBeAFileOfItsOwn) {
  Put("chat_template.jinja", "plain");
  std::filesystem::create_directory(dir_ / "additional_chat_templates");
  Put("additional_chat_templates/tool_use.jinja", "with tools");
  EXPECT_EQ(Load(), "plain");
  const auto text = LoadText(dir_.path());
  const auto chat = text->chat_template->Render(
      {{"messages", OrderedJson::array()}, {"tools", OrderedJson::array({1})}});
  EXPECT_EQ(chat->text, "with tools");
  Put("given", "given");
  EXPECT_EQ(Load(dir_ / "given"), "given");
}

TEST(CheckTokenizer, FindsTheTokenizerOfAnotherModel) {
  const auto text = LoadText(kDemo);
  ASSERT_TRUE(text.ok());
  GenerationDefaults defaults;
  EXPECT_TRUE(CheckTokenizer(*text, Spec(), defaults, "m").ok());
  engine::ModelSpec spec = Spec();
  spec.vocab = 2047;
  EXPECT_EQ(CheckTokenizer(*text, spec, defaults, "m").code(), absl::StatusCode::kDataLoss);
  spec.vocab = 2300;  // padding rows
  EXPECT_TRUE(CheckTokenizer(*text, spec, defaults, "m").ok());
  spec.vocab = 129280;
  EXPECT_EQ(CheckTokenizer(*text, spec, defaults, "m").code(), absl::StatusCode::kDataLoss);
  spec = Spec();
  spec.bos_id = 7;
  EXPECT_THAT(std::string(CheckTokenizer(*text, spec, defaults, "m").message()),
              HasSubstr("bos_token"));
  defaults.bos_id =
      0;  // generation_config.json knows better than config.json in some released models
  EXPECT_TRUE(CheckTokenizer(*text, spec, defaults, "m").ok());
  spec = Spec();
  spec.eos_ids = {5, 6};
  EXPECT_THAT(std::string(CheckTokenizer(*text, spec, defaults, "m").message()),
              HasSubstr("eos_token"));
  defaults.eos_ids = {1};
  EXPECT_TRUE(CheckTokenizer(*text, spec, defaults, "m").ok());
}

TEST(ResolveModelDir, KnowsBuiltinNames) {
  ::unsetenv("DEEPSEEK_BUILTIN_MODELS");
  EXPECT_EQ(*ResolveModelDir("builtin:demo-v3"), "/models/demo-v3");
  ::setenv("DEEPSEEK_BUILTIN_MODELS", "/elsewhere", 1);
  EXPECT_EQ(*ResolveModelDir("builtin:demo-v3"), "/elsewhere/demo-v3");
  EXPECT_EQ(*ResolveModelDir("some/folder"), "some/folder");
  for (const char* bad : {"", "builtin:", "builtin:..", "builtin:../x", "builtin:a/b"}) {
    EXPECT_EQ(ResolveModelDir(bad).status().code(), absl::StatusCode::kInvalidArgument) << bad;
  }
}

TEST(AboutModel, SaysWhatAndWhatToDo) {
  EXPECT_EQ(AboutModel(absl::NotFoundError("/x/config.json: missing")).message(),
            "model: /x/config.json: missing (check the model folder)");
  EXPECT_EQ(AboutModel(absl::DataLossError("a: b (do c)")).message(), "model: a: b (do c)");
  EXPECT_EQ(AboutModel(absl::DataLossError("model: a (do c)")).message(), "model: a (do c)");
  EXPECT_EQ(AboutModel(absl::InvalidArgumentError("--x: y")).message(), "--x: y");
  EXPECT_TRUE(AboutModel(absl::OkStatus()).ok());
}

TEST(LoadForServing, TheDemoModelIsWhole) {
  LoadOptions options;
  options.engine.model.model_dir = kDemo;
  options.engine.model.threads = 1;
  const auto model = LoadForServing(options);
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ((*model)->served_name, "demo-v3");
  EXPECT_NE((*model)->text.chat_template, nullptr);
  EXPECT_THAT((*model)->defaults.eos_ids, ElementsAre(1));
  EXPECT_EQ((*model)->defaults.temperature, 0.6F);
  EXPECT_EQ((*model)->engine->max_context(), 1024);
}

}  // namespace
}  // namespace deepseek::agent
