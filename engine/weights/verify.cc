#include "engine/weights/verify.h"

#include <openssl/evp.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <memory>
#include <sstream>

#include "base/status.h"
#include "base/strings.h"
#include "engine/weights/check_tensors.h"
#include "engine/weights/checkpoint.h"
#include "engine/weights/digest.h"
#include "engine/weights/tensor_values.h"

namespace deepseek::engine {
namespace {

constexpr const char* kManifest = "SHA256SUMS";

std::string Sha256(absl::Span<const uint8_t> bytes) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  EVP_Digest(bytes.data(), bytes.size(), digest, &length, EVP_sha256(), nullptr);
  std::string hex;
  for (unsigned int i = 0; i < length; ++i) {
    constexpr char kHex[] = "0123456789abcdef";
    hex += kHex[digest[i] >> 4];
    hex += kHex[digest[i] & 15];
  }
  return hex;
}

// Lines "HEX  NAME" or "HEX *NAME".
absl::StatusOr<std::map<std::string, std::string>> ReadManifest(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string text, ReadTextFile(path, int64_t{16} << 20));
  std::map<std::string, std::string> sums;
  std::istringstream lines(text);
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    if (line.empty()) continue;
    const bool hex = line.size() > 66 && std::all_of(line.begin(), line.begin() + 64, [](char c) {
                       return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
                     });
    if (!hex || line[64] != ' ' || (line[65] != ' ' && line[65] != '*') ||
        line.find('/', 66) != std::string::npos) {
      return absl::DataLossError(
          StrCat(path, ": line ", number, " is not \"SHA256  NAME\" of a file in this folder"));
    }
    sums[line.substr(66)] = line.substr(0, 64);
  }
  return sums;
}

}  // namespace

absl::StatusOr<VerifyReport> VerifyCheckpoint(const std::string& dir) {
  VerifyReport report;
  ASSIGN_OR_RETURN(report.spec, ReadModelSpec(dir));
  ASSIGN_OR_RETURN(const Checkpoint checkpoint, Checkpoint::Open(dir));
  report.bytes = checkpoint.total_bytes();
  report.mtp = HasMtp(checkpoint, report.spec);
  absl::Status checked;
  ForEachExpectedTensor(report.spec, report.mtp, [&](const ExpectedTensor& expected) {
    checked = CheckTensor(checkpoint, report.spec, expected);
    const TensorView* view = checkpoint.Find(expected.name);
    if (!checked.ok() || view == nullptr) return checked.ok();  // null: optional
    checked = CheckFinite(*view);
    ++report.tensors;
    return checked.ok();
  });
  if (!checked.ok()) {
    return absl::Status(checked.code(), ToAbsl(StrCat(dir, ": ", ToStd(checked.message()))));
  }

  std::map<std::string, std::string> manifest;
  const std::string manifest_path = StrCat(dir, "/", kManifest);
  if (::access(manifest_path.c_str(), F_OK) == 0) {
    ASSIGN_OR_RETURN(manifest, ReadManifest(manifest_path));
    report.manifest = true;
  }
  std::vector<std::string> names = ModelFiles(dir, checkpoint);
  for (const auto& [name, sum] : manifest) names.push_back(name);
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  std::string lines;
  for (const std::string& name : names) {
    ASSIGN_OR_RETURN(const MappedFile file, MappedFile::Open(StrCat(dir, "/", name)));
    const std::string sum = Sha256(file.bytes());
    const auto it = manifest.find(name);
    if (it != manifest.end() && it->second != sum) {
      return absl::DataLossError(StrCat(dir, "/", name, ": SHA-256 is ", sum, ", ", kManifest,
                                        " says ", it->second,
                                        " (damaged or replaced: fetch it again)"));
    }
    report.sha256.emplace_back(name, sum);
    StrAppend(&lines, sum, "  ", name, "\n");
  }
  report.digest =
      "sha256:" + Sha256({reinterpret_cast<const uint8_t*>(lines.data()), lines.size()});
  return report;
}

}  // namespace deepseek::engine
