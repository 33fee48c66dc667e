// Any bytes as a DeepSeekDeployment in JSON, and as a quantity and a duration of one.

#include "base/json_full.h"
#include "operator/api/deepseek_deployment.h"
#include "operator/api/units.h"
#include "tests/fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace deepseek;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto duration = api::ParseDuration(text);
  if (duration.ok()) {
    const auto again = api::ParseDuration(api::DurationText(*duration));
    fuzz::Require(again.ok() && *again == *duration, "a duration survives its text");
  }
  const auto quantity = api::CanonicalQuantity(text);
  if (quantity.ok()) {
    const auto again = api::CanonicalQuantity(*quantity);
    fuzz::Require(again.ok() && *again == *quantity, "a canonical quantity is canonical");
  }
  const auto bytes = api::ParseBytes(text);
  if (bytes.ok()) fuzz::Require(*bytes >= 0, "bytes are not negative");

  const auto json = ParseJson(text, "deployment");
  if (!json.ok()) return 0;
  const auto deployment = api::Parse(*json);
  if (!deployment.ok()) return 0;
  const auto canonical = ParseJson(deployment->canonical_intent, "intent");
  fuzz::Require(canonical.ok(), "a canonical intent is JSON");
  fuzz::Require(api::ParseIntent(*canonical).ok(), "a canonical intent can be read back");
  return 0;
}
