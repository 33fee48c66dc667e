#include "operator/cli/logs.h"

#include <mutex>
#include <thread>
#include <vector>

#include "base/json_full.h"
#include "base/status.h"
#include "base/strings.h"
#include "operator/api/names.h"
#include "operator/cli/observe.h"
#include "operator/decide/json_read.h"
#include "operator/kube/api_error.h"

namespace deepseek::cli {
namespace {

constexpr absl::Duration kFollow = absl::Hours(24);

absl::Status LogsOfPod(Session& session, const LogsOptions& options, const std::string& pod,
                       const std::string& prefix, std::mutex* mutex) {
  kube::HttpRequest request{.method = "GET",
                            .path = kube::ObjectPath(kube::resources::kPod, session.ns, pod, "log"),
                            .headers = {},
                            .body = "",
                            .timeout = options.follow ? kFollow : absl::Minutes(1)};
  kube::AddQuery(&request.path, "container", api::kAgentContainer);
  kube::AddQuery(&request.path, "tailLines", StrCat(options.tail));
  if (options.follow) kube::AddQuery(&request.path, "follow", "true");
  if (options.previous) kube::AddQuery(&request.path, "previous", "true");
  ASSIGN_OR_RETURN(const kube::HttpResponse response, session.transport->Stream(
                                                          request,
                                                          [&](std::string_view line) {
                                                            const std::lock_guard lock(*mutex);
                                                            session.out << prefix << line << "\n";
                                                            if (options.follow) session.out.flush();
                                                            return !session.stop();
                                                          },
                                                          session.stop));
  return kube::ErrorOf(response, StrCat("logs of pod ", session.ns, "/", pod));
}

}  // namespace

absl::Status Logs(Session& session, const LogsOptions& options) {
  ASSIGN_OR_RETURN(const decide::Cluster cluster,
                   Observe(session.client(), session.ns, options.name));
  std::vector<std::string> pods;
  for (const decide::Pod& pod : decide::Read(cluster).pods) {
    const std::string revision = StrCat(options.name, "-", pod.hash8);
    if (options.revision.empty() || options.revision == revision) pods.push_back(pod.name);
  }
  if (pods.empty()) {
    return absl::NotFoundError(StrCat("logs: ", session.ns, "/", options.name, " has no pod",
                                      options.revision.empty() ? "" : " of that revision",
                                      " (kubectl deepseek get ", options.name, ")"));
  }
  std::mutex mutex;
  std::vector<absl::Status> ends(pods.size());
  std::vector<std::thread> followers;
  for (size_t i = 0; i < pods.size(); ++i) {
    const auto read = [&, i] {
      const std::string prefix = pods.size() > 1 ? StrCat(session.style.Dim(pods[i]), "  ") : "";
      ends[i] = LogsOfPod(session, options, pods[i], prefix, &mutex);
    };
    if (options.follow) {
      followers.emplace_back(read);
    } else {
      read();
    }
  }
  for (std::thread& follower : followers) follower.join();
  for (const absl::Status& end : ends) {
    if (!end.ok() && !session.stop()) return end;
  }
  return absl::OkStatus();
}

}  // namespace deepseek::cli
