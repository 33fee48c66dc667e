// tokenizer_speed FILE ROUNDS TEXTS: encodes the documents of TEXTS (a JSON list of strings) ROUNDS
// times on one thread and prints {"seconds": [..], "tokens": n}, seconds of processor time.
// bench/tokenizer runs it beside the Python library.

#include <time.h>

#include <cstdlib>
#include <iostream>

#include "engine/tokenizer/tokenizer.h"
#include "tests/engine/tokenizer/files.h"

namespace deepseek::engine {
namespace {

double ProcessorSeconds() {
  timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

int Main(int argc, char** argv) {
  const std::unique_ptr<Tokenizer> t = argc == 4 ? testing::LoadTokenizer(argv[1]) : nullptr;
  if (t == nullptr) {
    std::cerr << "usage: tokenizer_speed FILE ROUNDS TEXTS\n";
    return 1;
  }
  const std::vector<std::string> texts = testing::ReadJson(argv[3]);
  Json result = {{"seconds", Json::array()}, {"tokens", 0}};
  for (int round = 0; round < std::atoi(argv[2]); ++round) {
    size_t tokens = 0;
    const double start = ProcessorSeconds();
    for (const std::string& text : texts) tokens += t->Encode(text).size();
    result["seconds"].push_back(ProcessorSeconds() - start);
    result["tokens"] = tokens;
  }
  std::cout << result.dump() << '\n';
  return 0;
}

}  // namespace
}  // namespace deepseek::engine

int main(int argc, char** argv) {
  return deepseek::engine::Main(argc, argv);
}
