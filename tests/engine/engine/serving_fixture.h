#pragma once
// A ServingEngine over a FakeModel.

#include <gtest/gtest.h>

#include <memory>
#include <utility>
#include <vector>

#include "engine/serving_engine.h"
#include "tests/support/engine/fake_model.h"
#include "tests/support/engine/recording_sink.h"

namespace deepseek::engine {

class ServingFixture : public ::testing::Test {
 protected:
  void Start(const FakeModel::Options& model = {}, const EngineOptions& options = {}) {
    auto owned = std::make_unique<FakeModel>(model);
    fake_ = owned.get();
    engine_ = std::make_unique<ServingEngine>(std::move(owned), options);
  }
  std::shared_ptr<RecordingSink> Submit(Request r, RequestId* id = nullptr) {
    auto sink = std::make_shared<RecordingSink>();
    const auto got = engine_->Submit(std::move(r), sink);
    EXPECT_TRUE(got.ok()) << got.status();
    if (id != nullptr && got.ok()) *id = *got;
    return sink;
  }
  /// Tokens of the fake model; other seeds are other prompts.
  static std::vector<int32_t> Prompt(int32_t length, int32_t seed = 0) {
    std::vector<int32_t> p;
    p.reserve(static_cast<size_t>(length));
    for (int32_t i = 0; i < length; ++i) p.push_back((seed * 31 + i * 7 + i * i) % 97);
    return p;
  }

  FakeModel* fake_ = nullptr;
  std::unique_ptr<ServingEngine> engine_;
};

}  // namespace deepseek::engine
