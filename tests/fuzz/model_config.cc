// Any bytes as a config.json.

#include "engine/arch/model_spec.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  (void)deepseek::engine::ParseModelConfig({reinterpret_cast<const char*>(data), size});
  return 0;
}
