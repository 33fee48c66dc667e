#include <gtest/gtest.h>

#include "agent/openai/error.h"
#include "agent/openai/generation.h"
#include "agent/openai/request.h"
#include "base/json_full.h"
#include "base/strings.h"

namespace deepseek::agent {
namespace {

constexpr std::string_view kHi = R"("messages":[{"role":"user","content":"hi"}])";

absl::StatusOr<ChatRequest> Chat(std::string_view fields) {
  return ParseChatRequest(StrCat("{", kHi, fields.empty() ? "" : ",", fields, "}"),
                          RequestLimits{});
}

std::string Content(const ChatRequest& request, size_t i = 0) {
  return (*request.variables)["messages"][i]["content"].get<std::string>();
}

TEST(ParseChat, DefaultsAreTheModels) {
  const auto request = Chat("");
  ASSERT_TRUE(request.ok()) << request.status();
  const GenerationParams& p = request->params;
  EXPECT_FALSE(p.temperature || p.top_p || p.top_k || p.min_p || p.seed || p.max_tokens);
  EXPECT_EQ(p.n, 1);
  EXPECT_TRUE(p.skip_special_tokens);
  EXPECT_FALSE(p.stream);
  EXPECT_EQ(p.top_logprobs, -1);
  EXPECT_EQ(Content(*request), "hi");
  EXPECT_EQ((*request->variables)["add_generation_prompt"], true);
  EXPECT_FALSE(request->variables->contains("thinking"));
}

TEST(ParseChat, ReadsEveryParameter) {
  const auto request =
      Chat(R"("model":"m","temperature":0.5,"top_p":0.9,"top_k":40,"min_p":0.05,"seed":-3,
    "presence_penalty":-1,"frequency_penalty":1.5,"repetition_penalty":1.1,"logit_bias":{"5":-100,"7":2.5},
    "stop":["a","","b"],"stop_token_ids":[3],"ignore_eos":true,"skip_special_tokens":false,"max_tokens":5,"max_completion_tokens":7,"n":3,
    "stream":true,"stream_options":{"include_usage":true},"logprobs":true,"top_logprobs":4,"user":"u",
    "priority":-2,"cache_salt":"tenant")");
  ASSERT_TRUE(request.ok()) << request.status();
  const GenerationParams& p = request->params;
  EXPECT_EQ(p.model, "m");
  EXPECT_FLOAT_EQ(*p.temperature, 0.5F);
  EXPECT_FLOAT_EQ(*p.top_p, 0.9F);
  EXPECT_EQ(p.top_k, 40);
  EXPECT_FLOAT_EQ(*p.min_p, 0.05F);
  EXPECT_EQ(p.seed, static_cast<uint64_t>(-3));
  EXPECT_FLOAT_EQ(p.presence_penalty, -1.0F);
  EXPECT_FLOAT_EQ(p.frequency_penalty, 1.5F);
  EXPECT_FLOAT_EQ(*p.repetition_penalty, 1.1F);
  EXPECT_EQ(p.logit_bias, (std::vector<std::pair<int32_t, float>>{{5, -100.0F}, {7, 2.5F}}));
  EXPECT_EQ(p.stop, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(p.stop_token_ids, std::vector<int32_t>{3});
  EXPECT_TRUE(p.ignore_eos);
  EXPECT_FALSE(p.skip_special_tokens);
  EXPECT_EQ(p.max_tokens, 7);  // the newer name wins
  EXPECT_EQ(p.n, 3);
  EXPECT_TRUE(p.stream && p.include_usage);
  EXPECT_EQ(p.top_logprobs, 4);
  EXPECT_EQ(p.priority, -2);
  EXPECT_EQ(p.cache_salt, "tenant");
}

TEST(ParseChat, NullIsAbsentAndUnknownFieldsAreTolerated) {
  EXPECT_TRUE(
      Chat(R"("temperature":null,"stop":null,"tools":null,"response_format":null,"n":null)").ok());
  EXPECT_TRUE(Chat(R"("store":false,"metadata":{"a":"b"},"service_tier":"auto","zzz":[1,2])").ok());
  EXPECT_TRUE(
      Chat(R"("tools":[],"tool_choice":"auto","response_format":{"type":"text"},"echo":false)")
          .ok());
}

TEST(ParseChat, TakesValuesOfUnservedFieldsThatAskForNothing) {
  const auto request = Chat(
      R"("length_penalty":1.0,"typical_p":1.0,"verbosity":"medium","best_of":1,"min_tokens":0,
         "use_beam_search":false,"grammar":"","json_schema":null,
         "include_stop_str_in_output":false,"return_token_ids":false,"allowed_token_ids":[],
         "guided_json":null,"modalities":["text"])");
  EXPECT_TRUE(request.ok()) << request.status();
}

struct Refused {
  const char* fields;
  const char* param;
  const char* code;
};

TEST(ParseChat, RefusesAndNamesTheField) {
  const std::vector<Refused> cases = {
      {R"("max_tokens":-1)", "max_tokens", "invalid_value"},
      {R"("max_tokens":0)", "max_tokens", "invalid_value"},
      {R"("max_tokens":1.5)", "max_tokens", "invalid_type"},
      {R"("max_tokens":"5")", "max_tokens", "invalid_type"},
      {R"("max_tokens":18446744073709551615)", "max_tokens", "invalid_value"},
      {R"("max_completion_tokens":-1)", "max_completion_tokens", "invalid_value"},
      {R"("temperature":2.1)", "temperature", "invalid_value"},
      {R"("temperature":-0.1)", "temperature", "invalid_value"},
      {R"("temperature":true)", "temperature", "invalid_type"},
      {R"("top_p":-0.01)", "top_p", "invalid_value"},
      {R"("top_p":1.01)", "top_p", "invalid_value"},
      {R"("top_k":-2)", "top_k", "invalid_value"},
      {R"("min_p":1)", "min_p", "invalid_value"},
      {R"("repetition_penalty":0)", "repetition_penalty", "invalid_value"},
      {R"("presence_penalty":2.5)", "presence_penalty", "invalid_value"},
      {R"("frequency_penalty":-3)", "frequency_penalty", "invalid_value"},
      {R"("n":0)", "n", "invalid_value"},
      {R"("n":1000)", "n", "invalid_value"},
      {R"("seed":"x")", "seed", "invalid_type"},
      {R"("stop":5)", "stop", "invalid_type"},
      {R"("stop":["a",1])", "stop", "invalid_type"},
      {R"("stop":["1","2","3","4","5","6","7","8","9","a","b","c","d","e","f","g","h"])", "stop",
       "invalid_value"},
      {R"("stream":"true")", "stream", "invalid_type"},
      {R"("stream_options":{"include_usage":true})", "stream_options", "invalid_value"},
      {R"("stream":true,"stream_options":{"include_usage":1})", "stream_options.include_usage",
       "invalid_type"},
      {R"("top_logprobs":3)", "top_logprobs", "invalid_value"},
      {R"("priority":-2147483648)", "priority", "invalid_value"},
      {R"("priority":"high")", "priority", "invalid_type"},
      {R"("logprobs":true,"top_logprobs":21)", "top_logprobs", "invalid_value"},
      {R"("logprobs":5)", "logprobs", "invalid_type"},
      {R"("logit_bias":[1])", "logit_bias", "invalid_type"},
      {R"("logit_bias":{"x":1})", "logit_bias", "invalid_value"},
      {R"("logit_bias":{"1":101})", "logit_bias", "invalid_value"},
      {R"("model":7)", "model", "invalid_type"},
      {R"("user":7)", "user", "invalid_type"},
      {R"("chat_template_kwargs":[])", "chat_template_kwargs", "invalid_type"},
      {R"("chat_template_kwargs":{"messages":[]})", "chat_template_kwargs", "invalid_value"},
      {R"("thinking":{"type":"maybe"})", "thinking.type", "invalid_value"},
      {R"("thinking":"yes")", "thinking", "invalid_type"},
      // Known, yet not served: never ignored.
      {R"("tool_choice":"required")", "tool_choice", "invalid_value"},
      {R"("tools":"f")", "tools", "invalid_type"},
      {R"("tools":[1])", "tools[0]", "invalid_type"},
      {R"("tools":[{"type":"custom"}])", "tools[0].type", "unsupported_parameter"},
      {R"("tools":[{"type":"function"}])", "tools[0].function", "invalid_type"},
      {R"("tools":[{"type":"function","function":{"name":"a b"}}])", "tools[0].function.name",
       "invalid_value"},
      {R"("tools":[{"type":"function","function":{"name":"f","parameters":[]}}])",
       "tools[0].function.parameters", "invalid_type"},
      {R"("tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"always")",
       "tool_choice", "invalid_value"},
      {R"("tools":[{"type":"function","function":{"name":"f"}}],
          "tool_choice":{"type":"function","function":{"name":"g"}})",
       "tool_choice", "invalid_value"},
      {R"("tools":[{"type":"function","function":{"name":"f"}}],
          "tool_choice":{"type":"allowed_tools"})",
       "tool_choice.type", "unsupported_parameter"},
      {R"("parallel_tool_calls":1)", "parallel_tool_calls", "invalid_type"},
      {R"("function_call":{"name":"f"})", "function_call", "unsupported_parameter"},
      {R"("response_format":{"type":"grammar"})", "response_format", "unsupported_parameter"},
      {R"("response_format":{"type":"json_schema"})", "response_format.json_schema",
       "invalid_type"},
      {R"("response_format":{"type":"json_schema","json_schema":{}})",
       "response_format.json_schema.schema", "invalid_type"},
      {R"("response_format":{"type":"json_object"},"stop":"}")", "stop", "invalid_value"},
      {R"("response_format":"json")", "response_format", "invalid_type"},
      {R"("functions":[{"name":"f"}])", "functions", "unsupported_parameter"},
      {R"("reasoning_effort":"hard")", "reasoning_effort", "invalid_value"},
      {R"("continue_final_message":true)", "continue_final_message", "invalid_value"},
      {R"("continue_final_message":true,"add_generation_prompt":true)", "add_generation_prompt",
       "invalid_value"},
      {R"("chat_template_kwargs":{"continue_final_message":false})", "chat_template_kwargs",
       "invalid_value"},
      {R"("echo":true)", "echo", "unsupported_parameter"},
      {R"("best_of":3)", "best_of", "unsupported_parameter"},
      {R"("min_tokens":3)", "min_tokens", "unsupported_parameter"},
      {R"("guided_json":{"type":"object"})", "guided_json", "unsupported_parameter"},
      {R"("grammar":"root ::= \"a\"")", "grammar", "unsupported_parameter"},
      {R"("regex":"a+")", "regex", "unsupported_parameter"},
      {R"("ebnf":"root ::= \"a\"")", "ebnf", "unsupported_parameter"},
      {R"("json_schema":{"type":"object"})", "json_schema", "unsupported_parameter"},
      {R"("json_schema":"{\"type\":\"object\"}")", "json_schema", "unsupported_parameter"},
      {R"("structural_tag":{"type":"structural_tag"})", "structural_tag", "unsupported_parameter"},
      {R"("typical_p":0.9)", "typical_p", "unsupported_parameter"},
      {R"("allowed_token_ids":[5])", "allowed_token_ids", "unsupported_parameter"},
      {R"("return_token_ids":true)", "return_token_ids", "unsupported_parameter"},
      {R"("return_tokens_as_token_ids":true)", "return_tokens_as_token_ids",
       "unsupported_parameter"},
      {R"("length_penalty":0.8)", "length_penalty", "unsupported_parameter"},
      {R"("verbosity":"low")", "verbosity", "unsupported_parameter"},
      {R"("include_reasoning":"no")", "include_reasoning", "invalid_type"},
      {R"("modalities":["text","audio"])", "modalities", "unsupported_parameter"},
      {R"("audio":{"voice":"x"})", "audio", "unsupported_parameter"},
  };
  for (const Refused& c : cases) {
    const auto request = Chat(c.fields);
    ASSERT_FALSE(request.ok()) << c.fields;
    const ApiError error = FromStatus(request.status());
    EXPECT_EQ(error.http_status, 400) << c.fields;
    EXPECT_EQ(error.type, "invalid_request_error");
    EXPECT_EQ(error.param, c.param) << c.fields;
    EXPECT_EQ(error.code, c.code) << c.fields;
    EXPECT_NE(error.message.find(c.param), std::string::npos) << error.message;
  }
}

TEST(ParseChat, ReadsToolsAndTheirChoice) {
  const std::string tools =
      R"("tools":[{"type":"function","function":{"name":"f","strict":true,
                   "parameters":{"type":"object"}}},
                  {"type":"function","function":{"name":"g"}}])";
  const auto automatic = Chat(tools);
  ASSERT_TRUE(automatic.ok()) << automatic.status();
  EXPECT_EQ(automatic->tools.mode, ToolRequest::kAuto);
  ASSERT_EQ(automatic->tools.functions.size(), 2U);
  EXPECT_TRUE(automatic->tools.functions[0].strict);
  EXPECT_EQ(*automatic->tools.functions[1].parameters,
            OrderedJson::parse(R"({"type":"object","properties":{}})"))
      << "none given: it takes none";
  EXPECT_TRUE(automatic->tools.parallel);
  EXPECT_EQ(Chat(tools + R"(,"tool_choice":"none")")->tools.mode, ToolRequest::kNone);
  EXPECT_EQ(Chat(tools + R"(,"tool_choice":"required")")->tools.mode, ToolRequest::kRequired);
  const auto named = Chat(tools + R"(,"tool_choice":{"type":"function","function":{"name":"g"}})");
  ASSERT_TRUE(named.ok()) << named.status();
  EXPECT_EQ(named->tools.mode, ToolRequest::kRequired);
  EXPECT_FALSE(named->tools.parallel);
  ASSERT_EQ(named->tools.functions.size(), 1U);
  EXPECT_EQ(named->tools.functions[0].name, "g");
}

TEST(ParseChat, ReasoningEffortSwitchesThinking) {
  EXPECT_EQ((*Chat(R"("reasoning_effort":"none")")->variables)["thinking"], false);
  EXPECT_EQ((*Chat(R"("reasoning_effort":"medium")")->variables)["thinking"], true);
  EXPECT_EQ((*Chat(R"("reasoning_effort":"max")")->variables)["reasoning_effort"], "max");
  EXPECT_EQ((*Chat(R"("reasoning_effort":"high","thinking":false)")->variables)["thinking"], false)
      << "the plainer word wins";
}

TEST(ParseChat, CallsOfEarlierAnswersReachTheTemplateAsStrings) {
  const auto request = ParseChatRequest(
      R"({"messages":[{"role":"user","content":"x"},
          {"role":"assistant","content":"","tool_calls":[
            {"id":"c","function":{"name":"f","arguments":{"a":1}}}]},
          {"role":"tool","tool_call_id":"c","content":[{"type":"text","text":"5"}]}]})",
      RequestLimits{});
  ASSERT_TRUE(request.ok()) << request.status();
  const OrderedJson& messages = (*request->variables)["messages"];
  EXPECT_TRUE(messages[1]["content"].is_null()) << "V3's template wants none";
  EXPECT_EQ(messages[1]["tool_calls"][0]["type"], "function");
  EXPECT_EQ(messages[1]["tool_calls"][0]["function"]["arguments"], R"({"a":1})");
  EXPECT_EQ(messages[2]["content"], "5");
}

TEST(ParseChat, ACallWithoutArgumentsHasAnEmptyObjectOfThem) {
  for (const char* arguments : {R"("")", "null", R"("{}")", "{}"}) {
    const auto request = ParseChatRequest(StrCat(R"({"messages":[{"role":"assistant","tool_calls":[
                    {"id":"c","type":null,"function":{"name":"f","arguments":)",
                                                 arguments, "}}]}]}"),
                                          RequestLimits{});
    ASSERT_TRUE(request.ok()) << request.status();
    const OrderedJson& call = (*request->variables)["messages"][0]["tool_calls"][0];
    EXPECT_EQ(call["type"], "function");
    EXPECT_EQ(call["function"]["arguments"], "{}") << arguments;
  }
}

TEST(ParseChat, AnEmptyListOfCallsIsNone) {
  for (const char* calls : {"[]", "null"}) {
    const auto request = ParseChatRequest(
        StrCat(R"({"messages":[{"role":"assistant","content":"","tool_calls":)", calls, "}]}"),
        RequestLimits{});
    ASSERT_TRUE(request.ok()) << request.status();
    const OrderedJson& message = (*request->variables)["messages"][0];
    EXPECT_FALSE(message.contains("tool_calls"));
    EXPECT_EQ(message["content"], "");
  }
}

TEST(ParseChat, RefusesWhatIsNoObject) {
  for (const char* body :
       {"", "{", "[]", "null", "\"x\"", "{\"messages\":", "\xff", "{\"a\":\"\xc3\"}"}) {
    const auto request = ParseChatRequest(body, RequestLimits{});
    ASSERT_FALSE(request.ok()) << body;
    EXPECT_EQ(FromStatus(request.status()).code, "invalid_json") << body;
  }
  const std::string deep = StrCat("{\"messages\":", std::string(100000, '['));
  EXPECT_EQ(FromStatus(ParseChatRequest(deep, RequestLimits{}).status()).http_status, 400);
}

TEST(ParseChat, ChecksMessages) {
  const auto param = [](std::string_view messages) {
    const auto request = ParseChatRequest(StrCat("{\"messages\":", messages, "}"), RequestLimits{});
    return request.ok() ? "fine" : FromStatus(request.status()).param;
  };
  EXPECT_EQ(param("[]"), "messages");
  EXPECT_EQ(param("{}"), "messages");
  EXPECT_EQ(param("[1]"), "messages[0]");
  EXPECT_EQ(param(R"([{"content":"x"}])"), "messages[0].role");
  EXPECT_EQ(param(R"([{"role":"king","content":"x"}])"), "messages[0].role");
  EXPECT_EQ(param(R"([{"role":"user"}])"), "messages[0].content");
  EXPECT_EQ(param(R"([{"role":"user","content":5}])"), "messages[0].content");
  EXPECT_EQ(param(R"([{"role":"user","content":[{"type":"image_url"}]}])"),
            "messages[0].content[0].type");
  EXPECT_EQ(param(R"([{"role":"user","content":[{"type":"text"}]}])"),
            "messages[0].content[0].text");
  EXPECT_EQ(param(R"([{"role":"user","content":"a"},{"role":"assistant","tool_calls":[{}]}])"),
            "messages[1].tool_calls[0]");
  EXPECT_EQ(param(R"([{"role":"assistant","content":null,"function_call":{"name":"f",
                     "arguments":"{}"}}])"),
            "messages[0].function_call");
  EXPECT_EQ(param(R"([{"role":"assistant","content":"x","function_call":null}])"), "fine");
  EXPECT_EQ(param(R"([{"role":"assistant","content":null}])"), "fine");
  EXPECT_EQ(param(R"([{"role":"tool","content":"x","tool_call_id":"1"}])"), "fine");
  EXPECT_EQ(FromStatus(ParseChatRequest("{}", RequestLimits{}).status()).code,
            "missing_required_parameter");
}

TEST(ParseChat, APrefixContinuesTheLastMessageOfTheAssistant) {
  const auto parse = [](std::string_view messages, std::string_view more) {
    return ParseChatRequest(
        StrCat(R"({"messages":[{"role":"user","content":"hi"},)", messages, "]", more, "}"),
        RequestLimits{});
  };
  constexpr std::string_view kLast = R"({"role":"assistant","content":"ho","prefix":true})";
  const auto request = parse(kLast, "");
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_TRUE(request->continues);
  EXPECT_EQ((*request->variables)["add_generation_prompt"], false);
  EXPECT_EQ((*request->variables)["messages"][1]["prefix"], true) << "V3.1's template reads it";
  EXPECT_TRUE(parse(kLast, R"(,"add_generation_prompt":false)")->continues);
  EXPECT_TRUE(parse(kLast, R"(,"continue_final_message":true)")->continues);
  EXPECT_TRUE(
      parse(R"({"role":"assistant","content":"ho","prefix":true,"tool_calls":[]})", "")->continues);
  for (const char* value : {"false", "null"}) {
    const auto plain =
        parse(StrCat(R"({"role":"assistant","content":"ho","prefix":)", value, "}"), "");
    ASSERT_TRUE(plain.ok()) << plain.status();
    EXPECT_FALSE(plain->continues);
  }
  const auto refused = [&](std::string_view messages, std::string_view more) {
    const auto bad = parse(messages, more);
    return bad.ok() ? "fine" : FromStatus(bad.status()).param;
  };
  const std::string first = StrCat(kLast, R"(,{"role":"user","content":"so?"})");
  EXPECT_EQ(refused(first, ""), "messages[1].prefix");
  EXPECT_EQ(refused(R"({"role":"user","content":"ho","prefix":true})", ""), "messages[1].prefix");
  EXPECT_EQ(refused(R"({"role":"assistant","content":"ho","prefix":"yes"})", ""),
            "messages[1].prefix");
  EXPECT_EQ(refused(R"({"role":"assistant","prefix":true,"tool_calls":[
                        {"id":"c","function":{"name":"f","arguments":"{}"}}]})",
                    ""),
            "messages[1].prefix");
  EXPECT_EQ(refused(kLast, R"(,"add_generation_prompt":true)"), "messages[1].prefix");
  EXPECT_EQ(refused(kLast, R"(,"response_format":{"type":"json_object"})"), "messages[1].prefix");
  EXPECT_EQ(refused(kLast, R"(,"tools":[{"type":"function","function":{"name":"f"}}])"),
            "messages[1].prefix");
}

TEST(ParseChat, JoinsPartsAndMapsDeveloper) {
  const auto request = ParseChatRequest(R"({"messages":[{"role":"developer","content":"d"},
    {"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}]})",
                                        RequestLimits{});
  ASSERT_TRUE(request.ok());
  EXPECT_EQ((*request->variables)["messages"][0]["role"], "system");
  EXPECT_EQ(Content(*request, 1), "ab");
}

TEST(ParseChat, ThinkingSwitchesReachTheTemplate) {
  for (const char* field :
       {R"("thinking":true)", R"("enable_thinking":true)", R"("thinking":{"type":"enabled"})",
        R"("chat_template_kwargs":{"thinking":true})"}) {
    const auto request = Chat(field);
    ASSERT_TRUE(request.ok()) << request.status();
    EXPECT_EQ((*request->variables)["thinking"], true) << field;
  }
}

TEST(ParseCompletion, TakesEveryKindOfPrompt) {
  const auto prompts = [](std::string_view prompt) -> size_t {
    const auto request =
        ParseCompletionRequest(StrCat("{\"prompt\":", prompt, "}"), RequestLimits{});
    return request.ok() ? request->prompts.size() : 0;
  };
  EXPECT_EQ(prompts("\"a\""), 1U);
  EXPECT_EQ(prompts(R"(["a","b"])"), 2U);
  EXPECT_EQ(prompts("[1,2,3]"), 1U);
  EXPECT_EQ(prompts("[[1],[2,3]]"), 2U);
  for (const char* bad :
       {"[]", "5", "null", "[[]]", "[1,\"a\"]", "[-1]", "[1.5]", "{}", "[99999999999]"}) {
    EXPECT_EQ(prompts(bad), 0U) << bad;
  }
}

TEST(ParseCompletion, HasOpenAisDefaultAndLimits) {
  const auto plain = ParseCompletionRequest(R"({"prompt":"a","logprobs":3})", RequestLimits{});
  EXPECT_EQ(plain->params.max_tokens, 16);
  EXPECT_EQ(plain->params.top_logprobs, 3);
  EXPECT_FALSE(ParseCompletionRequest(R"({"prompt":["a","b"],"n":100})", RequestLimits{}).ok());
  EXPECT_FALSE(ParseCompletionRequest(R"({"prompt":"a","suffix":"b"})", RequestLimits{}).ok());
  EXPECT_FALSE(ParseCompletionRequest(R"({"prompt":"a","logprobs":true})", RequestLimits{}).ok());
  const auto scored = ParseCompletionRequest(
      R"({"prompt":[[1,2]],"logprobs":0,"echo":true,"max_tokens":0})", RequestLimits{});
  ASSERT_TRUE(scored.ok()) << scored.status();
  EXPECT_EQ(scored->params.max_tokens, 0);
  const auto empty = ParseCompletionRequest(R"({"prompt":"a","max_tokens":0})", RequestLimits{});
  EXPECT_EQ(FromStatus(empty.status()).param, "max_tokens");
}

TEST(ParseCompletion, MoreAnswersThanTheServerCanHoldAreRefusedForGood) {
  const RequestLimits limits{.most_at_once = 4};
  const auto refused = [&](std::string_view body) {
    return FromStatus(ParseCompletionRequest(body, limits).status());
  };
  EXPECT_TRUE(ParseCompletionRequest(R"({"prompt":["a","b"],"n":2})", limits).ok());
  EXPECT_TRUE(
      ParseCompletionRequest(R"({"prompt":"a","n":5,"echo":true,"max_tokens":0})", limits).ok());
  EXPECT_EQ(refused(R"({"prompt":["a","b","c"],"n":2})").param, "prompt");
  const ApiError error = refused(R"({"prompt":"a","n":5})");
  EXPECT_EQ(error.http_status, 400);
  EXPECT_EQ(error.param, "n");
  EXPECT_NE(error.message.find("asks for 5 answers, this server holds 4"), std::string::npos)
      << error.message;
}

TEST(ParseGenerate, HasOnePromptUnderItsName) {
  EXPECT_EQ(std::get<std::string>(
                ParseGenerateRequest(R"({"prompt":"a"})", "prompt", {})->prompts.front()),
            "a");
  EXPECT_EQ(
      std::get<std::string>(ParseGenerateRequest(R"({"text":"b"})", "text", {})->prompts.front()),
      "b");
  EXPECT_EQ(FromStatus(ParseGenerateRequest(R"({"prompt":"a"})", "text", {}).status()).param,
            "text");
  EXPECT_EQ(
      FromStatus(ParseGenerateRequest(R"({"prompt":"a","n":2})", "prompt", {}).status()).param,
      "n");
  EXPECT_FALSE(ParseGenerateRequest(R"({"prompt":["a"]})", "prompt", {}).ok());
}

TEST(ParseTokenize, TextOrMessagesOrIds) {
  EXPECT_EQ(ParseTokenizeRequest(R"({"text":"a"})", {})->text, "a");
  EXPECT_EQ(ParseTokenizeRequest(R"({"prompt":""})", {})->text, "");
  EXPECT_NE(ParseTokenizeRequest(StrCat("{", kHi, "}"), {})->variables, nullptr);
  EXPECT_FALSE(ParseTokenizeRequest("{}", {}).ok());
  EXPECT_EQ(ParseDetokenizeRequest(R"({"tokens":[1,2]})", {})->tokens,
            (std::vector<int32_t>{1, 2}));
  EXPECT_FALSE(ParseDetokenizeRequest(R"({"tokens":"x"})", {}).ok());
  EXPECT_FALSE(ParseDetokenizeRequest("{}", {}).ok());
}

TEST(ApiErrors, WhatTheEngineRefusesNamesTheField) {
  const auto param = [](const char* message) {
    return FromStatus(NameField(absl::InvalidArgumentError(message), "messages")).param;
  };
  EXPECT_EQ(param("logit_bias: 999999: must be a token id from 0 to 9"), "logit_bias");
  EXPECT_EQ(param("prompt[3]: 77: must be a token id from 0 to 9"), "messages");
  EXPECT_EQ(param("stop_ids: 2000: must be at most 1024 ids"), "stop_token_ids");
  const ApiError busy = FromStatus(NameField(absl::ResourceExhaustedError("full"), "prompt"));
  EXPECT_EQ(busy.http_status, 429);
  EXPECT_EQ(busy.param, "");
}

TEST(ApiErrors, SurviveTheirTripThroughAStatus) {
  const ApiError in{404, "m", "t", "p", "c"};
  const ApiError out = FromStatus(ToStatus(in));
  EXPECT_EQ(ErrorBody(out), R"({"error":{"code":"c","message":"m","param":"p","type":"t"}})");
  EXPECT_EQ(out.http_status, 404);
  EXPECT_EQ(FromStatus(absl::ResourceExhaustedError("full")).http_status, 429);
  EXPECT_EQ(FromStatus(absl::UnavailableError("draining")).http_status, 503);
  // Inner details do not leak.
  EXPECT_EQ(FromStatus(absl::InternalError("secret path")).message.find("secret"),
            std::string::npos);
  EXPECT_EQ(ErrorResponse({429, "m", "t", "", ""}).headers.front().name, "Retry-After");
}

}  // namespace
}  // namespace deepseek::agent
