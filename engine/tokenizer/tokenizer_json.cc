// tokenizer.json -> ByteLevelTokenizer. What the file asks for and we do not do is refused, never
// ignored.

#include <set>

#include "absl/strings/numbers.h"
#include "base/json_full.h"
#include "base/status.h"
#include "base/strings.h"
#include "engine/tokenizer/byte_level_tokenizer.h"
#include "engine/tokenizer/utf8.h"

namespace deepseek::engine {
namespace {

// The largest file known has 11 MB. Nesting stays below 10.
constexpr JsonLimits kLimits = {size_t{128} << 20, 32, size_t{4} << 20, size_t{1} << 20};
constexpr size_t kMaxAddedBytes = 4096;
// As ByteLevel with use_regex splits: GPT-2's expression.
constexpr char kGpt2[] =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

absl::Status Malformed(std::string_view where, std::string_view why) {
  return absl::DataLossError(StrCat("tokenizer.json: ", where, ": ", why));
}

absl::Status Unsupported(std::string_view where, std::string_view what) {
  return absl::UnimplementedError(
      StrCat("tokenizer.json: ", where, ": ", what, " is not supported"));
}

const Json* Find(const Json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto it = object.find(key);
  return it == object.end() || it->is_null() ? nullptr : &*it;
}

std::string TypeOf(const Json& object) {
  const Json* type = Find(object, "type");
  return type != nullptr && type->is_string() ? type->get<std::string>() : std::string();
}

bool Flag(const Json& object, const char* key) {
  const Json* flag = Find(object, key);
  return flag != nullptr && flag->is_boolean() && flag->get<bool>();
}

// `ids`: all must be below. A vocabulary is a table, so that a lone huge id would make it large.
absl::StatusOr<int32_t> Id(const Json& value, int32_t ids, std::string_view where) {
  if (!value.is_number_integer()) return Malformed(where, "an id is not an integer");
  if ((value.is_number_unsigned() && value.get<uint64_t>() >= static_cast<uint64_t>(ids)) ||
      value.get<int64_t>() < 0)
    return Malformed(where, StrCat("id ", value.dump(), " is out of range"));
  return value.get<int32_t>();
}

absl::Status ReadNormalizer(const Json& normalizer, TokenizerParts* parts) {
  const std::string type = TypeOf(normalizer);
  if (type == "NFC") {
    parts->nfc = true;
    return absl::OkStatus();
  }
  const Json* list = Find(normalizer, "normalizers");
  if (type != "Sequence" || list == nullptr || !list->is_array())
    return Unsupported("normalizer", StrCat("type ", type));
  for (const Json& step : *list) RETURN_IF_ERROR(ReadNormalizer(step, parts));
  return absl::OkStatus();
}

absl::Status AddPattern(absl::StatusOr<Pattern> pattern, TokenizerParts* parts) {
  if (!pattern.ok()) return pattern.status();
  parts->steps.push_back(*std::move(pattern));
  return absl::OkStatus();
}

absl::Status ReadSplit(const Json& split, TokenizerParts* parts) {
  const Json* behavior = Find(split, "behavior");
  // With Isolated both the matches and the rest become pieces, so `invert` changes nothing.
  if (behavior == nullptr || *behavior != "Isolated")
    return Unsupported("pre_tokenizer", "a Split whose behavior is not Isolated");
  const Json* pattern = Find(split, "pattern");
  if (pattern == nullptr) return Malformed("pre_tokenizer", "a Split has no pattern");
  if (const Json* regex = Find(*pattern, "Regex"); regex != nullptr && regex->is_string())
    return AddPattern(Pattern::Compile(regex->get_ref<const std::string&>()), parts);
  if (const Json* text = Find(*pattern, "String"); text != nullptr && text->is_string())
    return AddPattern(Pattern::Literal(text->get_ref<const std::string&>()), parts);
  return Malformed("pre_tokenizer", "a Split's pattern is neither Regex nor String");
}

absl::Status ReadPreTokenizer(const Json& step, TokenizerParts* parts, bool* byte_level) {
  const std::string type = TypeOf(step);
  if (*byte_level) return Unsupported("pre_tokenizer", "a step after ByteLevel");
  if (type == "Split") return ReadSplit(step, parts);
  if (type == "Digits") {
    const bool single = Flag(step, "individual_digits");
    return AddPattern(Pattern::Compile(single ? R"(\p{N})" : R"(\p{N}+)"), parts);
  }
  if (type == "ByteLevel") {
    if (Flag(step, "add_prefix_space")) return Unsupported("pre_tokenizer", "add_prefix_space");
    *byte_level = true;
    const Json* use_regex = Find(step, "use_regex");
    const bool gpt2 = use_regex == nullptr || *use_regex != false;
    return gpt2 ? AddPattern(Pattern::Compile(kGpt2), parts) : absl::OkStatus();
  }
  const Json* list = Find(step, "pretokenizers");
  if (type != "Sequence" || list == nullptr || !list->is_array())
    return Unsupported("pre_tokenizer", StrCat("type ", type));
  for (const Json& inner : *list) RETURN_IF_ERROR(ReadPreTokenizer(inner, parts, byte_level));
  return absl::OkStatus();
}

void PutToken(int32_t id, std::string bytes, TokenizerParts* parts) {
  const auto at = static_cast<size_t>(id);
  if (at >= parts->tokens.size()) parts->tokens.resize(at + 1);
  parts->tokens[at] = std::move(bytes);
}

// The large parts of a file, read entry by entry while it is parsed. What is wrong in them is told
// after the checks of the rest: that a model of another type is not served says more.
struct LargeParts {
  TokenizerParts* parts;
  int32_t ids;
  absl::Status vocab, merges, added;
  std::vector<bool> seen;      // ids of the vocabulary
  bool merges_before = false;  // they stand before the vocabulary and need a second pass
};

absl::Status ReadVocabularyEntry(const std::string& spelling, const Json& value, LargeParts* p) {
  ASSIGN_OR_RETURN(const int32_t id, Id(value, p->ids, "model.vocab"));
  const auto at = static_cast<size_t>(id);
  if (at >= p->seen.size()) p->seen.resize(std::max(at + 1, 2 * p->seen.size()));
  if (p->seen[at]) return Malformed("model.vocab", StrCat("two tokens have id ", id));
  p->seen[at] = true;
  std::string bytes;
  if (FromByteAlphabet(spelling, &bytes)) {
    RETURN_IF_ERROR(p->parts->pairs.AddToken(bytes, id));
    PutToken(id, std::move(bytes), p->parts);
  } else {
    PutToken(id, spelling, p->parts);
  }
  return absl::OkStatus();
}

absl::Status ReadMerge(const Json& merge, BytePairs* pairs) {
  std::string_view a, b;
  if (merge.is_string()) {
    const std::string_view both = merge.get_ref<const std::string&>();
    const size_t space = both.find(' ');
    if (space == std::string_view::npos) return Malformed("model.merges", "a merge has no space");
    a = both.substr(0, space);
    b = both.substr(space + 1);
  } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() &&
             merge[1].is_string()) {
    a = merge[0].get_ref<const std::string&>();
    b = merge[1].get_ref<const std::string&>();
  } else {
    return Malformed("model.merges", "a merge is neither \"a b\" nor [\"a\", \"b\"]");
  }
  std::string left, right;
  if (!FromByteAlphabet(a, &left) || !FromByteAlphabet(b, &right)) {
    return Malformed("model.merges", StrCat("merge of ", a.substr(0, 40), " and ", b.substr(0, 40),
                                            " is not byte-level"));
  }
  return pairs->AddMerge(left, right);
}

absl::Status CheckModel(const Json& model, const LargeParts& large) {
  // Older files have no type: the vocabulary and merges say it.
  const std::string type = TypeOf(model);
  if (!type.empty() && type != "BPE") return Unsupported("model", StrCat("type ", type));
  if (const Json* dropout = Find(model, "dropout"); dropout != nullptr && *dropout != 0.0)
    return Unsupported("model", "dropout");
  for (const char* affix : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (const Json* text = Find(model, affix); text != nullptr && *text != "")
      return Unsupported("model", affix);
  }
  if (Flag(model, "byte_fallback")) return Unsupported("model", "byte_fallback");
  if (Find(model, "unk_token") != nullptr) return Unsupported("model", "unk_token");
  const Json* vocab = Find(model, "vocab");
  const Json* merges = Find(model, "merges");
  if (vocab == nullptr || !vocab->is_object()) return Malformed("model.vocab", "is not an object");
  if (merges == nullptr || !merges->is_array()) return Malformed("model.merges", "is not a list");
  RETURN_IF_ERROR(large.vocab);
  return large.merges;
}

absl::Status ReadAdded(const Json& token, int32_t ids, TokenizerParts* parts) {
  const Json* id = Find(token, "id");
  const Json* content = Find(token, "content");
  if (id == nullptr || content == nullptr || !content->is_string())
    return Malformed("added_tokens", "an entry has no id or no content");
  AddedToken added;
  ASSIGN_OR_RETURN(added.id, Id(*id, ids, "added_tokens"));
  added.content = content->get<std::string>();
  if (added.content.empty() || added.content.size() > kMaxAddedBytes)
    return Malformed("added_tokens", StrCat("id ", added.id, " has an empty or huge content"));
  for (const char* flag : {"lstrip", "rstrip", "single_word"}) {
    if (Flag(token, flag)) return Unsupported("added_tokens", StrCat(flag, " of ", added.content));
  }
  added.special = Flag(token, "special");
  added.normalized = Flag(token, "normalized");
  parts->added.push_back(std::move(added));
  return absl::OkStatus();
}

// The tokens of added_tokens_decoder ({"100": {"content": ..}, ..}) that the file itself lacks.
// They may stand in the vocabulary, as ordinary ones.
absl::Status ReadAddedDecoder(std::string_view text, int32_t ids, TokenizerParts* parts) {
  constexpr std::string_view kWhere = "added_tokens_decoder of tokenizer_config.json";
  const auto decoder = ParseJson(text, kWhere, kLimits);
  if (!decoder.ok()) return absl::DataLossError(decoder.status().message());
  std::set<std::string> listed;
  for (const AddedToken& token : parts->added) listed.insert(token.content);
  for (const auto& [key, value] : decoder->items()) {
    const Json* content = Find(value, "content");
    if (content == nullptr || !content->is_string())
      return Malformed(kWhere, StrCat("id ", key.substr(0, 20), " has no content"));
    const std::string& spelling = content->get_ref<const std::string&>();
    if (!listed.insert(spelling).second) continue;
    Json token = value;
    int32_t id = -1;
    if (!absl::SimpleAtoi(key, &id)) return Malformed(kWhere, "a key is not an id");
    token["id"] = id;
    RETURN_IF_ERROR(ReadAdded(token, ids, parts));
    const auto at = static_cast<size_t>(id);
    if (at < parts->tokens.size() && !parts->tokens[at].empty() && parts->tokens[at] != spelling)
      return Malformed(kWhere, StrCat("id ", id, " is another token's in tokenizer.json"));
    PutToken(id, spelling, parts);
  }
  return absl::OkStatus();
}

// Only TemplateProcessing adds ids, and only those before the text are served.
absl::Status ReadPostProcessor(const Json& step, int32_t ids, TokenizerParts* parts) {
  const std::string type = TypeOf(step);
  if (type == "ByteLevel") return absl::OkStatus();  // moves offsets only
  if (const Json* list = Find(step, "processors");
      type == "Sequence" && list != nullptr && list->is_array()) {
    for (const Json& inner : *list) RETURN_IF_ERROR(ReadPostProcessor(inner, ids, parts));
    return absl::OkStatus();
  }
  const Json* single = Find(step, "single");
  if (type != "TemplateProcessing" || single == nullptr || !single->is_array())
    return Unsupported("post_processor", StrCat("type ", type));
  bool after = false;
  for (const Json& item : *single) {
    if (Find(item, "Sequence") != nullptr) {
      after = true;
      continue;
    }
    const Json* special = Find(item, "SpecialToken");
    const Json* name = special == nullptr ? nullptr : Find(*special, "id");
    const Json* known = Find(step, "special_tokens");
    if (name == nullptr || !name->is_string() || known == nullptr)
      return Malformed("post_processor", "a template item is not understood");
    if (after) return Unsupported("post_processor", "a token after the text");
    const Json* token = Find(*known, name->get_ref<const std::string&>().c_str());
    const Json* listed = token == nullptr ? nullptr : Find(*token, "ids");
    if (listed == nullptr || !listed->is_array())
      return Malformed("post_processor", StrCat("no ids for ", name->get<std::string>()));
    for (const Json& id : *listed) {
      ASSIGN_OR_RETURN(const int32_t value, Id(id, ids, "post_processor"));
      parts->prefix.push_back(value);
    }
  }
  return absl::OkStatus();
}

absl::Status CheckDecoder(const Json& decoder) {
  const std::string type = TypeOf(decoder);
  if (type == "ByteLevel") return absl::OkStatus();
  return Unsupported("decoder", StrCat("type ", type));
}

absl::Status CheckFile(const Json& file, std::string_view added_tokens_decoder, LargeParts* large) {
  TokenizerParts* parts = large->parts;
  if (const Json* normalizer = Find(file, "normalizer"))
    RETURN_IF_ERROR(ReadNormalizer(*normalizer, parts));
  bool byte_level = false;
  if (const Json* pre = Find(file, "pre_tokenizer"))
    RETURN_IF_ERROR(ReadPreTokenizer(*pre, parts, &byte_level));
  if (!byte_level) return Unsupported("pre_tokenizer", "a file without ByteLevel");
  const Json* decoder = Find(file, "decoder");
  if (decoder == nullptr) return Unsupported("decoder", "a file without a decoder");
  RETURN_IF_ERROR(CheckDecoder(*decoder));
  if (const Json* post = Find(file, "post_processor"))
    RETURN_IF_ERROR(ReadPostProcessor(*post, large->ids, parts));
  const Json* model = Find(file, "model");
  if (model == nullptr) return Malformed("model", "is missing");
  RETURN_IF_ERROR(CheckModel(*model, *large));
  if (const Json* added = Find(file, "added_tokens")) {
    if (!added->is_array()) return Malformed("added_tokens", "is not a list");
    RETURN_IF_ERROR(large->added);
  }
  for (const AddedToken& token : parts->added) PutToken(token.id, token.content, parts);
  if (!added_tokens_decoder.empty())
    RETURN_IF_ERROR(ReadAddedDecoder(added_tokens_decoder, large->ids, parts));
  for (const int32_t id : parts->prefix) {
    const auto at = static_cast<size_t>(id);
    if (at >= parts->tokens.size() || parts->tokens[at].empty())
      return Malformed("post_processor", StrCat("id ", id, " is not a token"));
  }
  return absl::OkStatus();
}

absl::Status ReadLarge(std::string_view json, LargeParts* large, bool second_pass,
                       absl::StatusOr<Json>* file) {
  // Each keeps its first error and reads on.
  const auto on_vocab = [&](const std::string& spelling, const Json& value) {
    if (!second_pass && large->vocab.ok())
      large->vocab = ReadVocabularyEntry(spelling, value, large);
    return absl::OkStatus();
  };
  const auto on_merge = [&](const std::string& /*key*/, const Json& merge) {
    if (!second_pass && large->seen.empty()) large->merges_before = true;
    if (second_pass == large->merges_before && large->merges.ok())
      large->merges = ReadMerge(merge, &large->parts->pairs);
    return absl::OkStatus();
  };
  const auto on_added = [&](const std::string& /*key*/, const Json& token) {
    if (!second_pass && large->added.ok())
      large->added = ReadAdded(token, large->ids, large->parts);
    return absl::OkStatus();
  };
  *file = ParseJsonStream(json, "tokenizer.json", kLimits,
                          {{{"model", "vocab"}, on_vocab},
                           {{"model", "merges"}, on_merge},
                           {{"added_tokens"}, on_added}});
  if (!file->ok()) return absl::DataLossError(file->status().message());
  if (!(*file)->is_object()) return absl::DataLossError("tokenizer.json: is not a JSON object");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Tokenizer>> ParseTokenizer(std::string_view json,
                                                          std::string_view added_tokens_decoder) {
  TokenizerParts parts;
  // An entry takes over four bytes of the file, and real files leave few ids out.
  const auto ids = std::min<size_t>(size_t{1} << 22, (size_t{1} << 16) + json.size() / 4);
  LargeParts large{&parts, static_cast<int32_t>(ids), {}, {}, {}, {}, false};
  absl::StatusOr<Json> file;
  RETURN_IF_ERROR(ReadLarge(json, &large, false, &file));
  if (large.merges_before) RETURN_IF_ERROR(ReadLarge(json, &large, true, &file));
  RETURN_IF_ERROR(CheckFile(*file, added_tokens_decoder, &large));
  std::vector<int32_t> control;
  for (const AddedToken& token : parts.added) control.push_back(token.id);
  parts.pairs.Finish(Flag(*Find(*file, "model"), "ignore_merges"), control);
  return std::make_unique<ByteLevelTokenizer>(std::move(parts));
}

}  // namespace deepseek::engine
