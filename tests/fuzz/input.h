#pragma once
// What the fuzz targets share: an input cut into pieces, a folder for parsers that read files, and
// the check that ends the program.

#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace deepseek::fuzz {

/// An invariant of the parser under test. A failure is a finding, as a crash is.
inline void Require(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "invariant broken: %s\n", what);
  std::abort();
}

/// Stands between the files of an input that is several of them.
inline constexpr std::string_view kCut = "\n%%%%\n";

inline std::vector<std::string_view> Pieces(const uint8_t* data, size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  std::vector<std::string_view> pieces;
  for (size_t at = rest.find(kCut); at != std::string_view::npos; at = rest.find(kCut)) {
    pieces.push_back(rest.substr(0, at));
    rest.remove_prefix(at + kCut.size());
  }
  pieces.push_back(rest);
  return pieces;
}

inline std::string ReadWhole(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  Require(in.good(), path.c_str());
  return std::string(std::istreambuf_iterator<char>(in), {});
}

/// A folder of this process, in memory where the machine has such a place; removed at exit.
class Folder {
 public:
  Folder() {
    const bool shm = ::access("/dev/shm", W_OK) == 0;
    path_ = (shm ? std::filesystem::path("/dev/shm") : std::filesystem::temp_directory_path()) /
            ("deepseek-fuzz-" + std::to_string(::getpid()));
    std::filesystem::create_directories(path_);
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  std::string path() const { return path_.string(); }
  void Put(const std::string& name, std::string_view content) const {
    std::ofstream out(path_ / name, std::ios::binary | std::ios::trunc);
    out.write(content.data(), static_cast<std::streamsize>(content.size()));
  }
  void Remove(const std::string& name) const { std::filesystem::remove(path_ / name); }

 private:
  std::filesystem::path path_;
};

}  // namespace deepseek::fuzz
