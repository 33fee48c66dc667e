// Any bytes as a safetensors file: every tensor that is accepted lies inside the file.

#include <cstdlib>

#include "engine/weights/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto tensors = deepseek::engine::ParseSafetensors(absl::MakeConstSpan(data, size), "fuzz");
  if (!tensors.ok()) return 0;
  for (const auto& [name, view] : *tensors) {
    if (view.data.empty()) continue;
    if (view.data.data() < data || view.data.data() + view.data.size() > data + size) std::abort();
  }
  return 0;
}
