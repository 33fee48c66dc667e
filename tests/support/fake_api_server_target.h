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
  int epoch = 0;    ///< how often watches were cut before it was asked
};

}  // namespace deepseek::kube
