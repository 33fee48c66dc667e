#include "engine/weights/safetensors.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/json_full.h"
#include "base/status.h"
#include "base/strings.h"

namespace deepseek::engine {
namespace {

constexpr uint64_t kMaxHeaderBytes = uint64_t{100} << 20;  // the format's own limit
constexpr size_t kMaxDims = 8;
// An entry's tree is small: a type, a shape and two offsets.
constexpr JsonLimits kHeaderLimits = {kMaxHeaderBytes, 6, size_t{1} << 20, size_t{1} << 20};
constexpr size_t kSmallHeader = size_t{4} << 20;
constexpr size_t kTensorBytes = 320;  // a TensorView with a short name, as a node of the map

// Of all types of the format, bits: a file may hold tensors that nobody here reads.
struct Dtype {
  std::string_view name;
  int64_t bits;
};
constexpr std::array kDtypes = {
    Dtype{"BOOL", 8},        Dtype{"F4", 4},          Dtype{"F6_E2M3", 6}, Dtype{"F6_E3M2", 6},
    Dtype{"U8", 8},          Dtype{"I8", 8},          Dtype{"F8_E4M3", 8}, Dtype{"F8_E5M2", 8},
    Dtype{"F8_E4M3FNUZ", 8}, Dtype{"F8_E5M2FNUZ", 8}, Dtype{"F8_E8M0", 8}, Dtype{"U16", 16},
    Dtype{"I16", 16},        Dtype{"F16", 16},        Dtype{"BF16", 16},   Dtype{"U32", 32},
    Dtype{"I32", 32},        Dtype{"F32", 32},        Dtype{"U64", 64},    Dtype{"I64", 64},
    Dtype{"F64", 64},        Dtype{"C64", 64}};

int64_t BitsOf(std::string_view dtype) {
  for (const Dtype& known : kDtypes) {
    if (known.name == dtype) return known.bits;
  }
  return 0;
}

bool ReadUnsigned(const Json& json, uint64_t* out) {
  if (!json.is_number_integer()) return false;
  if (!json.is_number_unsigned() && json.get<int64_t>() < 0) return false;
  *out = json.get<uint64_t>();
  return true;
}

// One header entry. `buffer` is everything after the header.
absl::StatusOr<TensorView> ParseTensor(const std::string& name, const Json& entry,
                                       absl::Span<const uint8_t> buffer, std::string_view what) {
  const std::string where = StrCat(what, ": tensor ", name.substr(0, 200), ": ");
  const auto bad = [&](std::string_view why) { return absl::DataLossError(StrCat(where, why)); };
  if (!entry.is_object()) return bad("header entry is not an object");
  const auto dtype = entry.find("dtype");
  const auto shape = entry.find("shape");
  const auto offsets = entry.find("data_offsets");
  if (dtype == entry.end() || !dtype->is_string()) return bad("dtype is missing or not a string");
  if (shape == entry.end() || !shape->is_array()) return bad("shape is missing or not a list");
  if (offsets == entry.end() || !offsets->is_array() || offsets->size() != 2) {
    return bad("data_offsets is missing or not a pair");
  }
  TensorView view;
  view.name = name;
  view.dtype = dtype->get<std::string>();
  const int64_t element_bits = BitsOf(view.dtype);
  if (element_bits == 0) return bad(StrCat("dtype \"", view.dtype.substr(0, 40), "\" is unknown"));
  if (shape->size() > kMaxDims)
    return bad(StrCat("has ", shape->size(), " dimensions (at most 8)"));
  // As elements() multiplies: a zero further on does not undo an overflow.
  int64_t elements = 1;
  for (const Json& dim : *shape) {
    uint64_t n = 0;
    if (!ReadUnsigned(dim, &n)) return bad("shape holds something that is not a size");
    if (n > uint64_t{INT64_MAX} ||
        __builtin_mul_overflow(elements, static_cast<int64_t>(n), &elements)) {
      return bad("shape overflows 64 bits");
    }
    view.shape.push_back(static_cast<int64_t>(n));
  }
  int64_t bits = 0;
  if (__builtin_mul_overflow(elements, element_bits, &bits)) return bad("shape overflows 64 bits");
  if (bits % 8 != 0) {
    return bad(StrCat(view.dtype, " ", view.ShapeText(), " does not end at a whole byte"));
  }
  const auto bytes = static_cast<uint64_t>(bits / 8);
  uint64_t begin = 0;
  uint64_t end = 0;
  if (!ReadUnsigned((*offsets)[0], &begin) || !ReadUnsigned((*offsets)[1], &end) || begin > end) {
    return bad("data_offsets are not an ascending pair");
  }
  if (end > buffer.size()) {
    return bad(StrCat("ends at byte ", end, " of the data but the file has only ", buffer.size(),
                      " (truncated?)"));
  }
  if (end - begin != bytes) {
    return bad(StrCat("data_offsets span ", end - begin, " bytes but ", view.dtype, " ",
                      view.ShapeText(), " needs ", bytes));
  }
  view.data = buffer.subspan(begin, end - begin);
  return view;
}

// The tensors must cover the buffer exactly once.
absl::Status CheckCoverage(const std::map<std::string, TensorView>& tensors,
                           absl::Span<const uint8_t> buffer, std::string_view what) {
  std::vector<const TensorView*> order;
  order.reserve(tensors.size());
  for (const auto& [name, view] : tensors) order.push_back(&view);
  std::sort(order.begin(), order.end(), [](const TensorView* a, const TensorView* b) {
    return std::pair(a->data.data(), a->data.size()) < std::pair(b->data.data(), b->data.size());
  });
  const uint8_t* at = buffer.data();
  for (const TensorView* view : order) {
    if (view->data.data() != at) {
      return absl::DataLossError(StrCat(
          what, ": tensor ", view->name,
          view->data.data() < at ? " overlaps the one before it" : " leaves a hole before it"));
    }
    at += view->data.size();
  }
  if (at != buffer.data() + buffer.size()) {
    return absl::DataLossError(StrCat(what, ": ", buffer.data() + buffer.size() - at,
                                      " bytes after the last tensor belong to nothing"));
  }
  return absl::OkStatus();
}

}  // namespace

std::string ShapeText(absl::Span<const int64_t> shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) StrAppend(&text, i == 0 ? "" : ", ", shape[i]);
  return text + "]";
}

std::string TensorView::ShapeText() const {
  return engine::ShapeText(shape);
}

int64_t TensorView::elements() const {
  int64_t n = 1;
  for (const int64_t d : shape) n *= d;
  return n;
}

absl::StatusOr<std::map<std::string, TensorView>> ParseSafetensors(
    absl::Span<const uint8_t> file, std::string_view what,
    std::map<std::string, std::string>* metadata) {
  uint64_t length = 0;
  if (file.size() < sizeof(length)) {
    return absl::DataLossError(
        StrCat(what, ": ", file.size(), " bytes are too few for safetensors"));
  }
  std::memcpy(&length, file.data(), sizeof(length));  // little endian, as every host we serve
  if (length > kMaxHeaderBytes || length > file.size() - sizeof(length)) {
    return absl::DataLossError(StrCat(what, ": header claims ", length, " bytes but the file has ",
                                      file.size(), " (truncated, or not safetensors)"));
  }
  const std::string_view header(reinterpret_cast<const char*>(file.data()) + sizeof(length),
                                length);
  const absl::Span<const uint8_t> buffer = file.subspan(sizeof(length) + length);
  std::map<std::string, TensorView> tensors;
  // What the header describes may take as much memory as the file, and a few MB: a header that is
  // larger than its tensors is none that a model has.
  size_t left = file.size() + kSmallHeader;
  const auto take = [&](size_t bytes) {
    if (bytes > left) {
      return absl::DataLossError(StrCat(what, ": header of ", length,
                                        " bytes describes more tensors than the file holds"));
    }
    left -= bytes;
    return absl::OkStatus();
  };
  const auto on_tensor = [&](const std::string& name, const Json& entry) -> absl::Status {
    RETURN_IF_ERROR(take(kTensorBytes + 2 * name.size()));
    if (name == "__metadata__") return absl::OkStatus();
    ASSIGN_OR_RETURN(TensorView view, ParseTensor(name, entry, buffer, what));
    if (!tensors.emplace(name, std::move(view)).second)
      return absl::DataLossError(StrCat(what, ": two tensors are named ", name.substr(0, 200)));
    return absl::OkStatus();
  };
  const auto on_metadata = [&](const std::string& key, const Json& value) -> absl::Status {
    if (!value.is_string()) return absl::OkStatus();
    const std::string& text = value.get_ref<const std::string&>();
    RETURN_IF_ERROR(take(kTensorBytes + key.size() + text.size()));
    if (metadata != nullptr) (*metadata)[key] = text;
    return absl::OkStatus();
  };
  auto json = ParseJsonStream(header, StrCat(what, " header"), kHeaderLimits,
                              {{{}, on_tensor}, {{"__metadata__"}, on_metadata}});
  if (!json.ok()) return absl::DataLossError(json.status().message());
  if (!json->is_object()) return absl::DataLossError(StrCat(what, ": header is not an object"));
  RETURN_IF_ERROR(CheckCoverage(tensors, buffer, what));
  return tensors;
}

absl::StatusOr<SafetensorsFile> SafetensorsFile::Open(const std::string& path) {
  ASSIGN_OR_RETURN(MappedFile mapped, MappedFile::Open(path));
  SafetensorsFile file(std::move(mapped));
  ASSIGN_OR_RETURN(file.tensors_, ParseSafetensors(file.file_.bytes(), path, &file.metadata_));
  return file;
}

const TensorView* SafetensorsFile::Find(const std::string& name) const {
  const auto it = tensors_.find(name);
  return it == tensors_.end() ? nullptr : &it->second;
}

}  // namespace deepseek::engine
