// Operators, indexing and iteration.

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>

#include "base/status.h"
#include "base/strings.h"
#include "engine/tokenizer/jinja_eval.h"
#include "engine/tokenizer/utf8.h"

namespace deepseek::engine::jinja {
namespace {

absl::Status IsUndefined(const Undefined& value) {
  return Fail(StrCat("'", value.name, "' is undefined"));
}

bool IsTuple(const Value& value) {
  const List* list = value.As<List>();
  return list != nullptr && (*list)->tuple;
}

bool Contains(std::string_view text, std::string_view part) {
  // memmem is linear where std::string::find is quadratic on hostile input.
  return part.empty() || memmem(text.data(), text.size(), part.data(), part.size()) != nullptr;
}

absl::StatusOr<Value> IntegerArithmetic(Op op, int64_t a, int64_t b) {
  int64_t result = 0;
  bool overflow = false;
  switch (op) {
    case Op::kAdd:
      overflow = __builtin_add_overflow(a, b, &result);
      break;
    case Op::kSubtract:
      overflow = __builtin_sub_overflow(a, b, &result);
      break;
    case Op::kMultiply:
      overflow = __builtin_mul_overflow(a, b, &result);
      break;
    case Op::kFloorDivide:
    case Op::kModulo: {
      if (b == 0) return Fail("division by zero");
      if (b == -1) {  // INT64_MIN / -1 would trap
        overflow = op == Op::kFloorDivide && __builtin_sub_overflow(int64_t{0}, a, &result);
        break;
      }
      const int64_t remainder = a % b;
      const bool round = remainder != 0 && (remainder < 0) != (b < 0);  // Python rounds down
      result = op == Op::kModulo ? remainder + (round ? b : 0) : a / b - (round ? 1 : 0);
      break;
    }
    default: {  // power; b is not negative
      result = 1;
      // Beyond 64 factors only -1, 0 and 1 do not overflow, and they repeat with period 2.
      for (int64_t i = b > 64 ? 64 + b % 2 : b; i > 0 && !overflow; --i) {
        overflow = __builtin_mul_overflow(result, a, &result);
      }
      break;
    }
  }
  if (overflow) return Fail("an integer is too large");
  return Value::Integer(result);
}

absl::StatusOr<Value> FloatArithmetic(Op op, double a, double b) {
  if (b == 0 && (op == Op::kDivide || op == Op::kFloorDivide || op == Op::kModulo))
    return Fail("division by zero");
  double result = 0;
  switch (op) {
    case Op::kAdd:
      result = a + b;
      break;
    case Op::kSubtract:
      result = a - b;
      break;
    case Op::kMultiply:
      result = a * b;
      break;
    case Op::kDivide:
      result = a / b;
      break;
    case Op::kFloorDivide:
      result = std::floor(a / b);
      break;
    case Op::kPower:
      result = std::pow(a, b);
      break;
    default:
      result = a - b * std::floor(a / b);
      break;
  }
  return Value(Value::Variant(result));
}

absl::StatusOr<Value> Repeat(Budget& budget, const Value& value, int64_t count) {
  const auto times = static_cast<size_t>(std::clamp<int64_t>(count, 0, int64_t{1} << 32));
  if (const MarkedText* text = value.text()) {
    RETURN_IF_ERROR(budget.ChargeText(text->size() * times));
    RETURN_IF_ERROR(budget.Charge(text->empty() ? 0 : times));
    MarkedText out;
    for (size_t i = 0; i < times && !text->empty(); ++i) out.Append(*text);
    return Value::String(std::move(out));
  }
  RETURN_IF_ERROR(budget.Charge(value.items()->size() * times));
  std::vector<Value> out;
  for (size_t i = 0; i < times && !value.items()->empty(); ++i) {
    out.insert(out.end(), value.items()->begin(), value.items()->end());
  }
  return MakeList(std::move(out), IsTuple(value));
}

// Python's slice.indices: the chosen positions out of `size`.
absl::StatusOr<std::vector<size_t>> SlicePositions(Budget& budget, size_t size, const Value& start,
                                                   const Value& stop, const Value& step) {
  int64_t by = 1, first = 0, last = 0;
  if (!step.none() && step.integer(&by) == nullptr)
    return Fail("a slice's step must be an integer");
  if (by == 0) return Fail("a slice's step must not be zero");
  const auto n = static_cast<int64_t>(size);
  const int64_t low = by < 0 ? -1 : 0, high = by < 0 ? n - 1 : n;
  const auto bound = [&](const Value& value, int64_t otherwise, int64_t* out) -> absl::Status {
    *out = otherwise;
    if (value.none()) return absl::OkStatus();
    if (value.integer(out) == nullptr) return Fail("a slice's bounds must be integers");
    if (*out < 0) *out = *out < -n ? low : *out + n;
    *out = std::clamp(*out, low, high);
    return absl::OkStatus();
  };
  RETURN_IF_ERROR(bound(start, by < 0 ? high : low, &first));
  RETURN_IF_ERROR(bound(stop, by < 0 ? low : high, &last));
  std::vector<size_t> positions;
  for (int64_t i = first; by > 0 ? i < last : i > last;) {
    positions.push_back(static_cast<size_t>(i));
    if (__builtin_add_overflow(i, by, &i)) break;
  }
  RETURN_IF_ERROR(budget.Charge(positions.size() / 16));
  return positions;
}

// As jinja2's LoopContext: `last` and `nextitem` look one item ahead, the lengths at all of them.
absl::StatusOr<Value> LoopAttribute(Loop& loop, std::string_view name) {
  const bool all = name == "length" || name == "revindex" || name == "revindex0";
  const bool next = name == "last" || name == "nextitem";
  while (loop.more != nullptr && (all || (next && loop.count == loop.index + 1))) {
    ASSIGN_OR_RETURN(const bool found, loop.more());
    if (!found) break;
  }
  const auto index = static_cast<int64_t>(loop.index), count = static_cast<int64_t>(loop.count);
  if (name == "index0") return Value::Integer(index);
  if (name == "index") return Value::Integer(index + 1);
  if (name == "first") return Value::Boolean(index == 0);
  if (name == "last") return Value::Boolean(index + 1 == count);
  if (name == "length") return Value::Integer(count);
  if (name == "revindex") return Value::Integer(count - index);
  if (name == "revindex0") return Value::Integer(count - index - 1);
  if (name == "depth") return Value::Integer(1);  // no loop is recursive
  if (name == "depth0") return Value::Integer(0);
  if (name == "previtem" && index > 0 && loop.index <= loop.items.size())
    return loop.items[loop.index - 1];
  if (name == "nextitem" && loop.index + 1 < loop.items.size()) return loop.items[loop.index + 1];
  return Value(Value::Variant(Undefined{std::string(name)}));
}

}  // namespace

std::vector<size_t> CharacterOffsets(std::string_view text) {
  std::vector<size_t> offsets;
  for (size_t at = 0; at < text.size(); at += FirstChar(text.substr(at)).length)
    offsets.push_back(at);
  offsets.push_back(text.size());
  return offsets;
}

absl::StatusOr<Value> GetAttribute(const Value& object, std::string_view name) {
  if (const Undefined* missing = object.As<Undefined>()) return IsUndefined(*missing);
  if (const LoopRef* loop = object.As<LoopRef>()) return LoopAttribute(**loop, name);
  // As in Python, a dict's own methods come before its keys when the dot is used.
  static constexpr std::string_view kDictMethods[] = {"items",      "keys",    "values",  "get",
                                                      "copy",       "pop",     "update",  "clear",
                                                      "setdefault", "popitem", "fromkeys"};
  const bool method =
      object.As<DictRef>() != nullptr
          ? std::find(std::begin(kDictMethods), std::end(kDictMethods), name) !=
                std::end(kDictMethods)
          : object.text() != nullptr && IsKnownMethod(name) && name != "cycle" && name != "changed";
  if (method) return Value(Value::Variant(Function{std::string(name)}));
  if (const Dict* dict = object.dict()) {
    if (const Value* value = dict->Find(name)) return *value;
  }
  return Value(Value::Variant(Undefined{std::string(name)}));
}

absl::StatusOr<Value> GetItem(const Value& object, const Value& key) {
  if (const Undefined* missing = object.As<Undefined>()) return IsUndefined(*missing);
  if (const MarkedText* name = key.text()) {
    if (const DictRef* dict = object.As<DictRef>()) {
      if (const Value* value = (*dict)->Find(name->text())) return *value;
    }
    return GetAttribute(object, name->text());
  }
  int64_t index = 0;
  const Value nothing(Value::Variant(Undefined{"item"}));
  if (key.integer(&index) == nullptr) return nothing;
  if (const std::vector<Value>* items = object.items()) {
    const auto n = static_cast<int64_t>(items->size());
    if (index < 0) index += n;
    return index >= 0 && index < n ? (*items)[static_cast<size_t>(index)] : nothing;
  }
  if (const MarkedText* text = object.text()) {
    const std::vector<size_t> offsets = CharacterOffsets(text->text());
    const auto n = static_cast<int64_t>(offsets.size()) - 1;
    if (index < 0) index += n;
    if (index < 0 || index >= n) return nothing;
    const auto at = static_cast<size_t>(index);
    return Value::String(text->Slice(offsets[at], offsets[at + 1]));
  }
  return nothing;
}

absl::StatusOr<Value> GetPath(Budget& budget, const Value& object, const Value& path,
                              const Value* otherwise) {
  if (path.none()) return object;
  Value value = object;
  const auto step = [&](const Value& key) -> absl::Status {
    if (value.text() != nullptr) RETURN_IF_ERROR(budget.Charge(value.text()->size() / 64));
    ASSIGN_OR_RETURN(value, GetItem(value, key));
    if (value.undefined() && otherwise != nullptr && !otherwise->none()) value = *otherwise;
    return absl::OkStatus();
  };
  if (path.text() == nullptr) {
    RETURN_IF_ERROR(step(path));
    return value;
  }
  const std::string& text = path.text()->text();
  RETURN_IF_ERROR(budget.ChargeText(text.size()));
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find('.', begin), text.size());
    const std::string_view part = std::string_view(text).substr(begin, end - begin);
    RETURN_IF_ERROR(budget.Charge());
    if (!part.empty() && part.find_first_not_of("0123456789") == std::string_view::npos) {
      int64_t index = 0;
      const bool fits =
          std::from_chars(part.data(), part.data() + part.size(), index).ec == std::errc();
      RETURN_IF_ERROR(step(Value::Integer(fits ? index : INT64_MAX)));
    } else {
      RETURN_IF_ERROR(step(Value::String(part, false)));
    }
    begin = end + 1;
  }
  return value;
}

absl::StatusOr<Value> GetSlice(Budget& budget, const Value& object, const Value& start,
                               const Value& stop, const Value& step) {
  if (const Undefined* missing = object.As<Undefined>()) return IsUndefined(*missing);
  if (const std::vector<Value>* items = object.items()) {
    ASSIGN_OR_RETURN(const std::vector<size_t> positions,
                     SlicePositions(budget, items->size(), start, stop, step));
    std::vector<Value> out;
    out.reserve(positions.size());
    for (const size_t position : positions) out.push_back((*items)[position]);
    return MakeList(std::move(out), IsTuple(object));
  }
  if (const MarkedText* text = object.text()) {
    const std::vector<size_t> offsets = CharacterOffsets(text->text());
    ASSIGN_OR_RETURN(const std::vector<size_t> positions,
                     SlicePositions(budget, offsets.size() - 1, start, stop, step));
    MarkedText out;
    for (const size_t position : positions)
      out.Append(*text, offsets[position], offsets[position + 1]);
    return budget.String(std::move(out));
  }
  return Value(Value::Variant(Undefined{"slice"}));
}

absl::StatusOr<std::vector<Value>> Iterate(Budget& budget, const Value& value) {
  std::vector<Value> out;
  if (value.undefined()) return out;
  if (const std::vector<Value>* items = value.items()) {
    RETURN_IF_ERROR(budget.Charge(items->size() / 16));
    return *items;
  }
  if (const DictRef* dict = value.As<DictRef>()) {
    for (const auto& [key, item] : (*dict)->entries) {
      RETURN_IF_ERROR(budget.ChargeText(key.size()));
      out.push_back(Value::String(key));
    }
    return out;
  }
  if (const MarkedText* text = value.text()) {
    const std::vector<size_t> offsets = CharacterOffsets(text->text());
    RETURN_IF_ERROR(budget.Charge(offsets.size()));
    for (size_t i = 0; i + 1 < offsets.size(); ++i) {
      out.push_back(Value::String(text->Slice(offsets[i], offsets[i + 1])));
    }
    return out;
  }
  return Fail(StrCat("a value of type ", value.TypeName(), " cannot be looped over"));
}

absl::StatusOr<Value> Arithmetic(Budget& budget, Op op, const Value& left, const Value& right) {
  if (op == Op::kConcat) {
    MarkedText text = ToText(left);
    RETURN_IF_ERROR(budget.ChargeText(text.size()));
    text.Append(ToText(right));
    return budget.String(std::move(text));
  }
  for (const Value* side : {&left, &right}) {
    if (const Undefined* missing = side->As<Undefined>()) return IsUndefined(*missing);
  }
  int64_t i = 0, j = 0;
  if (left.integer(&i) != nullptr && right.integer(&j) != nullptr && op != Op::kDivide &&
      !(op == Op::kPower && j < 0))
    return IntegerArithmetic(op, i, j);
  double x = 0, y = 0;
  if (left.number(&x) && right.number(&y)) return FloatArithmetic(op, x, y);
  if (op == Op::kAdd && left.text() != nullptr && right.text() != nullptr) {
    RETURN_IF_ERROR(budget.ChargeText(left.text()->size() + right.text()->size()));
    MarkedText text = *left.text();
    text.Append(*right.text());
    return Value::String(std::move(text));
  }
  if (op == Op::kAdd && left.items() != nullptr && right.items() != nullptr &&
      IsTuple(left) == IsTuple(right)) {
    RETURN_IF_ERROR(budget.Charge(left.items()->size() + right.items()->size()));
    std::vector<Value> items = *left.items();
    items.insert(items.end(), right.items()->begin(), right.items()->end());
    return MakeList(std::move(items), IsTuple(left));
  }
  if (op == Op::kMultiply) {
    if ((left.text() != nullptr || left.items() != nullptr) && right.integer(&i) != nullptr)
      return Repeat(budget, left, i);
    if ((right.text() != nullptr || right.items() != nullptr) && left.integer(&i) != nullptr)
      return Repeat(budget, right, i);
  }
  return Fail(StrCat("this operator does not take ", left.TypeName(), " and ", right.TypeName()));
}

absl::StatusOr<bool> Compare(std::string_view op, const Value& left, const Value& right) {
  if (op == "==") return Equal(left, right);
  if (op == "!=") return !Equal(left, right);
  if (op == "in" || op == "not in") {
    const bool wanted = op == "in";
    if (right.undefined()) return !wanted;
    if (const MarkedText* text = right.text()) {
      if (left.text() == nullptr)
        return Fail(StrCat("'in' looks for a string in a string, not for ", left.TypeName()));
      return Contains(text->text(), left.text()->text()) == wanted;
    }
    if (const std::vector<Value>* items = right.items()) {
      return std::any_of(items->begin(), items->end(),
                         [&](const Value& item) { return Equal(item, left); }) == wanted;
    }
    if (const DictRef* dict = right.As<DictRef>()) {
      return (left.text() != nullptr && (*dict)->Find(left.text()->text()) != nullptr) == wanted;
    }
    return Fail(StrCat("'in' does not look into ", right.TypeName()));
  }
  int order = 0;
  double x = 0, y = 0;
  for (const Value* side : {&left, &right}) {
    if (const Undefined* missing = side->As<Undefined>()) return IsUndefined(*missing);
  }
  if (left.number(&x) && right.number(&y)) {
    order = x < y ? -1 : x > y ? 1 : 0;
  } else if (left.text() != nullptr && right.text() != nullptr) {
    order = left.text()->text().compare(right.text()->text());  // UTF-8 sorts as code points do
  } else if (left.items() != nullptr && right.items() != nullptr &&
             IsTuple(left) == IsTuple(right)) {
    // The first pair that differs decides, then the lengths.
    const std::vector<Value>&a = *left.items(), &b = *right.items();
    for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
      if (!Equal(a[i], b[i])) return Compare(op, a[i], b[i]);
    }
    order = a.size() < b.size() ? -1 : a.size() > b.size() ? 1 : 0;
  } else {
    return Fail(StrCat(left.TypeName(), " and ", right.TypeName(), " have no order"));
  }
  if (op == "<") return order < 0;
  if (op == "<=") return order <= 0;
  if (op == ">") return order > 0;
  return order >= 0;
}

}  // namespace deepseek::engine::jinja
