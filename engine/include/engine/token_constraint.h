#pragma once
// What may be said next: a request can carry an object that restricts its answer token by token
// (JSON of a schema, a tool call). The engine knows ids only; grammars are agent/grammar's
// business.

#include <cstdint>

namespace deepseek::engine {

/// The state of one answer. The engine calls it on its step thread only, one call at a time.
class TokenConstraint {
 public:
  virtual ~TokenConstraint() = default;
  /// Bit i % 64 of word i / 64: id i may come next; vocab() bits. Null: any id. Valid until the
  /// next call of Accept. `tokens_left`: how many the answer may still take, this one included.
  virtual const uint64_t* Allowed(int32_t tokens_left) = 0;
  /// An id of Request::stop_ids ends the answer here; else it is one like any other.
  virtual bool MayEnd() const = 0;
  /// `id` has been sampled, and does not end the answer.
  virtual void Accept(int32_t id) = 0;
  /// Nothing may follow: the answer is whole (FinishReason::kStop).
  virtual bool Complete() const = 0;
  /// How many bits Allowed gives: the model's vocabulary.
  virtual int32_t vocab() const = 0;
};

}  // namespace deepseek::engine
