#pragma once
// A folder of a test's own, gone with the object.

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

namespace deepseek {

class TempDir {
 public:
  /// Below the system's folder for such things, named after `test`. Aborts when it cannot be made.
  explicit TempDir(const std::string& test) {
    // mkdtemp replaces the six letters.
    std::string name = (std::filesystem::temp_directory_path() / (test + "_XXXXXX")).string();
    if (::mkdtemp(name.data()) == nullptr) {
      std::perror(name.c_str());
      std::abort();
    }
    path_ = name;
  }
  ~TempDir() {
    std::error_code ignored;  // a test may have removed it
    std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

}  // namespace deepseek
