#include "operator/telemetry/counting_transport.h"

#include <utility>

namespace deepseek::telemetry {

CountingTransport::CountingTransport(std::shared_ptr<kube::Transport> inner, Telemetry& telemetry,
                                     std::string host, std::function<absl::Time()> monotonic)
    : inner_(std::move(inner)),
      telemetry_(telemetry),
      host_(std::move(host)),
      monotonic_(std::move(monotonic)) {}

absl::StatusOr<kube::HttpResponse> CountingTransport::Send(const kube::HttpRequest& request) {
  const absl::Time begin = monotonic_();
  absl::StatusOr<kube::HttpResponse> answer = inner_->Send(request);
  telemetry_.OnRequest(request.method, host_, answer.ok() ? answer->code : 0, monotonic_() - begin);
  return answer;
}

absl::StatusOr<kube::HttpResponse> CountingTransport::Stream(
    const kube::HttpRequest& request, const std::function<bool(std::string_view line)>& on_line,
    const std::function<bool()>& stop) {
  absl::StatusOr<kube::HttpResponse> answer = inner_->Stream(request, on_line, stop);
  telemetry_.OnRequest("WATCH", host_, answer.ok() ? answer->code : 0, absl::ZeroDuration());
  return answer;
}

}  // namespace deepseek::telemetry
