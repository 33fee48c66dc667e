#include "base/caught.h"

#include <cxxabi.h>

#include <cstdlib>
#include <exception>
#include <memory>
#include <string>
#include <typeinfo>

#include "base/log.h"

namespace deepseek {
namespace {

std::string TypeName(const std::exception& e) {
  const char* mangled = typeid(e).name();
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> name(
      abi::__cxa_demangle(mangled, nullptr, nullptr, &status), std::free);
  return name ? name.get() : mangled;
}

}  // namespace

absl::Status Caught(std::string_view request_id, const std::function<absl::Status()>& body) {
  try {
    return body();
  } catch (const std::exception& e) {
    const std::string type = TypeName(e);
    log::Error("a request failed with an exception",
               {{"request_id", request_id}, {"exception", type}});
    return absl::InternalError("exception: " + type);
  }
}

}  // namespace deepseek
