#pragma once
// API keys: who a bearer token belongs to. Only hashes are kept; a key itself is never stored or
// logged.

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace deepseek::auth {

enum class Role : uint8_t { kInfer, kMetrics, kAdmin };

/// Whom a request comes from.
struct Principal {
  std::string name;    ///< empty: nobody was asked for a key
  uint8_t roles = 0;   ///< bit i: Role i
  std::string tenant;  ///< empty: the caller may name any

  bool Has(Role role) const { return (roles >> static_cast<int>(role) & 1) != 0; }
};

/// The lines of a key file, immutable:
///   HASH NAME [roles=infer,metrics,admin] [tenant=TENANT]
/// HASH is the SHA-256 of the key in hex; without roles= it is infer. '#' begins a comment line.
/// SHA-256 without salt suffices because keys are random, not passwords.
class ApiKeys {
 public:
  static constexpr size_t kMaxKeys = 4096;

  /// kInvalidArgument names file and line, and never quotes what stands where the hash should. A
  /// file without a key is one of these: it is more likely half-written than meant.
  static absl::StatusOr<ApiKeys> Parse(std::string_view text, std::string_view file_name);

  /// Null: no such key. The time it takes says nothing about which one matched, or how nearly.
  const Principal* Find(std::string_view key) const;
  size_t size() const { return keys_.size(); }

 private:
  using Hash = std::array<unsigned char, 32>;
  std::vector<std::pair<Hash, Principal>> keys_;
};

/// A key file that may be replaced at any time. keys() and Check are thread-safe; one thread
/// refreshes.
class ApiKeyFile {
 public:
  /// kInvalidArgument, kNotFound: as ApiKeys::Parse, or it cannot be read.
  static absl::StatusOr<std::shared_ptr<ApiKeyFile>> Open(std::string path);
  /// Reads again; true if it changed. After an error the last good keys stay.
  absl::StatusOr<bool> Refresh();

  /// `authorization`: the header's value, "Bearer KEY". kUnauthenticated: no key or a wrong one;
  /// kPermissionDenied: the key has not that role.
  absl::StatusOr<Principal> Check(std::string_view authorization, Role needed) const;
  size_t size() const { return keys()->size(); }

 private:
  std::shared_ptr<const ApiKeys> keys() const;

  std::string path_, text_;
  mutable std::mutex mutex_;
  std::shared_ptr<const ApiKeys> keys_;
};

/// The key of "Bearer KEY" (the word in any case); empty: something else.
std::string_view BearerToken(std::string_view authorization);

/// SHA-256 in lower-case hex, as it stands in the file.
std::string HashOfKey(std::string_view key);

}  // namespace deepseek::auth
