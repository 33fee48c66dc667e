// Values as text: str(), repr() and json.dumps() as Python writes them.

#include <utf8proc.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "base/status.h"
#include "base/strings.h"
#include "engine/tokenizer/jinja_value.h"
#include "engine/tokenizer/utf8.h"

namespace deepseek::engine::jinja {
namespace {

std::string Hex(const char* format, uint32_t value) {
  char text[16];
  std::snprintf(text, sizeof(text), format, value);
  return text;
}

// Calls f(code point, bytes, input) for each character.
template <typename F>
void ForEachChar(const MarkedText& text, F f) {
  size_t begin = 0;
  for (const MarkedText::Run& run : text.runs()) {
    std::string_view rest = std::string_view(text.text()).substr(begin, run.end - begin);
    while (!rest.empty()) {
      const Utf8Char c = FirstChar(rest);
      f(c.code_point, rest.substr(0, c.length), run.input);
      rest.remove_prefix(c.length);
    }
    begin = run.end;
  }
}

bool IsPrintable(uint32_t c) {
  if (c == ' ') return true;
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_ZS:
      return false;
    default:
      return true;
  }
}

void AppendTextRepr(const MarkedText& text, MarkedText* out) {
  const bool single = text.text().find('\'') != std::string::npos;
  const char quote = single && text.text().find('"') == std::string::npos ? '"' : '\'';
  const std::string_view quotes(&quote, 1);
  out->Append(quotes, true);
  ForEachChar(text, [&](uint32_t c, std::string_view bytes, bool input) {
    if (c == static_cast<uint32_t>(quote) || c == '\\') {
      out->Append("\\", input);
      out->Append(bytes, input);
    } else if (c == '\n' || c == '\r' || c == '\t') {
      out->Append(c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t", input);
    } else if (IsPrintable(c)) {
      out->Append(bytes, input);
    } else {
      out->Append(Hex(c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x", c), input);
    }
  });
  out->Append(quotes, true);
}

void AppendJsonString(const MarkedText& text, bool ensure_ascii, MarkedText* out) {
  out->Append("\"", true);
  ForEachChar(text, [&](uint32_t c, std::string_view bytes, bool input) {
    switch (c) {
      case '"':
        return out->Append("\\\"", input);
      case '\\':
        return out->Append("\\\\", input);
      case '\n':
        return out->Append("\\n", input);
      case '\r':
        return out->Append("\\r", input);
      case '\t':
        return out->Append("\\t", input);
      case '\f':
        return out->Append("\\f", input);
      case '\b':
        return out->Append("\\b", input);
      default:
        break;
    }
    if (c >= 0x20 && (c < 0x7F || !ensure_ascii)) return out->Append(bytes, input);
    if (c < 0x10000) return out->Append(Hex("\\u%04x", c), input);
    out->Append(Hex("\\u%04x", 0xD800 + ((c - 0x10000) >> 10)), input);
    out->Append(Hex("\\u%04x", 0xDC00 + ((c - 0x10000) & 0x3FF)), input);
  });
  out->Append("\"", true);
}

// "{" item "," item "}" on one line or indented; `item(i)` appends the i-th.
template <typename F>
absl::Status AppendGroup(std::string_view open, std::string_view close, size_t count,
                         const JsonStyle& style, int level, MarkedText* out, F item) {
  out->Append(open, true);
  const auto line = [&](int depth) {
    if (style.indent < 0) return;
    out->Append("\n", true);
    out->Append(std::string(static_cast<size_t>(style.indent * depth), ' '), true);
  };
  for (size_t i = 0; i < count; ++i) {
    if (i > 0) out->Append(style.item_separator, true);
    line(level + 1);
    RETURN_IF_ERROR(item(i));
  }
  if (count > 0) line(level);
  out->Append(close, true);
  return absl::OkStatus();
}

}  // namespace

std::string FloatRepr(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  char buffer[40];
  auto end =
      std::to_chars(buffer, buffer + sizeof(buffer), value, std::chars_format::scientific).ptr;
  const std::string scientific(buffer, end);
  const size_t e = scientific.find('e');
  const int exponent = std::atoi(scientific.c_str() + e + 1);
  if (exponent < -4 || exponent >= 16)
    return scientific;  // both write at least two digits of exponent
  char fixed_buffer[64];
  end = std::to_chars(fixed_buffer, fixed_buffer + sizeof(fixed_buffer), value,
                      std::chars_format::fixed)
            .ptr;
  std::string fixed(fixed_buffer, end);
  if (fixed.find('.') == std::string::npos) fixed += ".0";
  return fixed;
}

MarkedText ToText(const Value& value) {
  if (const MarkedText* text = value.text()) return *text;
  if (value.undefined()) return {};
  MarkedText out;
  AppendRepr(value, &out);
  return out;
}

void AppendRepr(const Value& value, MarkedText* out) {
  if (value.undefined()) return out->Append("Undefined", true);
  if (value.none()) return out->Append("None", true);
  if (const bool* b = value.As<bool>()) return out->Append(*b ? "True" : "False", true);
  if (const int64_t* i = value.As<int64_t>()) return out->Append(StrCat(*i), true);
  if (const LargeInteger* i = value.As<LargeInteger>()) return out->Append(StrCat(i->value), true);
  if (const double* d = value.As<double>()) return out->Append(FloatRepr(*d), true);
  if (const MarkedText* text = value.text()) return AppendTextRepr(*text, out);
  const JsonStyle style;
  if (const std::vector<Value>* items = value.items()) {
    const bool tuple = (*value.As<List>())->tuple;
    const std::string_view close = !tuple ? "]" : items->size() == 1 ? ",)" : ")";
    (void)AppendGroup(tuple ? "(" : "[", close, items->size(), style, 0, out, [&](size_t i) {
      AppendRepr((*items)[i], out);
      return absl::OkStatus();
    });
  } else if (const DictRef* dict = value.As<DictRef>()) {
    (void)AppendGroup("{", "}", (*dict)->entries.size(), style, 0, out, [&](size_t i) {
      AppendTextRepr((*dict)->entries[i].first, out);
      out->Append(": ", true);
      AppendRepr((*dict)->entries[i].second, out);
      return absl::OkStatus();
    });
  } else {
    out->Append(StrCat("<", value.TypeName(), ">"), true);
  }
}

absl::Status AppendJson(const Value& value, const JsonStyle& style, int level, MarkedText* out) {
  const auto put = [out](std::string_view text) {
    out->Append(text, true);
    return absl::OkStatus();
  };
  if (value.none()) return put("null");
  if (const bool* b = value.As<bool>()) return put(*b ? "true" : "false");
  if (const int64_t* i = value.As<int64_t>()) return put(StrCat(*i));
  if (const LargeInteger* i = value.As<LargeInteger>()) return put(StrCat(i->value));
  if (const double* d = value.As<double>()) {
    if (std::isnan(*d)) return put("NaN");
    if (std::isinf(*d)) return put(*d > 0 ? "Infinity" : "-Infinity");
    return put(FloatRepr(*d));
  }
  if (const MarkedText* text = value.text()) {
    AppendJsonString(*text, style.ensure_ascii, out);
    return absl::OkStatus();
  }
  if (const std::vector<Value>* items = value.items()) {
    return AppendGroup("[", "]", items->size(), style, level, out,
                       [&](size_t i) { return AppendJson((*items)[i], style, level + 1, out); });
  }
  if (const DictRef* dict = value.As<DictRef>()) {
    std::vector<const std::pair<MarkedText, Value>*> entries;
    for (const auto& entry : (*dict)->entries) entries.push_back(&entry);
    if (style.sort_keys) {
      std::stable_sort(entries.begin(), entries.end(), [](const auto* a, const auto* b) {
        return a->first.text() < b->first.text();
      });
    }
    return AppendGroup("{", "}", entries.size(), style, level, out, [&](size_t i) {
      AppendJsonString(entries[i]->first, style.ensure_ascii, out);
      out->Append(style.key_separator, true);
      return AppendJson(entries[i]->second, style, level + 1, out);
    });
  }
  return absl::InvalidArgumentError(
      StrCat("chat template: tojson: a value of type ", value.TypeName(), " has no JSON form"));
}

}  // namespace deepseek::engine::jinja
