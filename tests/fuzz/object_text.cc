// Any bytes as what an API server sends: an object, or a line of a watch. Both readers of one text
// say the same of it, the fast one and the one that the rest of the product uses.

#include "operator/kube/object_text.h"

#include "base/json_full.h"
#include "operator/kube/event_head.h"
#include "tests/fuzz/input.h"

namespace {

using namespace deepseek;

// `at` of the tree, or "" where there is no text.
std::string TextAt(const Json& tree, const char* at) {
  const Json::json_pointer pointer(at);
  if (!tree.contains(pointer) || !tree.at(pointer).is_string()) return "";
  return tree.at(pointer).get<std::string>();
}

void CheckHead(const Json& event) {
  const std::string type = TextAt(event, "/type"), name = TextAt(event, "/object/metadata/name"),
                    uid = TextAt(event, "/object/metadata/uid"),
                    version = TextAt(event, "/object/metadata/resourceVersion");
  const bool tells = !type.empty() && !name.empty() && !uid.empty() && !version.empty();
  const auto head = kube::PeekEvent(DumpJson(event));
  fuzz::Require(head.has_value() == tells, "a head is what the tree tells");
  if (!head) return;
  fuzz::Require(head->type == type && head->name == name && head->uid == uid &&
                    head->resource_version == version &&
                    head->ns == TextAt(event, "/object/metadata/namespace"),
                "the head's members are the tree's");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto want = ParseJson(text, "t", {.max_bytes = size_t{512} << 20, .max_depth = 256});
  const auto got = kube::ReadObject(text, "t", kube::ManagedFields::kKeep);
  fuzz::Require(got.status() == want.status(), "both take it, or both refuse it in the same words");
  (void)kube::PeekEvent(text);
  if (!got.ok()) return 0;
  fuzz::Require(DumpJson(*got) == DumpJson(*want), "both read the same");
  const auto skipped = kube::ReadObject(text, "t", kube::ManagedFields::kSkip);
  fuzz::Require(skipped.ok(), "what is skipped is no reason to refuse");
  fuzz::Require(!skipped->contains("/metadata/managedFields"_json_pointer),
                "managedFields are skipped");
  if (got->is_object()) CheckHead(*got);
  return 0;
}
