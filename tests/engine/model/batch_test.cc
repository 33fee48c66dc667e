#include "engine/model/batch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

namespace deepseek::engine {
namespace {

constexpr BatchBounds kBounds{
    .max_rows = 100, .max_logit_rows = 2, .max_context = 200, .vocab = 50, .kv_blocks = 8};

// Two sequences: 3 prompt rows after 62 cached tokens, and one generated row.
Batch Good() {
  Batch batch;
  batch.tokens = {1, 2, 3, 49};
  batch.segments = {{0, 3, 62, RowPath::kMaterialised, 0, 2}, {3, 1, 5, RowPath::kAbsorbed, 2, 1}};
  batch.block_ids = {7, 0, 3};
  batch.logit_rows = {2, 3};
  return batch;
}

TEST(Batch, GoodOnePasses) {
  EXPECT_TRUE(CheckBatch(Good(), kBounds).ok());
}

struct Bad {
  const char* name;
  std::function<void(Batch&)> edit;
  const char* message;
};

class BadBatch : public testing::TestWithParam<Bad> {};

TEST_P(BadBatch, IsRefused) {
  Batch batch = Good();
  GetParam().edit(batch);
  const auto status = CheckBatch(batch, kBounds);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    Table, BadBatch,
    testing::Values(
        Bad{"empty", [](Batch& b) { b.clear(); }, "rows 0"},
        Bad{"too_many_rows", [](Batch& b) { b.tokens.resize(101); }, "rows 101"},
        Bad{"negative_id", [](Batch& b) { b.tokens[1] = -1; }, "token id -1"},
        Bad{"id_beyond_vocab", [](Batch& b) { b.tokens[1] = 50; }, "token id 50"},
        Bad{"block_beyond_cache", [](Batch& b) { b.block_ids[0] = 8; }, "block id 8"},
        Bad{"gap", [](Batch& b) { b.segments[1].first_row = 2; }, "first_row 2"},
        Bad{"empty_segment", [](Batch& b) { b.segments[0].rows = 0; }, "segment rows 0"},
        Bad{"negative_context", [](Batch& b) { b.segments[0].context = -1; }, "context -1"},
        Bad{"too_long", [](Batch& b) { b.segments[0].context = 198; }, "length 201"},
        Bad{"table_too_short", [](Batch& b) { b.segments[0].blocks = 1; }, "blocks 1"},
        Bad{"table_outside", [](Batch& b) { b.segments[1].first_block = 3; }, "first_block 3"},
        Bad{"uncovered_rows", [](Batch& b) { b.tokens.push_back(1); }, "cover rows 4"},
        Bad{"too_many_logits",
            [](Batch& b) {
              b.logit_rows = {0, 1, 2};
            },
            "logit rows 3"},
        Bad{"descending_logits",
            [](Batch& b) {
              b.logit_rows = {3, 2};
            },
            "logit row 2"},
        Bad{"logit_row_outside", [](Batch& b) { b.logit_rows = {4}; }, "logit row 4"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(AppendSegments, AreCutWhereTheAbsorbedRowsBegin) {
  Batch batch;
  AppendSegments(60, 10, 64, 5, 2, &batch);
  AppendSegments(0, 3, 64, 7, 1, &batch);
  AppendSegments(64, 3, 64, 8, 2, &batch);
  ASSERT_EQ(batch.segments.size(), 4U);
  const auto is = [&](size_t i, const Segment& s) {
    const Segment& is = batch.segments[i];
    return is.first_row == s.first_row && is.rows == s.rows && is.context == s.context &&
           is.path == s.path && is.first_block == s.first_block && is.blocks == s.blocks;
  };
  EXPECT_TRUE(is(0, {0, 4, 60, RowPath::kMaterialised, 5, 2}));
  EXPECT_TRUE(is(1, {4, 6, 64, RowPath::kAbsorbed, 5, 2}));
  EXPECT_TRUE(is(2, {10, 3, 0, RowPath::kMaterialised, 7, 1}));
  EXPECT_TRUE(is(3, {13, 3, 64, RowPath::kAbsorbed, 8, 2}));
}

TEST(FirstAbsorbed, IsTheLastBorderBeforeTheLastToken) {
  EXPECT_EQ(FirstAbsorbed(1, true), 0);
  EXPECT_EQ(FirstAbsorbed(64, true), 0);
  EXPECT_EQ(FirstAbsorbed(65, true), 64);
  EXPECT_EQ(FirstAbsorbed(2112, true), 2048);
  EXPECT_EQ(FirstAbsorbed(2112, false), 2112);
}

}  // namespace
}  // namespace deepseek::engine
