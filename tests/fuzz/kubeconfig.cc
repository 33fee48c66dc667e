// Any bytes as a kubeconfig.

#include "operator/kube/config.h"
#include "tests/fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace deepseek;
  static const fuzz::Folder folder;
  folder.Put("config", {reinterpret_cast<const char*>(data), size});
  const auto config = kube::LoadKubeconfig(folder.path() + "/config");
  if (config.ok()) fuzz::Require(config->server.starts_with("https://"), "only https is taken");
  return 0;
}
