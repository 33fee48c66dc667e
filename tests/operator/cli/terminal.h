#pragma once
// A person at a terminal, and a cluster with an operator in it.

#include <map>
#include <memory>
#include <sstream>
#include <string>

#include "base/json_full.h"
#include "operator/cli/session.h"
#include "operator/kube/caches.h"
#include "operator/reconcile/reconciler.h"
#include "tests/support/fake_api_server.h"
#include "tests/support/fake_workloads.h"

namespace deepseek::cli {

/// Answers paths that the fake API server does not know; passes everything else on.
class Front : public kube::Transport {
 public:
  explicit Front(std::shared_ptr<kube::Transport> inner) : inner_(std::move(inner)) {}
  absl::StatusOr<kube::HttpResponse> Send(const kube::HttpRequest& request) override {
    return inner_->Send(request);
  }
  absl::StatusOr<kube::HttpResponse> Stream(const kube::HttpRequest& request,
                                            const std::function<bool(std::string_view)>& on_line,
                                            const std::function<bool()>& stop) override;

  /// Lines by the beginning of a path; a key that begins with "!" is answered 404.
  std::map<std::string, std::string> streams;
  std::vector<kube::HttpRequest> streamed;

 private:
  std::shared_ptr<kube::Transport> inner_;
};

class Terminal {
 public:
  Terminal();

  /// As kubectl apply: creates or replaces the spec (builtin model, one replica, `more` merged).
  void Apply(const std::string& name, const Json& more = Json::object());
  /// The operator and the controllers, until nothing changes.
  void Settle(const std::string& name);
  Json Dsd(const std::string& name) const;
  /// What was written since the last call.
  std::string Said();
  /// What was written since the last call, as JSON.
  Json SaidJson() { return Json::parse(Said()); }

  std::shared_ptr<kube::FakeApiServer> server = std::make_shared<kube::FakeApiServer>();
  std::shared_ptr<Front> front = std::make_shared<Front>(server);
  kube::FakeWorkloads workloads{server.get()};
  absl::Time now = absl::FromUnixSeconds(1'700'000'000);
  std::stringstream out, in;
  bool stopped = false;
  Session session{.transport = front,
                  .ns = "models",
                  .style = {},
                  .out = out,
                  .in = in,
                  .now = [this] { return now; },
                  .stop = [this] { return stopped; }};

 private:
  kube::Client client_{server};
  kube::Caches caches_;
  reconcile::Reconciler reconciler_;
};

}  // namespace deepseek::cli
