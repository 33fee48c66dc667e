#pragma once
// What every command of kubectl-deepseek has: the cluster, the namespace and where its words go.

#include <functional>
#include <istream>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/json.h"
#include "operator/kube/client.h"
#include "operator/kube/transport.h"

namespace deepseek::cli {

/// Colours for terminals; plain text for files, pipes and NO_COLOR (https://no-color.org).
struct Style {
  bool colour = false;
  std::string Good(std::string_view text) const;
  std::string Bad(std::string_view text) const;
  std::string Dim(std::string_view text) const;
};

struct Session {
  std::shared_ptr<kube::Transport> transport;
  std::string ns;     ///< of the context, or --namespace
  bool json = false;  ///< -o json
  Style style;
  std::ostream& out;
  std::istream& in;
  std::function<absl::Time()> now;
  std::function<bool()> stop;  ///< polled by what follows or waits

  kube::Client client() const { return kube::Client(transport); }
};

/// "5m", "3h", "12d", as kubectl writes ages.
std::string Age(absl::Duration age);

/// `text` cut to one line of at most `width` bytes, never within a UTF-8 character.
std::string Short(std::string_view text, size_t width);

/// What -o json prints; invalid UTF-8 becomes U+FFFD.
std::string PrettyJson(const Json& json);

}  // namespace deepseek::cli
