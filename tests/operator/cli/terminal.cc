#include "tests/operator/cli/terminal.h"

#include <gtest/gtest.h>

#include "operator/api/names.h"
#include "operator/reconcile/observe.h"

namespace deepseek::cli {

using kube::resources::kDeepSeekDeployment;

absl::StatusOr<kube::HttpResponse> Front::Stream(
    const kube::HttpRequest& request, const std::function<bool(std::string_view)>& on_line,
    const std::function<bool()>& stop) {
  for (const auto& [path, text] : streams) {
    const bool refused = path.starts_with('!');
    if (!request.path.starts_with(path.substr(refused ? 1 : 0))) continue;
    streamed.push_back(request);
    if (refused) return kube::HttpResponse{404, {}, text};
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      if (!on_line(line)) break;
    }
    return kube::HttpResponse{200, {}, ""};
  }
  return inner_->Stream(request, on_line, stop);
}

Terminal::Terminal()
    : caches_(client_, reconcile::Sources(), {}, [this] { return now; }),
      reconciler_(client_, caches_,
                  decide::Defaults{.agent_image = "agent:1",
                                   .version = "0.1.0",
                                   .operator_namespace = "deepseek-system"},
                  [this] { return now; }) {}

void Terminal::Apply(const std::string& name, const Json& more) {
  Json spec = {{"model", {{"source", {{"builtin", "demo-v3"}}}}}, {"replicas", 1}};
  spec.merge_patch(more);
  const auto old = server->Find(kDeepSeekDeployment, "models", name);
  Json object = old != nullptr ? *old
                               : Json{{"apiVersion", api::kApiVersion},
                                      {"kind", api::kKind},
                                      {"metadata", {{"name", name}, {"namespace", "models"}}}};
  object["spec"] = spec;
  const auto response = server->SendAsController(
      {.method = old != nullptr ? "PUT" : "POST",
       .path = old != nullptr ? kube::ObjectPath(kDeepSeekDeployment, "models", name)
                              : kube::CollectionPath(kDeepSeekDeployment, "models"),
       .headers = {{"Content-Type", "application/json"}},
       .body = object.dump()});
  ASSERT_LT(response.code, 300) << response.body;
}

void Terminal::Settle(const std::string& name) {
  for (int quiet = 0, round = 0; quiet < 3; ++round) {
    ASSERT_LT(round, 300) << "does not converge";
    now += absl::Seconds(1);
    const auto before = server->Snapshot();
    for (const auto& informer : caches_.informers()) (void)informer->Pump();
    const auto result = reconciler_.Reconcile("models", name);
    ASSERT_TRUE(result.ok() || absl::IsAborted(result.status()) ||
                absl::IsAlreadyExists(result.status()))
        << result.status();
    const bool moved = workloads.Step();
    quiet = moved || server->Snapshot() != before ? 0 : quiet + 1;
  }
}

Json Terminal::Dsd(const std::string& name) const {
  const auto object = server->Find(kDeepSeekDeployment, "models", name);
  return object == nullptr ? Json() : *object;
}

std::string Terminal::Said() {
  const std::string text = out.str();
  out.str("");
  return text;
}

}  // namespace deepseek::cli
