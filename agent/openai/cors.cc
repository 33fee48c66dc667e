#include "agent/openai/cors.h"

#include <algorithm>

#include "base/strings.h"

namespace deepseek::agent {
namespace {

constexpr std::string_view kLower = "abcdefghijklmnopqrstuvwxyz";
constexpr std::string_view kNameBytes =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_, ";

void AddAllowed(std::string_view origin, http::Headers* headers) {
  headers->push_back({"Access-Control-Allow-Origin", std::string(origin)});
  headers->push_back({"Access-Control-Expose-Headers", "x-request-id, retry-after"});
  headers->push_back({"Vary", "Origin"});
}

class AllowingWriter : public http::ResponseWriter {
 public:
  AllowingWriter(std::string origin, std::shared_ptr<http::ResponseWriter> inner)
      : origin_(std::move(origin)), inner_(std::move(inner)) {}
  void Send(http::Response response) override {
    AddAllowed(origin_, &response.headers);
    inner_->Send(std::move(response));
  }
  void Start(http::Response head) override {
    AddAllowed(origin_, &head.headers);
    inner_->Start(std::move(head));
  }
  bool Write(std::string_view piece) override { return inner_->Write(piece); }
  void Finish() override { inner_->Finish(); }
  void OnGone(std::function<void()> callback) override { inner_->OnGone(std::move(callback)); }

 private:
  const std::string origin_;
  const std::shared_ptr<http::ResponseWriter> inner_;
};

}  // namespace

std::string_view Cors::OriginOf(const http::Request& request) const {
  const std::string_view origin = request.Get("Origin");
  const auto found = std::find(origins_.begin(), origins_.end(), origin);
  return found == origins_.end() ? std::string_view() : *found;
}

std::optional<http::Response> Cors::Preflight(const http::Request& request) const {
  if (request.method != "OPTIONS" || request.Get("Access-Control-Request-Method").empty())
    return std::nullopt;
  const std::string_view origin = OriginOf(request);
  if (origin.empty()) return std::nullopt;
  http::Response response;
  response.status = 204;
  response.content_type.clear();
  AddAllowed(origin, &response.headers);
  response.headers.push_back({"Access-Control-Allow-Methods", "GET, POST"});
  // SDKs add headers of their own (x-stainless-*): an allowed origin may send any.
  const std::string_view asked = request.Get("Access-Control-Request-Headers");
  if (!asked.empty() && asked.find_first_not_of(kNameBytes) == std::string_view::npos)
    response.headers.push_back({"Access-Control-Allow-Headers", std::string(asked)});
  response.headers.push_back({"Access-Control-Max-Age", "600"});
  return response;
}

void Cors::Allow(const http::Request& request, http::Response* response) const {
  if (const std::string_view origin = OriginOf(request); !origin.empty())
    AddAllowed(origin, &response->headers);
}

std::shared_ptr<http::ResponseWriter> Cors::Allow(
    const http::Request& request, std::shared_ptr<http::ResponseWriter> writer) const {
  const std::string_view origin = OriginOf(request);
  if (origin.empty()) return writer;
  return std::make_shared<AllowingWriter>(std::string(origin), std::move(writer));
}

absl::Status CheckOrigin(std::string_view origin) {
  std::string_view rest = origin;
  if (rest.starts_with("https://")) {
    rest.remove_prefix(8);
  } else if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
  } else {
    rest = {};
  }
  if (!rest.empty() && rest.find_first_not_of(StrCat(kLower, "0123456789-.:[]")) == rest.npos)
    return absl::OkStatus();
  return absl::InvalidArgumentError(StrCat(
      "--cors-origin: '", origin,
      "' is no origin (https://HOST or http://HOST:PORT, in lower case, no path, no wildcard)"));
}

}  // namespace deepseek::agent
