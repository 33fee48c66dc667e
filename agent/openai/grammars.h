#pragma once
// Grammars of requests, kept: clients send the same schema and the same tools again and again.

#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "absl/status/statusor.h"
#include "agent/grammar/matcher.h"
#include "agent/grammar/tool_grammar.h"
#include "agent/load/loaded_model.h"

namespace deepseek::agent {

/// Thread-safe. For one model at a time.
class Grammars {
 public:
  static constexpr size_t kMostKept = 32;
  /// A matcher that remembers more is not handed out again.
  static constexpr size_t kMostPositions = 50'000;

  /// The matcher of `shape`, made or found. Errors are CompileAnswer's.
  absl::StatusOr<std::shared_ptr<grammar::Matcher>> Get(const LoadedModel& model,
                                                        const grammar::AnswerShape& shape);

 private:
  std::shared_ptr<const grammar::Vocabulary> VocabularyOf(const LoadedModel& model);

  std::mutex mutex_;  // guards all below
  const LoadedModel* model_ = nullptr;
  std::shared_ptr<const grammar::Vocabulary> vocabulary_;
  struct Kept {
    std::shared_ptr<grammar::Matcher> matcher;
    std::list<std::string>::iterator use;
  };
  std::list<std::string> uses_;  // latest first
  std::map<std::string, Kept> kept_;
};

}  // namespace deepseek::agent
