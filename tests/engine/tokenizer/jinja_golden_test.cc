// Several hundred small templates against what jinja2 makes of them, errors included.

#include "engine/tokenizer/chat_template.h"
#include "tests/engine/tokenizer/files.h"

namespace deepseek::engine {
namespace {

TEST(Jinja, DoesWhatJinja2Does) {
  const OrderedJson golden =
      OrderedJson::parse(*testing::ReadFile(testing::Source("tests/golden/chat/jinja.json")));
  ASSERT_GT(golden["cases"].size(), 500u);
  for (const OrderedJson& row : golden["cases"]) {
    const std::string source = row["template"];
    SCOPED_TRACE(source);
    const auto chat =
        ParseChatTemplate(R"({"chat_template": ""})", source.empty() ? "{##}" : source);
    if (!chat.ok()) {
      EXPECT_TRUE(row.contains("error")) << chat.status();
      continue;
    }
    const absl::StatusOr<RenderedChat> got = (*chat)->Render(golden["variables"]);
    if (row.contains("error")) {
      EXPECT_EQ(got.status().code(), absl::StatusCode::kInvalidArgument) << got->text;
      continue;
    }
    ASSERT_TRUE(got.ok()) << got.status();
    EXPECT_EQ(got->text, row["text"].get<std::string>());
  }
}

}  // namespace
}  // namespace deepseek::engine
