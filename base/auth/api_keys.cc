#include "base/auth/api_keys.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <algorithm>
#include <optional>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "base/files.h"
#include "base/status.h"
#include "base/strings.h"

namespace deepseek::auth {
namespace {

std::array<unsigned char, 32> Sha256(std::string_view text) {
  std::array<unsigned char, 32> hash;
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), hash.data());
  return hash;
}

std::optional<Role> RoleOf(std::string_view name) {
  if (name == "infer") return Role::kInfer;
  if (name == "metrics") return Role::kMetrics;
  if (name == "admin") return Role::kAdmin;
  return std::nullopt;
}

bool IsHash(std::string_view word) {
  return word.size() == 64 &&
         word.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos;
}

/// Names end up in logs and tenants in cache keys: plain words only.
bool IsWord(std::string_view word) {
  constexpr std::string_view kAllowed =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.@/";
  return !word.empty() && word.size() <= 128 &&
         word.find_first_not_of(kAllowed) == std::string_view::npos;
}

/// What is wrong with the words behind the hash; empty: nothing.
std::string ParsePrincipal(const std::vector<std::string>& words, Principal* out) {
  if (words.size() < 2 || !IsWord(words[1])) return "expected a name behind the hash";
  out->name = words[1];
  for (size_t i = 2; i < words.size(); ++i) {
    const std::string_view word = words[i];
    if (word.starts_with("tenant=")) {
      out->tenant = std::string(word.substr(7));
      if (!IsWord(out->tenant)) return "tenant= needs a plain word";
    } else if (word.starts_with("roles=")) {
      for (const std::string& name :
           std::vector<std::string>(absl::StrSplit(ToAbsl(word.substr(6)), ','))) {
        const std::optional<Role> role = RoleOf(name);
        if (!role) return "roles are infer, metrics, admin, with commas between";
        out->roles |= static_cast<uint8_t>(1 << static_cast<int>(*role));
      }
    } else {
      return "expected roles= or tenant= behind the name";
    }
  }
  if (out->roles == 0) out->roles = 1 << static_cast<int>(Role::kInfer);
  return {};
}

}  // namespace

absl::StatusOr<ApiKeys> ApiKeys::Parse(std::string_view text, std::string_view file_name) {
  ApiKeys out;
  int number = 0;
  const auto bad = [&](std::string_view why) {
    return absl::InvalidArgumentError(StrCat("API keys: ", file_name, ":", number, ": ", why));
  };
  for (const absl::string_view line : absl::StrSplit(ToAbsl(text), '\n')) {
    ++number;
    const std::vector<std::string> words =
        absl::StrSplit(line, absl::ByAnyChar(" \t\r"), absl::SkipEmpty());
    if (words.empty() || words.front().front() == '#') continue;
    if (!IsHash(words.front())) {
      return bad("expected the SHA-256 of a key, 64 hex digits (printf %s \"$KEY\" | sha256sum)");
    }
    auto& [hash, principal] = out.keys_.emplace_back();
    const std::string bytes = absl::HexStringToBytes(words.front());
    std::copy(bytes.begin(), bytes.end(), hash.begin());
    if (const std::string why = ParsePrincipal(words, &principal); !why.empty()) return bad(why);
    if (out.keys_.size() > kMaxKeys) return bad(StrCat("more than ", kMaxKeys, " keys"));
    const auto twin = std::find_if(out.keys_.begin(), out.keys_.end(),
                                   [&](const auto& other) { return other.first == hash; });
    if (&*twin != &out.keys_.back()) return bad("the same key as in an earlier line");
  }
  if (out.keys_.empty()) return bad("no key in the file");
  return out;
}

const Principal* ApiKeys::Find(std::string_view key) const {
  const Hash given = Sha256(key);
  const Principal* found = nullptr;
  for (const auto& [hash, principal] : keys_) {
    if (CRYPTO_memcmp(hash.data(), given.data(), hash.size()) == 0) found = &principal;
  }
  return found;
}

absl::StatusOr<std::shared_ptr<ApiKeyFile>> ApiKeyFile::Open(std::string path) {
  auto file = std::make_shared<ApiKeyFile>();
  file->path_ = std::move(path);
  RETURN_IF_ERROR(file->Refresh().status());
  return file;
}

absl::StatusOr<bool> ApiKeyFile::Refresh() {
  ASSIGN_OR_RETURN(std::string text, ReadTextFile(path_));
  if (text == text_) return false;
  ASSIGN_OR_RETURN(ApiKeys keys, ApiKeys::Parse(text, path_));
  text_ = std::move(text);
  auto shared = std::make_shared<const ApiKeys>(std::move(keys));
  const std::lock_guard lock(mutex_);
  keys_ = std::move(shared);
  return true;
}

std::shared_ptr<const ApiKeys> ApiKeyFile::keys() const {
  const std::lock_guard lock(mutex_);
  return keys_;
}

absl::StatusOr<Principal> ApiKeyFile::Check(std::string_view authorization, Role needed) const {
  const std::string_view key = BearerToken(authorization);
  if (key.empty()) {
    return absl::UnauthenticatedError("no API key was given (Authorization: Bearer KEY)");
  }
  const std::shared_ptr<const ApiKeys> keys = this->keys();
  const Principal* principal = keys->Find(key);
  if (principal == nullptr) return absl::UnauthenticatedError("the API key is not known");
  if (!principal->Has(needed)) {
    return absl::PermissionDeniedError("the API key has not the role that this needs");
  }
  return *principal;
}

std::string_view BearerToken(std::string_view authorization) {
  constexpr std::string_view kScheme = "Bearer ";
  if (!absl::StartsWithIgnoreCase(ToAbsl(authorization), ToAbsl(kScheme))) return {};
  std::string_view key = authorization.substr(kScheme.size());
  while (key.starts_with(' ')) key.remove_prefix(1);
  return key;
}

std::string HashOfKey(std::string_view key) {
  const auto hash = Sha256(key);
  return absl::BytesToHexString({reinterpret_cast<const char*>(hash.data()), hash.size()});
}

}  // namespace deepseek::auth
