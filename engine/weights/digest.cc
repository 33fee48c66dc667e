#include "engine/weights/digest.h"

#include <openssl/evp.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "base/status.h"
#include "base/strings.h"
#include "engine/weights/mapped_file.h"

namespace deepseek::engine {
namespace {

constexpr int64_t kPiece = int64_t{1} << 20;    // bytes read at once
constexpr int64_t kSample = int64_t{64} << 10;  // of each kStride
constexpr int64_t kStride = int64_t{16} << 20;

class Sha256 {
 public:
  Sha256() { EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr); }
  void Add(const void* data, size_t bytes) { EVP_DigestUpdate(context_.get(), data, bytes); }
  std::string Hex() {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int length = 0;
    EVP_DigestFinal_ex(context_.get(), digest, &length);
    constexpr char kHex[] = "0123456789abcdef";
    std::string hex;
    for (unsigned int i = 0; i < length; ++i) {
      hex += kHex[digest[i] >> 4];
      hex += kHex[digest[i] & 15];
    }
    return hex;
  }

 private:
  struct Free {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };
  const std::unique_ptr<EVP_MD_CTX, Free> context_{EVP_MD_CTX_new()};
};

absl::Status AddRange(const MappedFile& file, int64_t offset, int64_t bytes, Sha256* sum) {
  std::vector<uint8_t> piece(static_cast<size_t>(std::min(bytes, kPiece)));
  for (int64_t at = offset; at < offset + bytes; at += kPiece) {
    const auto size = static_cast<size_t>(std::min(kPiece, offset + bytes - at));
    RETURN_IF_ERROR(file.Read(at, {piece.data(), size}));
    sum->Add(piece.data(), size);
  }
  return absl::OkStatus();
}

absl::Status AddSamples(const MappedFile& file, int64_t size, Sha256* sum) {
  const std::string length = StrCat(size, "\n");
  sum->Add(length.data(), length.size());
  const int64_t edge = std::min(kPiece, size);
  RETURN_IF_ERROR(AddRange(file, 0, edge, sum));
  for (int64_t at = kStride; at < size; at += kStride)
    RETURN_IF_ERROR(AddRange(file, at, std::min(kSample, size - at), sum));
  return AddRange(file, size - edge, edge, sum);
}

}  // namespace

std::vector<std::string> ModelFiles(const std::string& dir, const Checkpoint& checkpoint) {
  std::vector<std::string> names = checkpoint.files();
  names.push_back("config.json");
  for (const char* optional :
       {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "special_tokens_map.json",
        kToolTemplateFile, "model.safetensors.index.json"}) {
    if (::access(StrCat(dir, "/", optional).c_str(), F_OK) == 0) names.push_back(optional);
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

absl::StatusOr<std::string> WeightsDigest(const std::string& dir, int64_t whole_file_bytes) {
  std::vector<std::string> names;
  {
    ASSIGN_OR_RETURN(const Checkpoint checkpoint, Checkpoint::Open(dir));
    names = ModelFiles(dir, checkpoint);
  }
  bool sampled = false;
  Sha256 all;
  for (const std::string& name : names) {
    ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(StrCat(dir, "/", name)));
    const auto size = static_cast<int64_t>(file.bytes().size());
    Sha256 sum;
    if (size <= whole_file_bytes) {
      RETURN_IF_ERROR(AddRange(file, 0, size, &sum));
    } else {
      sampled = true;
      RETURN_IF_ERROR(AddSamples(file, size, &sum));
    }
    const std::string line = StrCat(sum.Hex(), "  ", name, "\n");
    all.Add(line.data(), line.size());
  }
  return StrCat(sampled ? "sampled-sha256:" : "sha256:", all.Hex());
}

}  // namespace deepseek::engine
