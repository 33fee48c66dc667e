#include "engine/weights/checkpoint.h"

#include <unistd.h>

#include <fstream>
#include <functional>
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
constexpr int64_t kMaxConfigBytes = int64_t{1} << 20;

// A shard's name comes from an untrusted file: it must stay inside the folder.
bool PlainFileName(const std::string& name) {
  return !name.empty() && name.size() <= 255 && name[0] != '.' &&
         name.find('/') == std::string::npos && name.find('\0') == std::string::npos;
}

// The index is read twice, first for the names of the shards and then against their contents: of a
// large one (8.9 MB for DeepSeek-V3) nothing is kept but what the shards confirm.
absl::Status ForEachIndexed(
    const std::string& path, std::string_view text,
    const std::function<absl::Status(const std::string& tensor, const std::string& file)>& on) {
  const auto bad = [&](std::string_view why) {
    return absl::DataLossError(StrCat(path, ": ", why));
  };
  const auto on_entry = [&](const std::string& tensor, const Json& file) -> absl::Status {
    if (!file.is_string())
      return bad(StrCat("weight_map of ", tensor.substr(0, 200), " is not a file name"));
    const std::string& name = file.get_ref<const std::string&>();
    if (!PlainFileName(name))
      return bad(StrCat("weight_map of ", tensor.substr(0, 200), " is not a plain file name"));
    return on(tensor, name);
  };
  JsonLimits limits = ModelFileLimits(kMaxIndexBytes);
  limits.max_depth = 8;
  auto json = ParseJsonStream(text, path, limits, {{{"weight_map"}, on_entry}});
  if (!json.ok()) return absl::DataLossError(json.status().message());
  if (!json->is_object() || !json->contains("weight_map") || !(*json)["weight_map"].is_object()) {
    return bad("weight_map is missing or not an object");
  }
  return absl::OkStatus();
}

// More than any release has (DeepSeek-V3: 163).
constexpr size_t kMaxShards = 4096;

absl::StatusOr<std::set<std::string>> ShardNames(const std::string& path, std::string_view text) {
  std::set<std::string> names;
  RETURN_IF_ERROR(
      ForEachIndexed(path, text, [&](const std::string& /*tensor*/, const std::string& file) {
        names.insert(file);
        return names.size() <= kMaxShards
                   ? absl::OkStatus()
                   : absl::DataLossError(StrCat(path, ": names over ", kMaxShards, " shards"));
      }));
  if (names.empty()) return absl::DataLossError(StrCat(path, ": weight_map is empty"));
  return names;
}

}  // namespace

absl::StatusOr<std::string> ReadTextFile(const std::string& path, int64_t max_bytes) {
  ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(path));
  const size_t bytes = file.bytes().size();
  if (static_cast<int64_t>(bytes) > max_bytes) {
    return absl::DataLossError(StrCat(path, ": ", bytes, " bytes, at most ", max_bytes));
  }
  // Read, not copied from the mapping, which would be in memory a second time.
  std::string text(bytes, '\0');
  std::ifstream in(path, std::ios::binary);
  if (!in.read(text.data(), static_cast<std::streamsize>(bytes)))
    return absl::DataLossError(StrCat(path, ": cannot be read to its end"));
  return text;
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
  std::set<std::string> names = {kSingle};
  std::string index;
  const std::string index_path = StrCat(dir, "/", kIndex);
  const bool sharded = ::access(index_path.c_str(), F_OK) == 0;
  if (sharded) {
    ASSIGN_OR_RETURN(index, ReadTextFile(index_path, kMaxIndexBytes));
    ASSIGN_OR_RETURN(names, ShardNames(index_path, index));
  }
  for (const std::string& name : names) {
    auto file = SafetensorsFile::Open(StrCat(dir, "/", name));
    if (absl::IsNotFound(file.status())) {
      return absl::NotFoundError(
          sharded ? StrCat(dir, "/", name, ": shard is missing (named in ", kIndex, ")")
                  : StrCat(dir, ": no weights (expected ", kSingle, " or ", kIndex, ")"));
    }
    if (!file.ok()) return file.status();
    checkpoint.files_.emplace(name, *std::move(file));
  }
  // Where two shards have a tensor of one name, the index says which is meant. Beyond that the
  // shards say what there is: an index may be older, and converters copy that of other files with
  // entries for tensors that they left out (a tied lm_head).
  if (sharded) {
    RETURN_IF_ERROR(
        ForEachIndexed(index_path, index, [&](const std::string& tensor, const std::string& file) {
          const TensorView* view = checkpoint.files_.at(file).Find(tensor);
          if (view != nullptr) checkpoint.tensors_[ToAbsl(view->name)] = view;
          return absl::OkStatus();
        }));
  }
  for (const auto& [file, shard] : checkpoint.files_) {
    for (const auto& [name, view] : shard.tensors())
      checkpoint.tensors_.emplace(ToAbsl(name), &view);
  }
  return checkpoint;
}

const TensorView* Checkpoint::Find(const std::string& name) const {
  const auto it = tensors_.find(ToAbsl(name));
  return it == tensors_.end() ? nullptr : it->second;
}

absl::StatusOr<const TensorView*> Checkpoint::Get(const std::string& name) const {
  const TensorView* view = Find(name);
  if (view == nullptr) return absl::DataLossError(StrCat(dir_, ": tensor ", name, " is missing"));
  return view;
}

std::string Checkpoint::IndexedIn(const std::string& name) const {
  std::string found;
  const std::string path = StrCat(dir_, "/", kIndex);
  const auto index = ReadTextFile(path, kMaxIndexBytes);
  if (!index.ok()) return found;
  // Only for the text of an error: the index was read whole when the checkpoint was opened.
  ForEachIndexed(path, *index, [&](const std::string& tensor, const std::string& file) {
    if (tensor == name) found = file;
    return absl::OkStatus();
  }).IgnoreError();
  return found;
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
