#pragma once
// Private to fake_api_server*.cc.

#include "tests/support/fake_api_server.h"
#include "tests/support/fake_request.h"

namespace deepseek::kube {

struct FakeApiServer::Target {
  FakeRequestPath path;
  std::string verb;
  std::string collection;
  std::string key;  ///< "namespace/name"
};

}  // namespace deepseek::kube
