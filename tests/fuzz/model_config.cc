// Any bytes as a config.json: what is accepted has sizes whose products stay inside int64.

#include "base/status.h"
#include "engine/arch/model_spec.h"
#include "tests/fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace deepseek;
  const auto spec = engine::ParseModelConfig({reinterpret_cast<const char*>(data), size});
  if (!spec.ok()) {
    fuzz::Require(ExitCode(spec.status()) == 2, "an invalid config is exit code 2");
    return 0;
  }
  fuzz::Require(spec->Parameters() > 0, "parameters are counted without overflow");
  fuzz::Require(spec->ActiveParameters() > 0, "active parameters are counted without overflow");
  fuzz::Require(spec->KvBytesPerToken(4) > 0, "the cache has a size");
  return 0;
}
