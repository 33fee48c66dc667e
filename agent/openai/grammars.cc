#include "agent/openai/grammars.h"

#include <utility>

#include "base/json_full.h"
#include "base/status.h"
#include "base/strings.h"

namespace deepseek::agent {
namespace {

/// All that the grammar depends on.
std::string KeyOf(const grammar::AnswerShape& shape) {
  OrderedJson key = {{"object", shape.any_object}, {"space", shape.leading_space}};
  if (shape.schema != nullptr) key["schema"] = *shape.schema;
  if (!shape.tools.empty()) {
    key["style"] = static_cast<int>(shape.style);
    key["block"] = shape.block;
    key["parallel"] = shape.parallel_calls;
    key["behind"] = shape.behind_begin;
    for (const grammar::CallableTool& tool : shape.tools) {
      key["tools"].push_back(
          {tool.name, tool.strict, tool.parameters ? *tool.parameters : OrderedJson(nullptr)});
    }
  }
  return key.dump();
}

}  // namespace

std::shared_ptr<const grammar::Vocabulary> Grammars::VocabularyOf(const LoadedModel& model) {
  // Held while it is made, a tenth of a second for 129k tokens: others would make it too.
  const std::lock_guard lock(mutex_);
  if (model_ != &model) {
    model_ = &model;
    vocabulary_ = std::make_shared<const grammar::Vocabulary>(*model.text.tokenizer,
                                                              model.engine->spec().vocab);
    kept_.clear();
    uses_.clear();
  }
  return vocabulary_;
}

absl::StatusOr<std::shared_ptr<grammar::Matcher>> Grammars::Get(const LoadedModel& model,
                                                                const grammar::AnswerShape& shape) {
  const std::string key = KeyOf(shape);
  const auto vocabulary = VocabularyOf(model);
  {
    const std::lock_guard lock(mutex_);
    if (const auto it = kept_.find(key); it != kept_.end()) {
      if (it->second.matcher->positions() < kMostPositions) {
        uses_.splice(uses_.begin(), uses_, it->second.use);
        return it->second.matcher;
      }
      uses_.erase(it->second.use);
      kept_.erase(it);
    }
  }
  ASSIGN_OR_RETURN(grammar::Grammar grammar, grammar::CompileAnswer(shape));
  auto matcher = std::make_shared<grammar::Matcher>(
      std::make_shared<const grammar::Grammar>(std::move(grammar)), vocabulary);
  matcher->Prepare();
  const std::lock_guard lock(mutex_);
  if (kept_.contains(key)) return kept_.at(key).matcher;
  uses_.push_front(key);
  kept_.emplace(key, Kept{matcher, uses_.begin()});
  if (kept_.size() > kMostKept) {
    kept_.erase(uses_.back());
    uses_.pop_back();
  }
  return matcher;
}

}  // namespace deepseek::agent
