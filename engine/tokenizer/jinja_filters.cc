// Filters and tests.

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/status.h"
#include "base/strings.h"
#include "engine/tokenizer/jinja_eval.h"

namespace deepseek::engine::jinja {
namespace {

using Result = absl::StatusOr<Value>;
using Filter = Result (*)(Budget&, std::string_view name, const Value& input, const Arguments&);
using Predicate = absl::StatusOr<bool> (*)(std::string_view name, const Value& input,
                                           const Arguments&);

absl::StatusOr<MarkedText> TextOf(Budget& budget, const Value& value) {
  if (value.text() != nullptr) {
    RETURN_IF_ERROR(budget.ChargeText(value.text()->size()));
  } else {
    RETURN_IF_ERROR(budget.Charge(value.Weight() / 64));
  }
  return ToText(value);
}

Result ToJson(Budget& budget, std::string_view, const Value& input, const Arguments& arguments) {
  RETURN_IF_ERROR(arguments.Check(1, {"indent", "ensure_ascii", "separators", "sort_keys"}));
  JsonStyle style;
  int64_t indent = 0;
  // transformers: tojson(x, ensure_ascii, indent, ...); a positional argument is therefore
  // ensure_ascii.
  if (const Value* value = arguments.Get(1, "indent"); value != nullptr && !value->none()) {
    if (value->integer(&indent) == nullptr || indent < 0 || indent > 16)
      return Fail("tojson: indent must be 0 to 16");
    style.indent = static_cast<int>(indent);
    style.item_separator = ",";
  }
  if (const Value* value = arguments.Get(0, "ensure_ascii")) style.ensure_ascii = value->Truth();
  if (const Value* value = arguments.Get(1, "sort_keys")) style.sort_keys = value->Truth();
  if (const Value* value = arguments.Get(1, "separators"); value != nullptr && !value->none()) {
    const std::vector<Value>* both = value->items();
    if (both == nullptr || both->size() != 2 || (*both)[0].text() == nullptr ||
        (*both)[1].text() == nullptr)
      return Fail("tojson: separators must be two strings");
    style.item_separator = (*both)[0].text()->text();
    style.key_separator = (*both)[1].text()->text();
  }
  if (input.undefined()) return Fail("tojson: the value is undefined");
  RETURN_IF_ERROR(budget.Charge(input.Weight() / 512));
  MarkedText out;
  RETURN_IF_ERROR(AppendJson(input, style, 0, &out));
  return budget.String(std::move(out));
}

Result Trim(Budget& budget, std::string_view, const Value& input, const Arguments& arguments) {
  RETURN_IF_ERROR(arguments.Check(1, {"chars"}));
  ASSIGN_OR_RETURN(const MarkedText text, TextOf(budget, input));
  ASSIGN_OR_RETURN(MarkedText out, Strip(text, arguments.Get(0, "chars"), true, true));
  return Value::String(std::move(out));
}

Result Length(Budget& budget, std::string_view, const Value& input, const Arguments& arguments) {
  RETURN_IF_ERROR(arguments.Check(0));
  size_t size = 0;
  if (const MarkedText* text = input.text()) {
    RETURN_IF_ERROR(budget.Charge(text->size() / 64));
    size = CharacterOffsets(text->text()).size() - 1;
  } else if (input.items() != nullptr) {
    size = input.items()->size();
  } else if (input.As<DictRef>() != nullptr) {
    size = input.dict()->entries.size();
  } else if (!input.undefined()) {
    return Fail(StrCat("a value of type ", input.TypeName(), " has no length"));
  }
  return Value::Integer(static_cast<int64_t>(size));
}

Result FirstOrLast(Budget& budget, std::string_view name, const Value& input,
                   const Arguments& arguments) {
  RETURN_IF_ERROR(arguments.Check(0));
  ASSIGN_OR_RETURN(const std::vector<Value> items, Iterate(budget, input));
  if (items.empty())
    return Value(Value::Variant(Undefined{StrCat("the ", name, " item of an empty sequence")}));
  return name == "first" ? items.front() : items.back();
}

Result Join(Budget& budget, std::string_view, const Value& input, const Arguments& arguments) {
  RETURN_IF_ERROR(arguments.Check(2, {"d", "attribute"}));
  ASSIGN_OR_RETURN(const std::vector<Value> items, Iterate(budget, input));
  const Value* separator = arguments.Get(0, "d");
  const Value* attribute = arguments.Get(1, "attribute");
  MarkedText out;
  for (size_t i = 0; i < items.size(); ++i) {
    Value item = items[i];
    if (attribute != nullptr) {
      ASSIGN_OR_RETURN(item, GetPath(budget, items[i], *attribute, nullptr));
    }
    if (i > 0 && separator != nullptr) out.Append(ToText(*separator));
    out.Append(ToText(item));
    RETURN_IF_ERROR(
        budget.ChargeText(out.size() > budget.limits().max_output_bytes ? out.size() : 64));
  }
  return budget.String(std::move(out));
}

Result Case(Budget& budget, std::string_view name, const Value& input, const Arguments& arguments) {
  RETURN_IF_ERROR(arguments.Check(0));
  ASSIGN_OR_RETURN(const MarkedText text, TextOf(budget, input));
  return budget.String(ChangeCase(text, name == "title" ? "words" : name));
}

Result Default(Budget&, std::string_view, const Value& input, const Arguments& arguments) {
  RETURN_IF_ERROR(arguments.Check(2, {"default_value", "boolean"}));
  const Value* boolean = arguments.Get(1, "boolean");
  const bool missing =
      input.undefined() || (boolean != nullptr && boolean->Truth() && !input.Truth());
  if (!missing) return input;
  const Value* value = arguments.Get(0, "default_value");
  return value != nullptr ? *value : Value::String("", false);
}

Result ReplaceText(Budget& budget, std::string_view, const Value& input,
                   const Arguments& arguments) {
  RETURN_IF_ERROR(arguments.Check(3, {"old", "new", "count"}));
  const Value *from = arguments.Get(0, "old"), *to = arguments.Get(1, "new"),
              *limit = arguments.Get(2, "count");
  int64_t count = -1;
  if (from == nullptr || to == nullptr) return Fail("replace takes two strings");
  if (limit != nullptr && !limit->none() && limit->integer(&count) == nullptr)
    return Fail("replace: count must be an integer");
  ASSIGN_OR_RETURN(const MarkedText text, TextOf(budget, input));
  ASSIGN_OR_RETURN(MarkedText out, Replace(budget, text, ToText(*from), ToText(*to), count));
  return Value::String(std::move(out));
}

Result StringOf(Budget& budget, std::string_view, const Value& input, const Arguments& arguments) {
  RETURN_IF_ERROR(arguments.Check(0));
  if (input.text() != nullptr) return input;
  ASSIGN_OR_RETURN(MarkedText text, TextOf(budget, input));
  return budget.String(std::move(text));
}

Result Number(Budget&, std::string_view name, const Value& input, const Arguments& arguments) {
  RETURN_IF_ERROR(arguments.Check(1, {"default"}));
  double number = 0;
  bool known = input.number(&number);
  if (const MarkedText* text = input.text()) {
    ASSIGN_OR_RETURN(const MarkedText trimmed, Strip(*text, nullptr, true, true));
    const std::string& s = trimmed.text();
    const char* const end = s.data() + s.size();
    const char* const begin = s.data() + (s.size() > 1 && s[0] == '+' && s[1] != '-' ? 1 : 0);
    const auto whole = [end](const std::from_chars_result& read) {
      return read.ec == std::errc() && read.ptr == end;
    };
    // All of its digits, which a float would round.
    int64_t exact = 0;
    if (name == "int" && whole(std::from_chars(begin, end, exact))) return Value::Integer(exact);
    known = whole(std::from_chars(begin, end, number));
  }
  if (!known) {
    if (const Value* otherwise = arguments.Get(0, "default")) return *otherwise;
    number = 0;
  }
  int64_t integer = 0;
  if (name == "float") return Value(Value::Variant(number));
  if (input.integer(&integer) != nullptr) return Value::Integer(integer);
  if (input.As<LargeInteger>() != nullptr) return input;
  if (!(std::fabs(number) < 9e18)) return Fail("int: the number is too large");
  return Value::Integer(static_cast<int64_t>(number));
}

Result Absolute(Budget&, std::string_view, const Value& input, const Arguments& arguments) {
  RETURN_IF_ERROR(arguments.Check(0));
  int64_t i = 0;
  double x = 0;
  if (input.integer(&i) != nullptr && i > INT64_MIN) return Value::Integer(i < 0 ? -i : i);
  if (input.As<LargeInteger>() != nullptr) return input;
  if (input.number(&x)) return Value(Value::Variant(std::fabs(x)));
  return Fail("abs takes a number");
}

Result ListOf(Budget& budget, std::string_view name, const Value& input,
              const Arguments& arguments) {
  RETURN_IF_ERROR(arguments.Check(0));
  if (name == "items") {
    if (input.undefined()) return MakeList({});
    if (input.As<DictRef>() == nullptr) return Fail("items takes a dict");
    return CallMethod(budget, "items", input, {});
  }
  ASSIGN_OR_RETURN(std::vector<Value> items, Iterate(budget, input));
  if (name == "reverse") {
    std::reverse(items.begin(), items.end());
    if (input.text() != nullptr) {
      MarkedText out;
      for (const Value& item : items) out.Append(*item.text());
      return budget.String(std::move(out));
    }
  }
  return MakeList(std::move(items));
}

// The first of those that are equal, or have equal attributes.
Result Unique(Budget& budget, std::string_view, const Value& input, const Arguments& arguments) {
  RETURN_IF_ERROR(arguments.Check(2, {"case_sensitive", "attribute"}));
  ASSIGN_OR_RETURN(const std::vector<Value> items, Iterate(budget, input));
  const Value *exact = arguments.Get(0, "case_sensitive"),
              *attribute = arguments.Get(1, "attribute");
  std::vector<Value> keys, unique;
  for (const Value& item : items) {
    RETURN_IF_ERROR(budget.Charge(1 + unique.size()));
    Value key = item;
    if (attribute != nullptr) {
      ASSIGN_OR_RETURN(key, GetPath(budget, item, *attribute, nullptr));
    }
    if (key.text() != nullptr && (exact == nullptr || !exact->Truth())) {
      RETURN_IF_ERROR(budget.ChargeText(key.text()->size()));
      key = Value::String(ChangeCase(*key.text(), "lower"));
    }
    const bool seen = std::any_of(keys.begin(), keys.end(),
                                  [&](const Value& other) { return Equal(key, other); });
    if (seen) continue;
    keys.push_back(std::move(key));
    unique.push_back(item);
  }
  return MakeList(std::move(unique));
}

Result Indent(Budget& budget, std::string_view, const Value& input, const Arguments& arguments) {
  RETURN_IF_ERROR(arguments.Check(3, {"width", "first", "blank"}));
  int64_t width = 4;
  const Value *given = arguments.Get(0, "width"), *first = arguments.Get(1, "first"),
              *blank = arguments.Get(2, "blank");
  MarkedText prefix;
  if (given != nullptr && given->text() != nullptr) {
    prefix = *given->text();
  } else {
    if (given != nullptr && given->integer(&width) == nullptr) return Fail("indent takes a width");
    prefix.Append(std::string(static_cast<size_t>(std::clamp<int64_t>(width, 0, 1024)), ' '),
                  false);
  }
  ASSIGN_OR_RETURN(MarkedText text, TextOf(budget, input));
  text.Append("\n", true);
  const bool indent_blank = blank != nullptr && blank->Truth();
  MarkedText out;
  bool begins = true;
  for (const Value& line : SplitLines(text, false)) {
    const bool indented =
        begins ? first != nullptr && first->Truth() : indent_blank || !line.text()->empty();
    if (!begins) out.Append("\n", true);
    if (indented) out.Append(prefix);
    out.Append(*line.text());
    RETURN_IF_ERROR(budget.ChargeText(
        out.size() > budget.limits().max_output_bytes ? out.size() : prefix.size()));
    begins = false;
  }
  return budget.String(std::move(out));
}

// map, select, reject, selectattr, rejectattr.
Result Choose(Budget& budget, std::string_view name, const Value& input,
              const Arguments& arguments) {
  ASSIGN_OR_RETURN(const std::vector<Value> items, Iterate(budget, input));
  const bool by_attribute = name == "selectattr" || name == "rejectattr";
  const bool keep = name == "select" || name == "selectattr";
  const Value* attribute = name == "map" ? arguments.Get(SIZE_MAX, "attribute") : nullptr;
  Arguments rest = arguments;
  const auto take = [&](std::string_view what) -> Result {
    if (rest.positional.empty()) return Fail(StrCat(name, ": ", what, " is missing"));
    Value value = std::move(rest.positional.front());
    rest.positional.erase(rest.positional.begin());
    return value;
  };
  const auto take_name = [&](std::string_view what) -> absl::StatusOr<std::string> {
    ASSIGN_OR_RETURN(const Value value, take(what));
    if (value.text() == nullptr) return Fail(StrCat(name, ": the name of ", what, " is missing"));
    return value.text()->text();
  };
  Value path;
  std::string function;
  if (by_attribute) {
    ASSIGN_OR_RETURN(path, take("an attribute"));
  }
  if (name == "map" && attribute == nullptr) {
    ASSIGN_OR_RETURN(function, take_name("a filter"));
    if (!IsKnownFilter(function) || function == "map")
      return Fail(StrCat("map: the filter ", function, " is not supported"));
  } else if (name != "map" && !rest.positional.empty()) {
    ASSIGN_OR_RETURN(function, take_name("a test"));
    if (!IsKnownTest(function))
      return Fail(StrCat(name, ": the test ", function, " is not supported"));
  }
  std::vector<Value> out;
  for (const Value& item : items) {
    RETURN_IF_ERROR(budget.Charge());
    if (name == "map") {
      Value value;
      if (attribute != nullptr) {
        ASSIGN_OR_RETURN(value,
                         GetPath(budget, item, *attribute, arguments.Get(SIZE_MAX, "default")));
      } else {
        ASSIGN_OR_RETURN(value, ApplyFilter(budget, function, item, rest));
      }
      out.push_back(std::move(value));
      continue;
    }
    Value tested = item;
    if (by_attribute) {
      ASSIGN_OR_RETURN(tested, GetPath(budget, item, path, nullptr));
    }
    bool holds = tested.Truth();
    if (!function.empty()) {
      ASSIGN_OR_RETURN(holds, ApplyTest(function, tested, rest));
    }
    if (holds == keep) out.push_back(item);
  }
  return MakeList(std::move(out));
}

Result Same(Budget&, std::string_view, const Value& input, const Arguments& arguments) {
  RETURN_IF_ERROR(arguments.Check(0));
  return input;
}

constexpr std::pair<std::string_view, Filter> kFilters[] = {
    {"tojson", ToJson},     {"trim", Trim},           {"length", Length},
    {"count", Length},      {"first", FirstOrLast},   {"last", FirstOrLast},
    {"join", Join},         {"upper", Case},          {"lower", Case},
    {"title", Case},        {"capitalize", Case},     {"default", Default},
    {"d", Default},         {"replace", ReplaceText}, {"string", StringOf},
    {"int", Number},        {"float", Number},        {"abs", Absolute},
    {"list", ListOf},       {"items", ListOf},        {"unique", Unique},
    {"reverse", ListOf},    {"indent", Indent},       {"map", Choose},
    {"select", Choose},     {"reject", Choose},       {"selectattr", Choose},
    {"rejectattr", Choose}, {"safe", Same},
};

absl::StatusOr<bool> OfType(std::string_view name, const Value& v, const Arguments& arguments) {
  RETURN_IF_ERROR(arguments.Check(0));
  const bool boolean = v.As<bool>() != nullptr,
             integer = v.As<int64_t>() != nullptr || v.As<LargeInteger>() != nullptr,
             real = v.As<double>() != nullptr;
  const bool sequence = v.text() != nullptr || v.items() != nullptr || v.As<DictRef>() != nullptr;
  if (name == "defined") return !v.undefined();
  if (name == "undefined") return v.undefined();
  if (name == "none") return v.none();
  if (name == "string") return v.text() != nullptr;
  if (name == "boolean") return boolean;
  if (name == "true") return boolean && v.Truth();
  if (name == "false") return boolean && !v.Truth();
  if (name == "integer") return integer;
  if (name == "float") return real;
  if (name == "number") return boolean || integer || real;
  if (name == "mapping") return v.As<DictRef>() != nullptr;
  if (name == "callable") return v.As<Function>() != nullptr || v.As<Macro>() != nullptr;
  if (name == "iterable") return sequence || v.undefined();
  return sequence || v.undefined();  // "sequence": has a length and can be indexed
}

absl::StatusOr<bool> Parity(std::string_view name, const Value& input, const Arguments& arguments) {
  int64_t value = 0, by = 2;
  const bool divisible = name == "divisibleby";
  RETURN_IF_ERROR(arguments.Check(divisible ? 1 : 0));
  if (input.integer(&value) == nullptr) return Fail(StrCat("the test ", name, " takes an integer"));
  if (divisible &&
      (arguments.positional.empty() || arguments.positional[0].integer(&by) == nullptr || by == 0))
    return Fail("divisibleby takes a number");
  const bool zero = by == -1 || value % by == 0;
  return name == "odd" ? !zero : zero;
}

// Tests that are operators, also under the operator's own name: select('>', 1).
constexpr std::pair<std::string_view, std::string_view> kOperators[] = {
    {"==", "=="}, {"eq", "=="}, {"equalto", "=="}, {"sameas", "=="},     {"!=", "!="},
    {"ne", "!="}, {"<", "<"},   {"lt", "<"},       {"lessthan", "<"},    {"<=", "<="},
    {"le", "<="}, {">", ">"},   {"gt", ">"},       {"greaterthan", ">"}, {">=", ">="},
    {"ge", ">="}, {"in", "in"}};

absl::StatusOr<bool> Comparison(std::string_view name, const Value& input,
                                const Arguments& arguments) {
  RETURN_IF_ERROR(arguments.Check(1));
  if (arguments.positional.empty()) return Fail(StrCat("the test ", name, " lacks its argument"));
  for (const auto& [test, op] : kOperators) {
    if (test == name) return Compare(op, input, arguments.positional[0]);
  }
  return Fail(StrCat("there is no test ", name));
}

constexpr std::pair<std::string_view, Predicate> kTests[] = {
    {"defined", OfType},     {"undefined", OfType}, {"none", OfType},    {"string", OfType},
    {"boolean", OfType},     {"true", OfType},      {"false", OfType},   {"integer", OfType},
    {"float", OfType},       {"number", OfType},    {"mapping", OfType}, {"callable", OfType},
    {"iterable", OfType},    {"sequence", OfType},  {"even", Parity},    {"odd", Parity},
    {"divisibleby", Parity},
};

template <typename F, size_t n>
F Find(const std::pair<std::string_view, F> (&table)[n], std::string_view name) {
  for (const auto& [key, function] : table) {
    if (key == name) return function;
  }
  return nullptr;
}

Predicate TestOf(std::string_view name) {
  const bool comparison = std::any_of(std::begin(kOperators), std::end(kOperators),
                                      [&](const auto& test) { return test.first == name; });
  return comparison ? Comparison : Find(kTests, name);
}

}  // namespace

bool IsKnownFilter(std::string_view name) {
  return Find(kFilters, name) != nullptr;
}
bool IsKnownTest(std::string_view name) {
  return TestOf(name) != nullptr;
}

absl::StatusOr<Value> ApplyFilter(Budget& budget, std::string_view name, const Value& input,
                                  const Arguments& arguments) {
  const Filter filter = Find(kFilters, name);
  if (filter == nullptr) return Fail(StrCat("there is no filter ", name));
  return filter(budget, name, input, arguments);
}

absl::StatusOr<bool> ApplyTest(std::string_view name, const Value& input,
                               const Arguments& arguments) {
  const Predicate test = TestOf(name);
  if (test == nullptr) return Fail(StrCat("there is no test ", name));
  return test(name, input, arguments);
}

}  // namespace deepseek::engine::jinja
