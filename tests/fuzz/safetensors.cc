// Any bytes as a safetensors file: every tensor that is accepted lies inside the file, has as many
// bytes as its shape says, and its values can be read.

#include "engine/weights/safetensors.h"
#include "base/strings.h"
#include "engine/weights/tensor_values.h"
#include "tests/fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace deepseek;
  std::map<std::string, std::string> metadata;
  const auto tensors = engine::ParseSafetensors(absl::MakeConstSpan(data, size), "fuzz", &metadata);
  if (!tensors.ok()) {
    fuzz::Require(absl::IsDataLoss(tensors.status()), "a bad file is kDataLoss");
    return 0;
  }
  size_t covered = 0;
  for (const auto& [name, view] : *tensors) {
    fuzz::Require(name == view.name, "a view has its own name");
    covered += view.data.size();
    if (!view.data.empty()) {
      fuzz::Require(view.data.data() >= data && view.data.data() + view.data.size() <= data + size,
                    "a tensor lies inside the file");
    }
    const auto dtype = engine::DTypeOf(view);
    (void)engine::CheckFinite(view);
    if (!dtype.ok()) continue;
    const auto values = engine::ToFloat(view);
    if (values.ok())
      fuzz::Require(values->size() == static_cast<size_t>(view.elements()), "all are converted");
  }
  fuzz::Require(covered <= size, "tensors do not overlap");
  return 0;
}
