// Runs a fuzz target without libFuzzer: every seed of the folders given, then the same seeds
// damaged in a few hundred ways. Deterministic: the same build sees the same inputs. A crash or an
// abort fails the test; the seed's name and the number of the damage are printed before each run
// when DEEPSEEK_FUZZ_VERBOSE is set.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

constexpr int kDamages = 300;

// One to four changes: a byte, a cut, a repeat, a piece of another seed, a number at its limits.
std::string Damage(std::string text, const std::vector<std::string>& seeds, std::mt19937& random) {
  const auto below = [&](size_t n) { return n == 0 ? 0 : static_cast<size_t>(random() % n); };
  static constexpr const char* kNasty[] = {
      "-1", "0", "18446744073709551616", "1e999", "\"", "{", "]", "\xFF", "\\u0000"};
  for (size_t changes = 1 + below(4); changes > 0; --changes) {
    const size_t at = below(text.size() + 1),
                 length = below(std::min<size_t>(text.size() - at, 64) + 1);
    switch (below(6)) {
      case 0:
        if (at < text.size()) text[at] = static_cast<char>(random());
        break;
      case 1:
        text.erase(at, length);
        break;
      case 2:
        text.insert(at, text.substr(at, length));
        break;
      case 3: {
        const std::string& other = seeds[below(seeds.size())];
        text.insert(at, other, below(other.size() + 1), 1 + below(64));
        break;
      }
      case 4:
        text.insert(at, kNasty[below(std::size(kNasty))]);
        break;
      default:
        text.resize(at);
        break;
    }
  }
  return text;
}

void Run(const std::string& text) {
  // A copy of exactly this size, so that reading past the end is seen by AddressSanitizer.
  const std::vector<uint8_t> bytes(text.begin(), text.end());
  LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> names, seeds;
  for (int i = 1; i < argc; ++i) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(argv[i])) {
      if (entry.is_regular_file() && entry.path().filename() != "README.md") {
        names.push_back(entry.path().string());
      }
    }
  }
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) {
    std::ifstream in(name, std::ios::binary);
    seeds.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  if (seeds.empty()) {
    std::fprintf(stderr, "error: replay: no seeds in the folders given (pass corpus folders)\n");
    return 1;
  }
  const bool verbose = std::getenv("DEEPSEEK_FUZZ_VERBOSE") != nullptr;
  std::mt19937 random(20260101);
  for (size_t i = 0; i < seeds.size(); ++i) {
    for (int damage = 0; damage <= kDamages; ++damage) {
      if (verbose) std::fprintf(stderr, "%s %d\n", names[i].c_str(), damage);
      Run(damage == 0 ? seeds[i] : Damage(seeds[i], seeds, random));
    }
  }
  Run("");
  std::printf("replayed %zu seeds, each whole and with %d damages\n", seeds.size(), kDamages);
  return 0;
}
