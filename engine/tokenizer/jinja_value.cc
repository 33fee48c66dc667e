#include "engine/tokenizer/jinja_value.h"

#include <algorithm>

#include "base/json_full.h"
#include "base/status.h"
#include "base/strings.h"

namespace deepseek::engine::jinja {
namespace {

absl::Status TooDeep() {
  return absl::ResourceExhaustedError(
      StrCat("chat template: values are nested deeper than ", kMaxValueDepth, " levels"));
}

absl::Status TooHeavy() {
  return absl::ResourceExhaustedError(
      StrCat("chat template: a value grows beyond ", kMaxValueWeight, " bytes"));
}

bool EqualDicts(const Dict& a, const Dict& b) {
  if (a.entries.size() != b.entries.size()) return false;
  return std::all_of(a.entries.begin(), a.entries.end(), [&](const auto& entry) {
    const Value* other = b.Find(entry.first.text());
    return other != nullptr && Equal(entry.second, *other);
  });
}

}  // namespace

Value Value::String(MarkedText text) {
  return Value(Variant(Text(std::make_shared<const MarkedText>(std::move(text)))));
}

Value Value::String(std::string_view text, bool input) {
  return String(MarkedText(text, input));
}

const std::vector<Value>* Value::items() const {
  const List* list = As<List>();
  return list == nullptr ? nullptr : &(*list)->items;
}

const Dict* Value::dict() const {
  if (const DictRef* dict = As<DictRef>()) return dict->get();
  if (const Namespace* space = As<Namespace>()) return space->get();
  return nullptr;
}

const int64_t* Value::integer(int64_t* storage) const {
  if (const int64_t* i = As<int64_t>()) {
    *storage = *i;
    return storage;
  }
  if (const bool* b = As<bool>()) {
    *storage = *b ? 1 : 0;
    return storage;
  }
  return nullptr;
}

bool Value::number(double* out) const {
  int64_t i = 0;
  if (integer(&i) != nullptr) {
    *out = static_cast<double>(i);
    return true;
  }
  if (const LargeInteger* large = As<LargeInteger>()) {
    *out = static_cast<double>(large->value);
    return true;
  }
  if (const double* d = As<double>()) {
    *out = *d;
    return true;
  }
  return false;
}

bool Value::Truth() const {
  if (undefined() || none()) return false;
  double n = 0;
  if (number(&n)) return n != 0;
  if (const MarkedText* t = text()) return !t->empty();
  if (const std::vector<Value>* list = items()) return !list->empty();
  if (const DictRef* d = As<DictRef>()) return !(*d)->entries.empty();
  return true;
}

int Value::Depth() const {
  if (const List* list = As<List>()) return (*list)->depth;
  if (const DictRef* d = As<DictRef>()) return (*d)->depth;
  return 0;
}

size_t Value::Weight() const {
  if (const MarkedText* t = text()) return 1 + t->size();
  if (const List* list = As<List>()) return (*list)->weight;
  if (const DictRef* d = As<DictRef>()) return (*d)->weight;
  return 1;
}

std::string_view Value::TypeName() const {
  static constexpr std::string_view kNames[] = {
      "undefined", "None", "bool",      "int",         "int",      "float", "str",
      "list",      "dict", "Namespace", "LoopContext", "function", "Macro"};
  return kNames[v_.index()];
}

const Value* Dict::Find(std::string_view key) const {
  for (const auto& [name, value] : entries) {
    if (name.text() == key) return &value;
  }
  return nullptr;
}

void Dict::Set(MarkedText key, Value value) {
  for (auto& [name, old] : entries) {
    if (name.text() == key.text()) {
      old = std::move(value);
      return;
    }
  }
  entries.emplace_back(std::move(key), std::move(value));
}

absl::StatusOr<Value> MakeList(std::vector<Value> items, bool tuple) {
  auto list = std::make_shared<ListItems>();
  list->tuple = tuple;
  for (const Value& item : items) {
    list->depth = std::max(list->depth, item.Depth() + 1);
    list->weight += item.Weight();
  }
  if (list->depth > kMaxValueDepth) return TooDeep();
  if (list->weight > kMaxValueWeight) return TooHeavy();
  list->items = std::move(items);
  return Value(Value::Variant(List(std::move(list))));
}

absl::StatusOr<Value> MakeDict(Dict dict) {
  dict.weight = 1;
  for (const auto& [key, value] : dict.entries) {
    dict.depth = std::max(dict.depth, value.Depth() + 1);
    dict.weight += key.size() + value.Weight();
  }
  if (dict.depth > kMaxValueDepth) return TooDeep();
  if (dict.weight > kMaxValueWeight) return TooHeavy();
  return Value(Value::Variant(DictRef(std::make_shared<const Dict>(std::move(dict)))));
}

bool Equal(const Value& a, const Value& b) {
  int64_t i = 0, j = 0;
  if (a.integer(&i) != nullptr && b.integer(&j) != nullptr) return i == j;
  const LargeInteger* large = a.As<LargeInteger>();
  if (const LargeInteger* other = b.As<LargeInteger>(); large != nullptr && other != nullptr)
    return large->value == other->value;
  double x = 0, y = 0;
  if (a.number(&x) && b.number(&y)) return x == y;
  if (a.text() != nullptr && b.text() != nullptr) return a.text()->text() == b.text()->text();
  if (a.none() || a.undefined()) return a.TypeName() == b.TypeName();
  if (const auto* p = a.items(), *q = b.items(); p != nullptr && q != nullptr)
    return (*a.As<List>())->tuple == (*b.As<List>())->tuple &&
           std::equal(p->begin(), p->end(), q->begin(), q->end(), Equal);
  if (a.As<DictRef>() != nullptr && b.As<DictRef>() != nullptr)
    return EqualDicts(*a.dict(), *b.dict());
  return a.dict() != nullptr && a.dict() == b.dict();
}

absl::StatusOr<Value> FromJson(const OrderedJson& json, int depth) {
  if (depth > kMaxValueDepth) return TooDeep();
  switch (json.type()) {
    case OrderedJson::value_t::boolean:
      return Value::Boolean(json.get<bool>());
    case OrderedJson::value_t::number_integer:
      return Value::Integer(json.get<int64_t>());
    case OrderedJson::value_t::number_unsigned: {
      const auto n = json.get<uint64_t>();
      if (n > static_cast<uint64_t>(INT64_MAX)) return Value(Value::Variant(LargeInteger{n}));
      return Value::Integer(static_cast<int64_t>(n));
    }
    case OrderedJson::value_t::number_float:
      return Value(Value::Variant(json.get<double>()));
    case OrderedJson::value_t::string:
      return Value::String(json.get_ref<const std::string&>(), true);
    case OrderedJson::value_t::array: {
      std::vector<Value> items;
      items.reserve(json.size());
      for (const OrderedJson& item : json) {
        ASSIGN_OR_RETURN(Value value, FromJson(item, depth + 1));
        items.push_back(std::move(value));
      }
      return MakeList(std::move(items));
    }
    case OrderedJson::value_t::object: {
      Dict dict;
      for (const auto& [key, item] : json.items()) {
        ASSIGN_OR_RETURN(Value value, FromJson(item, depth + 1));
        dict.entries.emplace_back(MarkedText(key, true), std::move(value));
      }
      return MakeDict(std::move(dict));
    }
    default:
      return Value::Nothing();
  }
}

}  // namespace deepseek::engine::jinja
