#include "agent/openai/generation.h"

#include <algorithm>
#include <mutex>
#include <random>
#include <utility>

#include "absl/time/clock.h"
#include "agent/openai/choice.h"
#include "agent/openai/error.h"
#include "base/log.h"
#include "base/status.h"
#include "base/strings.h"

namespace deepseek::agent {
namespace {

using engine::FinishReason;

uint64_t RandomSeed() {
  thread_local std::mt19937_64 generator{std::random_device{}()};
  return generator();
}

// Tenants share no cached prompts, whatever salts they send. A caller without a tenant may name
// any, so its salt stands as it is.
std::string SaltOf(const std::string& tenant, const std::string& salt) {
  return tenant.empty() ? salt : StrCat(tenant.size(), ":", tenant, salt);
}

/// The engine calls sinks from its step thread, the server calls OnGone from an I/O thread;
/// one lock covers all choices. Order of locks: this one, then the connection's or the engine's.
class Generation : public std::enable_shared_from_this<Generation> {
 public:
  Generation(GenerationJob job, std::shared_ptr<AnswerWriter> writer)
      : places_(std::move(job.places)), job_(std::move(job)), writer_(std::move(writer)) {}

  void Start();

 private:
  class ChoiceSink;
  struct Running {
    std::unique_ptr<Choice> choice;
    ChoiceText text;  ///< collected, when not streaming
    ChoiceText held;  ///< waits for the rest of the prompt's echo, which goes before it
    engine::RequestId id = 0;
    absl::Time last_token = absl::InfinitePast();
    bool ended = false;
    bool echo_only = false;  ///< the engine does nothing for it: it ends with its prompt's first
  };

  absl::Status Submit();
  void AddChoice(size_t p);
  absl::Status SubmitChoice(size_t p, const engine::Request& request);
  void OnPrompt(size_t i, absl::Span<const engine::TokenEvent> tokens);
  void OnToken(size_t i, const engine::TokenEvent& token);
  void OnFinish(size_t i, FinishReason reason, const engine::Usage& usage,
                const absl::Status& error);
  void OnGone();
  /// To the client; what comes before its prompt's echo is whole waits.
  void Deliver(Running& running, ChoiceText text);
  void Tell(Running& running, ChoiceText text);
  void End(Running& running, std::string_view finish_reason);
  PromptEcho* EchoOf(const Running& running);
  /// The choices of prompt `p`.
  absl::Span<Running> ChoicesOf(size_t p);
  void Send(std::string piece);
  void Fail(const absl::Status& status);
  void FinishAnswer();
  void CancelAll();
  engine::Engine& engine() { return *job_.model->engine; }

  ClientLimits::Places places_;  ///< given back before the client learns of the end
  const GenerationJob job_;
  std::mutex mutex_;
  std::shared_ptr<AnswerWriter> writer_;  ///< null: the answer is complete or nobody wants it
  std::vector<Running> choices_;
  std::vector<std::optional<PromptEcho>> echoes_;  ///< by prompt
  size_t unfinished_ = 0;
  bool streaming_ = false;  ///< the stream's head is out: errors are events from now on
  AnswerUsage usage_;
  std::string_view outcome_ = "ok";  ///< for the log
};

class Generation::ChoiceSink : public engine::Sink {
 public:
  ChoiceSink(std::shared_ptr<Generation> generation, size_t i)
      : generation_(std::move(generation)), i_(i) {}
  void OnPrompt(absl::Span<const engine::TokenEvent> tokens) override {
    generation_->OnPrompt(i_, tokens);
  }
  void OnToken(const engine::TokenEvent& token) override { generation_->OnToken(i_, token); }
  void OnFinish(FinishReason reason, const engine::Usage& usage,
                const absl::Status& error) override {
    generation_->OnFinish(i_, reason, usage, error);
  }

 private:
  std::shared_ptr<Generation> generation_;
  size_t i_;
};

void Generation::Start() {
  // Held over all submissions: tokens of the first choice wait until the stream's head is out.
  std::unique_lock lock(mutex_);
  if (const absl::Status status = Submit(); !status.ok()) {
    Fail(status);
    CancelAll();
    return;
  }
  if (job_.params.stream) {
    std::vector<std::string> pieces;
    for (const Running& running : choices_) {
      std::string opening = job_.format->Opening(job_.meta, running.choice->options().index);
      if (!opening.empty()) pieces.push_back(std::move(opening));
    }
    writer_->Start(std::move(pieces));
    streaming_ = true;
  }
  for (size_t p = 0; p < echoes_.size(); ++p) {
    if (!echoes_[p]) continue;
    const ChoiceText first = echoes_[p]->Begin();
    for (Running& running : ChoicesOf(p)) Tell(running, first);
  }
  const std::shared_ptr<AnswerWriter> writer = writer_;
  lock.unlock();
  if (writer == nullptr) return;
  writer->OnGone([weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->OnGone();
  });
}

absl::Status Generation::Submit() {
  const uint64_t seed = job_.params.seed.value_or(RandomSeed());
  std::vector<engine::Request>
      requests;  // one for each prompt: all are checked before any is submitted
  echoes_.reserve(job_.prompts.size());
  for (const EncodedPrompt& prompt : job_.prompts) {
    ASSIGN_OR_RETURN(requests.emplace_back(), ToEngineRequest(*job_.model, job_.params, prompt,
                                                              seed, job_.constraint != nullptr));
    requests.back().deadline = job_.context.deadline;
    requests.back().client = job_.context.client;
    if (job_.context.priority != 0) requests.back().priority = job_.context.priority;
    requests.back().cache_salt = SaltOf(job_.context.tenant, requests.back().cache_salt);
    echoes_.emplace_back();
    if (!prompt.echo) continue;
    echoes_.back().emplace(*job_.model->text.tokenizer, prompt.ids, *prompt.echo,
                           job_.params.top_logprobs >= 0);
    if (job_.params.top_logprobs >= 0) requests.back().prompt_logprobs = job_.params.top_logprobs;
  }
  for (size_t p = 0; p < requests.size(); ++p) {
    for (int32_t n = 0; n < job_.params.n; ++n) {
      requests[p].sampling.choice = static_cast<uint32_t>(n);
      if (job_.constraint) {
        requests[p].constraint =
            grammar::MakeConstraint(job_.constraint, *job_.model->text.tokenizer);
      }
      if (n > 0 && requests[p].prompt_only) {
        AddChoice(p);
        choices_.back().ended = choices_.back().echo_only = true;
        continue;
      }
      RETURN_IF_ERROR(SubmitChoice(p, requests[p]));
      requests[p].prompt_logprobs = -1;  // the other choices have them from the first
    }
    usage_.prompt_tokens += static_cast<int64_t>(job_.prompts[p].ids.size());
  }
  return absl::OkStatus();
}

void Generation::AddChoice(size_t p) {
  const EncodedPrompt& prompt = job_.prompts[p];
  const size_t i = choices_.size();
  ChoiceOptions options;
  options.index = static_cast<int32_t>(i);
  options.prompt_tokens = static_cast<int32_t>(prompt.ids.size());
  options.stop = job_.params.stop;
  options.skip_special = job_.params.skip_special_tokens;
  options.split_reasoning = job_.format->splits_reasoning();
  options.begins_thinking = prompt.begins_thinking;
  options.with_reasoning = job_.params.include_reasoning;
  options.with_logs = job_.params.top_logprobs >= 0;
  options.tools = job_.tools;
  if (echoes_[p]) options.chars_before = echoes_[p]->characters();
  options.log_end = options.with_logs && echoes_[p];
  choices_.emplace_back().choice =
      std::make_unique<Choice>(*job_.model->text.tokenizer, std::move(options));
}

absl::Status Generation::SubmitChoice(size_t p, const engine::Request& request) {
  const size_t i = choices_.size();
  AddChoice(p);
  const auto id = engine().Submit(request, std::make_shared<ChoiceSink>(shared_from_this(), i));
  if (!id.ok()) {
    choices_.pop_back();
    return NameField(id.status(), job_.prompts[p].param);
  }
  choices_[i].id = *id;
  ++unfinished_;
  job_.telemetry->OnSubmitted(choices_[i].choice->options().prompt_tokens);
  return absl::OkStatus();
}

PromptEcho* Generation::EchoOf(const Running& running) {
  auto& echo = echoes_[static_cast<size_t>(running.choice->options().index / job_.params.n)];
  return echo ? &*echo : nullptr;
}

absl::Span<Generation::Running> Generation::ChoicesOf(size_t p) {
  const auto n = static_cast<size_t>(job_.params.n);
  return absl::MakeSpan(choices_).subspan(p * n, n);
}

void Generation::OnPrompt(size_t i, absl::Span<const engine::TokenEvent> tokens) {
  const std::lock_guard lock(mutex_);
  if (!writer_) return;
  PromptEcho& echo = *EchoOf(choices_[i]);
  const ChoiceText text = echo.Push(tokens);
  for (Running& running : ChoicesOf(i / static_cast<size_t>(job_.params.n))) {
    Tell(running, text);
    if (!echo.complete()) continue;
    const std::string_view end = std::exchange(running.held.finish_reason, {});
    Tell(running, std::exchange(running.held, {}));
    if (!end.empty()) End(running, end);
  }
}

void Generation::OnToken(size_t i, const engine::TokenEvent& token) {
  const std::lock_guard lock(mutex_);
  Running& running = choices_[i];
  const absl::Time now = absl::Now();
  if (running.last_token == absl::InfinitePast()) {
    job_.telemetry->OnFirstToken(now - job_.context.arrival);
  } else {
    job_.telemetry->OnLaterToken(now - running.last_token);
  }
  running.last_token = now;
  if (!writer_ || running.choice->stopped()) return;
  Deliver(running, running.choice->Push(token));
  if (running.choice->stopped()) engine().Cancel(running.id);
}

void Generation::OnFinish(size_t i, FinishReason reason, const engine::Usage& usage,
                          const absl::Status& error) {
  const std::lock_guard lock(mutex_);
  Running& running = choices_[i];
  running.ended = true;
  if (running.choice->stopped()) reason = FinishReason::kStop;  // ended by us, at a stop string
  const ChoiceOptions& options = running.choice->options();
  job_.telemetry->OnFinished(reason, options.prompt_tokens, usage,
                             absl::Now() - job_.context.arrival);
  usage_.completion_tokens += usage.generated_tokens;
  // Choices of one prompt share it: the first one says how much of it was cached.
  if (options.index % job_.params.n == 0) usage_.cached_tokens += usage.cached_tokens;
  if (--unfinished_ == 0) places_.GiveBack();
  if (!writer_) {
    // Failed or unwanted: only the log still waits for the last choice.
  } else if (reason == FinishReason::kStop || reason == FinishReason::kLength) {
    Deliver(running, running.choice->Flush());
    End(running, reason == FinishReason::kLength ? "length"
                 : running.choice->called()      ? "tool_calls"
                                                 : "stop");
    for (Running& other : ChoicesOf(i / static_cast<size_t>(job_.params.n))) {
      if (other.echo_only) End(other, "length");
    }
  } else if (reason == FinishReason::kError) {
    log::Error("request failed",
               {{"request_id", job_.context.request_id}, {"reason", std::string(error.message())}});
    Fail(absl::InternalError(""));
  } else if (reason == FinishReason::kDeadline) {
    Fail(absl::DeadlineExceededError("the request's deadline has passed"));
  } else {
    Fail(ToStatus(ShuttingDown("the server is shutting down and could not finish this answer")));
  }
  if (unfinished_ == 0) FinishAnswer();
}

void Generation::Deliver(Running& running, ChoiceText text) {
  const PromptEcho* echo = EchoOf(running);
  if (echo != nullptr && !echo->complete()) {
    running.held.Append(std::move(text));
  } else {
    Tell(running, std::move(text));
  }
}

void Generation::Tell(Running& running, ChoiceText text) {
  text.index = running.choice->options().index;
  if (!job_.params.stream) {
    running.text.Append(std::move(text));
  } else if (!text.empty() || !text.logs.empty()) {
    Send(job_.format->Chunk(job_.meta, text));
  }
}

void Generation::End(Running& running, std::string_view finish_reason) {
  const PromptEcho* echo = EchoOf(running);
  if (echo != nullptr && !echo->complete()) {
    running.held.finish_reason = finish_reason;
  } else if (job_.params.stream) {
    ChoiceText end;
    end.index = running.choice->options().index;
    end.finish_reason = finish_reason;
    Send(job_.format->Chunk(job_.meta, end));
  } else {
    running.text.finish_reason = finish_reason;
  }
}

void Generation::Send(std::string piece) {
  if (!writer_ || writer_->Piece(std::move(piece))) return;
  outcome_ = "client gone";
  writer_ = nullptr;
  CancelAll();
}

/// Ends the answer with an error; the other choices have no one left to talk to.
void Generation::Fail(const absl::Status& status) {
  if (!writer_) return;
  if (unfinished_ == 0) places_.GiveBack();
  const ApiError error = FromStatus(status);
  outcome_ = "failed";
  if (!streaming_) {
    if (error.http_status == 429) job_.telemetry->OnRefused(Refusal::kQueueFull);
    if (error.http_status == 503) job_.telemetry->OnRefused(Refusal::kDraining);
  }
  writer_->Fail(error);
  writer_ = nullptr;
  CancelAll();
}

void Generation::FinishAnswer() {
  log::Info("request", {{"request_id", job_.context.request_id},
                        {"outcome", outcome_},
                        {"choices", choices_.size()},
                        {"prompt_tokens", usage_.prompt_tokens},
                        {"cached_tokens", usage_.cached_tokens},
                        {"completion_tokens", usage_.completion_tokens},
                        {"seconds", absl::ToDoubleSeconds(absl::Now() - job_.context.arrival)}});
  if (!writer_) return;
  if (job_.params.stream) {
    if (job_.params.include_usage) Send(job_.format->UsageChunk(job_.meta, usage_));
    if (!writer_) return;
    writer_->Finish();
  } else {
    std::vector<ChoiceText> texts;
    for (Running& running : choices_) texts.push_back(std::move(running.text));
    writer_->Whole(job_.format->Whole(job_.meta, texts, usage_));
  }
  writer_ = nullptr;
}

void Generation::OnGone() {
  const std::lock_guard lock(mutex_);
  if (!writer_) return;
  outcome_ = "client gone";
  writer_ = nullptr;
  CancelAll();
}

void Generation::CancelAll() {
  for (const Running& running : choices_) {
    if (!running.ended && running.id != 0) engine().Cancel(running.id);
  }
}

}  // namespace

void StartGeneration(GenerationJob job, std::shared_ptr<AnswerWriter> writer) {
  std::make_shared<Generation>(std::move(job), std::move(writer))->Start();
}

absl::Status NameField(const absl::Status& status, const char* prompt) {
  if (status.code() != absl::StatusCode::kInvalidArgument) return status;
  // The engine's messages are FIELD: VALUE: what it must be.
  const std::string_view message = ToStd(status.message());
  const std::string_view name = message.substr(0, message.find_first_of(":["));
  if (name == "prompt") return BadParam(prompt, message, "invalid_value");
  return BadParam(name == "stop_ids" ? "stop_token_ids" : name, message, "invalid_value");
}

namespace {

absl::Status TooLong(int32_t context, const char* param, std::string_view tokens, bool no_room) {
  return BadParam(
      param,
      StrCat("This model's maximum context length is ", context,
             " tokens. However, your prompt has ", tokens, " tokens",
             no_room ? ", which leaves no room for an answer" : "", ". Please shorten the prompt."),
      "context_length_exceeded");
}

}  // namespace

absl::Status CheckBytes(const LoadedModel& model, size_t bytes, const char* param) {
  const int32_t context = model.engine->max_context();
  const int64_t least = model.text.tokenizer->LeastTokens(bytes);
  if (least <= context) return absl::OkStatus();
  return TooLong(context, param, StrCat("at least ", least), false);
}

absl::StatusOr<engine::Request> ToEngineRequest(const LoadedModel& model,
                                                const GenerationParams& params,
                                                const EncodedPrompt& prompt, uint64_t seed,
                                                bool constrained) {
  const int32_t context = model.engine->max_context();
  const auto length = static_cast<int64_t>(prompt.ids.size());
  if (length == 0) return BadParam(prompt.param, "the prompt has no tokens", "invalid_value");
  const bool prompt_only = params.max_tokens == 0;
  if (prompt_only ? length > context : length >= context) {
    return TooLong(context, prompt.param, StrCat(length), !prompt_only);
  }
  const GenerationDefaults& defaults = model.defaults;
  engine::Request request;
  request.prompt = prompt.ids;
  const auto room = static_cast<int32_t>(context - length);
  request.max_tokens = std::min(params.max_tokens.value_or(room), room);
  request.prompt_only = prompt_only;
  engine::SamplingParams& s = request.sampling;
  s.temperature = params.temperature.value_or(defaults.temperature);
  s.top_p = params.top_p.value_or(defaults.top_p);
  s.top_k = params.top_k.value_or(defaults.top_k);
  s.min_p = params.min_p.value_or(defaults.min_p);
  s.repetition_penalty = params.repetition_penalty.value_or(defaults.repetition_penalty);
  s.presence_penalty = params.presence_penalty;
  s.frequency_penalty = params.frequency_penalty;
  s.seed = seed;
  s.logit_bias = params.logit_bias;
  request.stop_ids = params.stop_token_ids;
  // A constrained answer ends where its grammar lets it: only then may these come.
  if (!params.ignore_eos || constrained) {
    request.stop_ids.insert(request.stop_ids.end(), defaults.eos_ids.begin(),
                            defaults.eos_ids.end());
  }
  request.top_logprobs = params.top_logprobs;
  request.priority = -params.priority;
  request.cache_salt = params.cache_salt;
  return request;
}

}  // namespace deepseek::agent
