// Small tokenizers made for the case: added tokens, spans, streams, and files that cannot be
// served.

#include <algorithm>
#include <random>

#include "tests/engine/tokenizer/files.h"

namespace deepseek::engine {
namespace {

// One token per ASCII letter and a few signs, "ab" by a merge; the rest by `change`.
Json File(const std::function<void(Json&)>& change = nullptr) {
  Json file = {
      {"normalizer", nullptr},
      {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}}},
      {"post_processor", nullptr},
      {"decoder", {{"type", "ByteLevel"}}},
      {"model", {{"type", "BPE"}, {"merges", {"a b"}}}},
      {"added_tokens", Json::array()}};
  Json vocab = Json::object();
  for (const char c : std::string("abcdefghijklmnopqrstuvwxyz<>|"))
    vocab[std::string(1, c)] = vocab.size();
  vocab["ab"] = vocab.size();
  file["model"]["vocab"] = vocab;
  if (change) change(file);
  return file;
}

Json Added(int id, const std::string& content, bool special = false, bool normalized = false) {
  return {
      {"id", id},        {"content", content}, {"special", special},  {"normalized", normalized},
      {"lstrip", false}, {"rstrip", false},    {"single_word", false}};
}

std::unique_ptr<Tokenizer> Make(const std::function<void(Json&)>& change = nullptr) {
  auto tokenizer = ParseTokenizer(File(change).dump());
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
  return *std::move(tokenizer);
}

// Ids as text, so that cases can be read: ordinary tokens as themselves, added ones in brackets.
std::string Show(const Tokenizer& t, const std::vector<int32_t>& ids) {
  std::string out;
  for (const int32_t id : ids) {
    if (!out.empty()) out += ' ';
    out += id >= 100 ? "[" + std::to_string(id) + "]" : std::string(t.TokenBytes(id));
  }
  return out;
}

void AddTwo(Json& file) {
  file["added_tokens"] = {Added(100, "<a>"), Added(101, "<a><b>", true),
                          Added(102, "<", false, true)};
}

TEST(Tokenizer, FindsAddedTokensLeftmostAndLongest) {
  const auto t = Make(AddTwo);
  EXPECT_EQ(Show(*t, t->Encode("x<a>y")), "x [100] y");
  EXPECT_EQ(Show(*t, t->Encode("<a><b>")), "[101]");
  EXPECT_EQ(Show(*t, t->Encode("<a><c")), "[100] [102] c");
  EXPECT_EQ(Show(*t, t->Encode("<a><b>", AddedTokens::kNone)), "< a > < b >");
  EXPECT_EQ(Show(*t, t->Encode("<a><b><a>", AddedTokens::kNonSpecial)),
            "[102] a > [102] b > [100]");
  EXPECT_EQ(Show(*t, t->Encode("")), "");
}

TEST(Tokenizer, RecognisesAddedTokensOnlyInsideTemplateSpans) {
  const auto t = Make(AddTwo);
  const auto show = [&](std::vector<TextSpan> spans) { return Show(*t, t->EncodeSpans(spans)); };
  EXPECT_EQ(show({{"<a>", true}, {"<a>", false}, {"<a>", true}}), "[100] < a > [100]");
  EXPECT_EQ(show({{"<a", false}, {">", true}}), "< a >");
  EXPECT_EQ(show({{"<", false}, {"a>", true}}), "< a >");
  EXPECT_EQ(show({{"<a", true}, {">", true}}), "[100]");  // neighbours of one kind are one text
  EXPECT_EQ(show({{"<a>", true}, {"<b>", false}}),
            "[100] < b >");                            // the longer match would need user text
  EXPECT_EQ(show({{"a", true}, {"b", false}}), "ab");  // merges run over borders
  EXPECT_EQ(show({{"", true}, {"a", false}, {"", true}, {"b", true}}), "ab");
  EXPECT_EQ(show({}), "");
}

TEST(Tokenizer, IsLinearInTheNumberOfSpans) {
  const auto t = Make(AddTwo);
  std::vector<TextSpan> spans;
  for (int i = 0; i < 200000; ++i) {
    spans.push_back({"<a>", true});
    spans.push_back({"ab<a>", false});
  }
  EXPECT_EQ(t->EncodeSpans(spans).size(), 200000u * 5);
}

TEST(Tokenizer, NormalisesBetweenAddedTokens) {
  const auto t = Make([](Json& file) {
    file["normalizer"] = {{"type", "NFC"}};
    file["model"]["vocab"]["Ã"] = 40;
    file["model"]["vocab"]["©"] = 41;
    file["added_tokens"] = {Added(100, "e\xCC\x81!"), Added(101, "\xC3\xA9?", false, true)};
  });
  EXPECT_EQ(t->Encode("e\xCC\x81"), (std::vector<int32_t>{40, 41}));
  EXPECT_EQ(t->Encode("e\xCC\x81!"), (std::vector<int32_t>{100}));  // raw text
  EXPECT_EQ(t->Encode("e\xCC\x81?"), (std::vector<int32_t>{101}));  // normalised text
  const std::vector<TextSpan> spans = {{"e", true}, {"\xCC\x81?", false}};
  EXPECT_EQ(t->EncodeSpans(spans), (std::vector<int32_t>{40, 41}));
}

TEST(Tokenizer, RepairsBrokenInputAndKeepsSpans) {
  const auto t = Make([](Json& file) {
    AddTwo(file);
    file["model"]["vocab"]["ï"] = 40;
    file["model"]["vocab"]["¿"] = 41;
    file["model"]["vocab"]["½"] = 42;
  });
  const std::vector<int32_t> replaced = {40, 41, 42};
  EXPECT_EQ(t->Encode("\xE4\xBD"), replaced);
  const std::vector<TextSpan> spans = {{"<a>\xE4", true}, {"\xBD<a>", false}, {"<a>", true}};
  const std::vector<int32_t> ids = t->EncodeSpans(spans);
  EXPECT_EQ(t->Decode(ids), "<a>\xEF\xBF\xBD<a><a>");
  EXPECT_EQ(std::count(ids.begin(), ids.end(), 100), 2);  // not the one in the middle
}

TEST(Tokenizer, DecodesWhatItKnows) {
  const auto t = Make(AddTwo);
  EXPECT_EQ(t->Decode({{100, 0, 101}}), "<a>a<a><b>");
  EXPECT_EQ(t->Decode({{100, 0, 101}}, true), "<a>a");
  EXPECT_EQ(t->Decode({{-1, 99, 5000}}), "");
  EXPECT_EQ(t->TokenBytes(50), "");
  EXPECT_EQ(t->size(), 103);
  EXPECT_EQ(t->TokenId("<a>"), 100);
  EXPECT_EQ(t->TokenId("ab"), 29);
  EXPECT_EQ(t->TokenId("nope"), -1);
  EXPECT_EQ(t->TokenId(" "), -1);
  EXPECT_TRUE(t->IsSpecial(101));
  EXPECT_FALSE(t->IsSpecial(100));
  EXPECT_FALSE(t->IsSpecial(-3));
}

TEST(Tokenizer, ReadsTheIdsInFrontOfAPrompt) {
  const auto t = Make([](Json& file) {
    AddTwo(file);
    file["post_processor"] = {
        {"type", "Sequence"},
        {"processors",
         {{{"type", "ByteLevel"}},
          {{"type", "TemplateProcessing"},
           {"single", {{{"SpecialToken", {{"id", "<a>"}}}}, {{"Sequence", {{"id", "A"}}}}}},
           {"special_tokens", {{"<a>", {{"ids", {100}}}}}}}}}};
  });
  EXPECT_EQ(std::vector<int32_t>(t->PrefixIds().begin(), t->PrefixIds().end()),
            std::vector<int32_t>{100});
}

TEST(Tokenizer, TakesMergesAsPairs) {
  const auto t = Make([](Json& file) {
    file["model"]["merges"] = Json::array({Json::array({"a", "b"})});
  });
  EXPECT_EQ(Show(*t, t->Encode("aab")), "a ab");
}

TEST(Tokenizer, RunsPreTokenizersInOrder) {
  const auto t = Make([](Json& file) {
    const Json split = {{"type", "Split"},
                        {"pattern", {{"String", "ab"}}},
                        {"behavior", "Isolated"},
                        {"invert", false}};
    const Json letter = {{"type", "Split"},
                         {"pattern", {{"Regex", "[a]"}}},
                         {"behavior", "Isolated"},
                         {"invert", false}};
    file["pre_tokenizer"] = {{"type", "Sequence"},
                             {"pretokenizers", {split, letter, file["pre_tokenizer"]}}};
  });
  EXPECT_EQ(Show(*t, t->Encode("xab")), "x a b");
}

struct BadFile {
  const char* what;
  std::function<void(Json&)> change;
  absl::StatusCode code;
};

TEST(Tokenizer, RefusesWhatItDoesNotServe) {
  constexpr auto kUnimplemented = absl::StatusCode::kUnimplemented;
  constexpr auto kDataLoss = absl::StatusCode::kDataLoss;
  const auto split = [](Json pattern, const char* behavior) {
    return [=](Json& f) {
      f["pre_tokenizer"] = {{"type", "Split"}, {"pattern", pattern}, {"behavior", behavior}};
    };
  };
  const BadFile cases[] = {
      {"normalizer",
       [](Json& f) {
         f["normalizer"] = {{"type", "Lowercase"}};
       },
       kUnimplemented},
      {"pre_tokenizer", [](Json& f) { f["pre_tokenizer"] = nullptr; }, kUnimplemented},
      {"Metaspace",
       [](Json& f) {
         f["pre_tokenizer"] = {{"type", "Metaspace"}};
       },
       kUnimplemented},
      {"add_prefix_space", [](Json& f) { f["pre_tokenizer"]["add_prefix_space"] = true; },
       kUnimplemented},
      {"Isolated", split({{"Regex", "a"}}, "Removed"), kUnimplemented},
      {"pattern", split(Json(), "Isolated"), kDataLoss},
      {"neither", split({{"Glob", "a"}}, "Isolated"), kDataLoss},
      {"(?m", split({{"Regex", "(?m:a)"}}, "Isolated"), kUnimplemented},
      {"pattern (a", split({{"Regex", "(a"}}, "Isolated"), kDataLoss},
      {"decoder",
       [](Json& f) {
         f["decoder"] = {{"type", "WordPiece"}};
       },
       kUnimplemented},
      {"decoder", [](Json& f) { f.erase("decoder"); }, kUnimplemented},
      {"post_processor",
       [](Json& f) {
         f["post_processor"] = {{"type", "BertProcessing"}};
       },
       kUnimplemented},
      {"model", [](Json& f) { f.erase("model"); }, kDataLoss},
      {"type Unigram", [](Json& f) { f["model"]["type"] = "Unigram"; }, kUnimplemented},
      {"dropout", [](Json& f) { f["model"]["dropout"] = 0.1; }, kUnimplemented},
      {"byte_fallback", [](Json& f) { f["model"]["byte_fallback"] = true; }, kUnimplemented},
      {"unk_token", [](Json& f) { f["model"]["unk_token"] = "<unk>"; }, kUnimplemented},
      {"end_of_word_suffix", [](Json& f) { f["model"]["end_of_word_suffix"] = "</w>"; },
       kUnimplemented},
      {"model.vocab", [](Json& f) { f["model"]["vocab"] = 3; }, kDataLoss},
      {"id 0", [](Json& f) { f["model"]["vocab"]["b"] = 0; }, kDataLoss},
      {"not an integer", [](Json& f) { f["model"]["vocab"]["b"] = "x"; }, kDataLoss},
      {"out of range", [](Json& f) { f["model"]["vocab"]["b"] = 1u << 30; }, kDataLoss},
      {"model.merges", [](Json& f) { f["model"]["merges"] = Json(); }, kDataLoss},
      {"no space", [](Json& f) { f["model"]["merges"] = {"ab"}; }, kDataLoss},
      {"merge is neither", [](Json& f) { f["model"]["merges"] = {1}; }, kDataLoss},
      {"not in the vocabulary", [](Json& f) { f["model"]["merges"] = {"b c"}; }, kDataLoss},
      {"not byte-level", [](Json& f) { f["model"]["merges"] = {"｜ c"}; }, kDataLoss},
      {"added_tokens", [](Json& f) { f["added_tokens"] = 3; }, kDataLoss},
      {"no id",
       [](Json& f) {
         f["added_tokens"] = {{{"content", "x"}}};
       },
       kDataLoss},
      {"empty", [](Json& f) { f["added_tokens"] = {Added(100, "")}; }, kDataLoss},
      {"lstrip",
       [](Json& f) {
         f["added_tokens"] = {Added(100, "x")};
         f["added_tokens"][0]["lstrip"] = true;
       },
       kUnimplemented},
  };
  for (const BadFile& bad : cases) {
    const absl::Status status = ParseTokenizer(File(bad.change).dump()).status();
    EXPECT_EQ(status.code(), bad.code) << bad.what << ": " << status;
    EXPECT_NE(std::string(status.message()).find(bad.what), std::string::npos) << status;
  }
  for (const char* text : {"", "[]", "{", "3", "{}", "\xff"})
    EXPECT_FALSE(ParseTokenizer(text).ok()) << text;
}

TEST(StreamDecoder, EmitsWholeCharactersOnly) {
  const auto t = testing::DemoTokenizer();
  const std::string text = "naïve 中文 😀 ｜ \xE2\x80\x8D é";
  StreamDecoder stream(*t);
  std::string out;
  for (const int32_t id : t->Encode(text)) {
    const std::string chunk = stream.Push(id);
    EXPECT_EQ(chunk.find("\xEF\xBF\xBD"), std::string::npos);
    out += chunk;
  }
  EXPECT_EQ(out + stream.Flush(), text);
  EXPECT_EQ(stream.Flush(), "");
}

TEST(StreamDecoder, AgreesWithDecodeOnAnyIds) {
  const auto t = testing::DemoTokenizer();
  std::mt19937 random(4);
  for (int round = 0; round < 300; ++round) {
    std::vector<int32_t> ids(random() % 30);
    for (int32_t& id : ids) id = static_cast<int32_t>(random() % 2100) - 10;
    for (const bool skip : {false, true}) {
      StreamDecoder stream(*t, skip);
      std::string out;
      for (const int32_t id : ids) out += stream.Push(id);
      EXPECT_EQ(out + stream.Flush(), t->Decode(ids, skip));
    }
  }
}

TEST(Tokenizer, EncodesAnyBytesAndDecodesTheirRepair) {
  const auto t = testing::DemoTokenizer();
  std::mt19937 random(5);
  for (int round = 0; round < 500; ++round) {
    std::string bytes;
    for (auto i = random() % 80; i > 0; --i)
      bytes += static_cast<char>(random() % 3 ? random() % 128 : random());
    const std::string back = t->Decode(t->Encode(bytes, AddedTokens::kNone));
    const std::vector<TextSpan> span = {{bytes, false}};
    EXPECT_EQ(back, t->Decode(t->EncodeSpans(span)));
    EXPECT_EQ(back, t->Decode(t->Encode(back, AddedTokens::kNone)));
  }
}

TEST(Tokenizer, LeastTokensIsNeverMoreThanThereAre) {
  const auto t = testing::DemoTokenizer();
  EXPECT_GT(t->LeastTokens(10'000), 200);
  std::mt19937 random(6);
  for (int round = 0; round < 500; ++round) {
    std::string text;  // of tokens, the longest included
    for (auto i = random() % 20; i > 0; --i)
      text += t->TokenBytes(static_cast<int32_t>(random() % static_cast<unsigned>(t->size())));
    EXPECT_LE(t->LeastTokens(text.size()), static_cast<int64_t>(t->Encode(text).size()));
  }
  EXPECT_EQ(Make()->LeastTokens(1000), 0) << "most bytes have no token there and vanish";
}

// GPT-2's letter for a byte.
std::string LetterOf(int byte, int* others) {
  const bool itself = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte != 0xad);
  const int c = itself ? byte : 256 + (*others)++;
  if (c < 0x80) return {static_cast<char>(c)};
  return {static_cast<char>(0xC0 | c >> 6), static_cast<char>(0x80 | (c & 0x3F))};
}

TEST(Tokenizer, LeastTokensKnowsOfComposition) {
  const auto t = Make([](Json& file) {
    file["normalizer"] = {{"type", "NFC"}};
    Json& vocab = file["model"]["vocab"];
    for (int byte = 0, others = 0; byte < 256; ++byte) {
      const std::string letter = LetterOf(byte, &others);
      if (!vocab.contains(letter)) vocab[letter] = 200 + byte;
    }
  });
  std::string text;
  for (int i = 0; i < 100; ++i) text += "\u1fbe\u0308\u0301";  // 7 bytes that become 2
  const auto tokens = static_cast<int64_t>(t->Encode(text).size());
  EXPECT_EQ(tokens, 200);
  EXPECT_GT(t->LeastTokens(text.size()), 0);
  EXPECT_LE(t->LeastTokens(text.size()), tokens);
}

}  // namespace
}  // namespace deepseek::engine
