#include "agent/cli/safetensors_writer.h"

#include <sys/stat.h>

#include <cstdio>
#include <filesystem>
#include <utility>

#include "base/json_full.h"
#include "base/strings.h"

namespace deepseek::agent {

namespace {

// The file that `path` stands for, behind links. Empty: `path` is no file that another could take
// the place of (a device, a pipe, an open file of this process).
std::string FileBehind(const std::string& path) {
  struct stat info;
  if (::stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode)) return "";
  std::filesystem::path file = path;
  std::error_code error;
  for (int links = 0; links < 40 && std::filesystem::is_symlink(file, error); ++links) {
    file = file.parent_path() / std::filesystem::read_symlink(file, error);
    if (file.native().starts_with("/proc/")) return "";
  }
  return file.string();
}

}  // namespace

int64_t TensorHeader::bytes() const {
  int64_t count = 4;
  for (const int64_t d : shape) count *= d;
  return count;
}

absl::StatusOr<SafetensorsWriter> SafetensorsWriter::Create(
    const std::string& path, const std::vector<TensorHeader>& tensors) {
  OrderedJson header = OrderedJson::object();
  int64_t offset = 0;
  for (const TensorHeader& t : tensors) {
    header[t.name] = {
        {"dtype", t.dtype}, {"shape", t.shape}, {"data_offsets", {offset, offset + t.bytes()}}};
    offset += t.bytes();
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');  // the format asks for aligned data

  SafetensorsWriter writer;
  writer.path_ = path;
  writer.file_ = FileBehind(path);
  if (!writer.file_.empty()) writer.part_ = writer.file_ + ".part";
  writer.left_ = offset;
  writer.out_.open(writer.file_.empty() ? path : writer.part_, std::ios::binary | std::ios::trunc);
  if (!writer.out_) {
    writer.part_.clear();
    return absl::InvalidArgumentError(
        StrCat("--output: ", path, ": cannot be written (check folder and rights)"));
  }
  const uint64_t length = text.size();
  writer.out_.write(reinterpret_cast<const char*>(&length), sizeof length);
  writer.out_.write(text.data(), static_cast<std::streamsize>(text.size()));
  return writer;
}

SafetensorsWriter::~SafetensorsWriter() {
  if (out_.is_open() && !part_.empty()) {
    out_.close();
    std::remove(part_.c_str());
  }
}

void SafetensorsWriter::Append(absl::Span<const float> values) {
  Write(values.data(), values.size() * sizeof(float));
}

void SafetensorsWriter::Append(absl::Span<const int32_t> values) {
  Write(values.data(), values.size() * sizeof(int32_t));
}

void SafetensorsWriter::Write(const void* data, size_t bytes) {
  out_.write(static_cast<const char*>(data), static_cast<std::streamsize>(bytes));
  left_ -= static_cast<int64_t>(bytes);
}

absl::Status SafetensorsWriter::Finish() {
  if (left_ != 0)
    return absl::InternalError(
        StrCat(path_, ": ", left_, " bytes differ from the announced shapes"));
  out_.close();
  if (!out_ || (!file_.empty() && std::rename(part_.c_str(), file_.c_str()) != 0)) {
    if (!part_.empty()) std::remove(part_.c_str());
    return absl::InvalidArgumentError(
        StrCat("--output: ", path_, ": writing failed (is the disk full?)"));
  }
  part_.clear();
  return absl::OkStatus();
}

}  // namespace deepseek::agent
