#include "engine/weights/checkpoint.h"

#include <unistd.h>

#include <set>
#include <utility>

#include "base/json_full.h"
#include "base/status.h"
#include "base/strings.h"

namespace deepseek::engine {
namespace {

constexpr const char* kSingle = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";
constexpr int64_t kMaxIndexBytes = int64_t{256} << 20;
constexpr int64_t kMaxConfigBytes = int64_t{4} << 20;

// A shard's name comes from an untrusted file: it must stay inside the folder.
bool PlainFileName(const std::string& name) {
  return !name.empty() && name.size() <= 255 && name[0] != '.' &&
         name.find('/') == std::string::npos && name.find('\0') == std::string::npos;
}

absl::StatusOr<std::map<std::string, std::string>> ReadIndex(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, ReadTextFile(path, kMaxIndexBytes));
  auto json = ParseJson(text, path, {static_cast<size_t>(kMaxIndexBytes), 8});
  if (!json.ok()) return absl::DataLossError(json.status().message());
  const auto bad = [&](std::string_view why) {
    return absl::DataLossError(StrCat(path, ": ", why));
  };
  if (!json->is_object() || !json->contains("weight_map") || !(*json)["weight_map"].is_object()) {
    return bad("weight_map is missing or not an object");
  }
  std::map<std::string, std::string> index;
  for (const auto& [tensor, file] : (*json)["weight_map"].items()) {
    if (!file.is_string()) return bad(StrCat("weight_map of ", tensor, " is not a file name"));
    auto name = file.get<std::string>();
    if (!PlainFileName(name))
      return bad(StrCat("weight_map of ", tensor, " is not a plain file name"));
    index.emplace(tensor, std::move(name));
  }
  if (index.empty()) return bad("weight_map is empty");
  return index;
}

}  // namespace

absl::StatusOr<std::string> ReadTextFile(const std::string& path, int64_t max_bytes) {
  ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path));
  const auto bytes = file.bytes();
  if (static_cast<int64_t>(bytes.size()) > max_bytes) {
    return absl::DataLossError(StrCat(path, ": ", bytes.size(), " bytes, at most ", max_bytes));
  }
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

absl::StatusOr<ModelSpec> ReadModelSpec(const std::string& dir) {
  ASSIGN_OR_RETURN(const std::string text, ReadTextFile(dir + "/config.json", kMaxConfigBytes));
  auto spec = ParseModelConfig(text);
  if (spec.ok()) return spec;
  return absl::Status(spec.status().code(),
                      ToAbsl(StrCat(dir, "/", ToStd(spec.status().message()))));
}

absl::StatusOr<Checkpoint> Checkpoint::Open(const std::string& dir) {
  Checkpoint checkpoint;
  checkpoint.dir_ = dir;
  std::set<std::string> names;
  const std::string index_path = StrCat(dir, "/", kIndex);
  if (::access(index_path.c_str(), F_OK) == 0) {
    ASSIGN_OR_RETURN(checkpoint.index_, ReadIndex(index_path));
    for (const auto& [tensor, file] : checkpoint.index_) names.insert(file);
  } else {
    names.insert(kSingle);
  }
  for (const std::string& name : names) {
    auto file = SafetensorsFile::Open(StrCat(dir, "/", name));
    if (absl::IsNotFound(file.status())) {
      return absl::NotFoundError(
          checkpoint.index_.empty()
              ? StrCat(dir, ": no weights (expected ", kSingle, " or ", kIndex, ")")
              : StrCat(dir, "/", name, ": shard is missing (named in ", kIndex, ")"));
    }
    if (!file.ok()) return file.status();
    checkpoint.files_.emplace(name, *std::move(file));
  }
  for (const auto& [tensor, file] : checkpoint.index_) {
    if (checkpoint.files_.at(file).Find(tensor) == nullptr) {
      return absl::DataLossError(StrCat(dir, "/", file, ": tensor ", tensor, " is missing (",
                                        kIndex, " says it is here)"));
    }
  }
  return checkpoint;
}

const TensorView* Checkpoint::Find(const std::string& name) const {
  if (index_.empty()) return files_.begin()->second.Find(name);
  const auto it = index_.find(name);
  return it == index_.end() ? nullptr : files_.at(it->second).Find(name);
}

absl::StatusOr<const TensorView*> Checkpoint::Get(const std::string& name) const {
  const TensorView* view = Find(name);
  if (view == nullptr) return absl::DataLossError(StrCat(dir_, ": tensor ", name, " is missing"));
  return view;
}

std::vector<std::string> Checkpoint::files() const {
  std::vector<std::string> names;
  for (const auto& [name, file] : files_) names.push_back(name);
  return names;
}

int64_t Checkpoint::total_bytes() const {
  int64_t bytes = 0;
  for (const auto& [name, file] : files_) bytes += static_cast<int64_t>(file.file().bytes().size());
  return bytes;
}

Checkpoint::Place Checkpoint::PlaceOf(const TensorView& view) const {
  for (const auto& [name, file] : files_) {
    const auto all = file.file().bytes();
    if (view.data.data() >= all.data() && view.data.data() < all.data() + all.size()) {
      return {&file.file(), view.data.data() - all.data()};
    }
  }
  return {};
}

}  // namespace deepseek::engine
