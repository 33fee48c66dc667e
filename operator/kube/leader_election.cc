#include "operator/kube/leader_election.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/time/clock.h"
#include "base/json_full.h"
#include "base/log.h"
#include "base/status.h"
#include "base/strings.h"
#include "operator/kube/object_cache.h"

namespace deepseek::kube {
namespace {

// Of a request on the Lease: several fit into the renew deadline.
constexpr absl::Duration kCallTimeout = absl::Seconds(4);
constexpr char kFieldManager[] = "deepseek-operator";

std::string MicroTime(absl::Time t) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", t, absl::UTCTimeZone());
}

// Of the Lease's spec; `otherwise` where it says nothing, or nothing that can be.
int64_t NumberOf(const Json& lease, const char* field, int64_t otherwise) {
  const Json::json_pointer at(StrCat("/spec/", field));
  return lease.contains(at) && lease.at(at).is_number_integer() ? lease.at(at).get<int64_t>()
                                                                : otherwise;
}

std::string HolderOf(const Json& lease) {
  const Json::json_pointer holder("/spec/holderIdentity");
  return lease.contains(holder) && lease.at(holder).is_string()
             ? lease.at(holder).get<std::string>()
             : "";
}

}  // namespace

LeaderElection::LeaderElection(const Client& client, LeaderElectionOptions options,
                               LeaderElectionWorld world)
    : client_(client.WithTimeout(kCallTimeout)),
      options_(std::move(options)),
      world_(std::move(world)) {}

Json LeaderElection::NextRecord(const Json& old) const {
  Json next = old;
  const std::string now = MicroTime(world_.wall());
  Json& spec = next["spec"];
  if (!spec.is_object()) spec = Json::object();
  if (HolderOf(old) != options_.identity) {
    spec["acquireTime"] = now;
    // int32 in the API: whoever wrote the most there ends the counting.
    const int64_t transitions = NumberOf(old, "leaseTransitions", 0);
    spec["leaseTransitions"] = std::clamp<int64_t>(transitions, 0, INT32_MAX - 1) + 1;
  }
  spec["holderIdentity"] = options_.identity;
  spec["leaseDurationSeconds"] = absl::ToInt64Seconds(options_.lease);
  spec["renewTime"] = now;
  return next;
}

absl::StatusOr<bool> LeaderElection::TryAcquireOrRenew() {
  // The lease counts from before the request, so that we give up before others may take it.
  const absl::Time began = world_.monotonic();
  // Who holds it needs no look at it: what we wrote last is what is there, unless this conflicts.
  if (mine_ != nullptr) {
    absl::StatusOr<Object> renewed = client_.Update(resources::kLease, options_.ns, options_.name,
                                                    NextRecord(*mine_), kFieldManager);
    if (renewed.ok()) return Holds(*std::move(renewed), began);
    mine_ = nullptr;
    if (!absl::IsAborted(renewed.status()) && !absl::IsNotFound(renewed.status()))
      return renewed.status();
  }
  absl::StatusOr<Object> lease = client_.Get(resources::kLease, options_.ns, options_.name);
  if (absl::IsNotFound(lease.status())) {
    const Json fresh =
        NextRecord({{"apiVersion", resources::kLease.ApiVersion()},
                    {"kind", resources::kLease.kind},
                    {"metadata", {{"name", options_.name}, {"namespace", options_.ns}}}});
    lease = client_.Create(resources::kLease, options_.ns, fresh, kFieldManager);
  } else if (lease.ok()) {
    const Json& record = **lease;
    const std::string holder = HolderOf(record);
    if (holder != options_.identity && !holder.empty()) {
      const std::string version = MetadataText(record, "resourceVersion");
      const std::lock_guard lock(mutex_);
      renewed_ = absl::InfinitePast();
      if (version != seen_version_) {
        seen_version_ = version;
        seen_at_ = began;
      }
      const absl::Duration theirs = absl::Seconds(
          NumberOf(record, "leaseDurationSeconds", absl::ToInt64Seconds(options_.lease)));
      if (began - seen_at_ < theirs) return false;
    }
    lease = client_.Update(resources::kLease, options_.ns, options_.name, NextRecord(record),
                           kFieldManager);
  }
  if (absl::IsAborted(lease.status()) || absl::IsAlreadyExists(lease.status())) return false;
  if (!lease.ok()) return lease.status();
  return Holds(*std::move(lease), began);
}

bool LeaderElection::Holds(Object lease, absl::Time since) {
  mine_ = std::move(lease);
  const std::lock_guard lock(mutex_);
  renewed_ = since;
  return true;
}

absl::Duration LeaderElection::WriteTime() const {
  const absl::Time now = world_.monotonic();
  const std::lock_guard lock(mutex_);
  if (now >= renewed_ + options_.renew_deadline) return absl::ZeroDuration();
  return renewed_ + options_.lease - now;
}

absl::Status LeaderElection::Acquire() {
  while (!world_.stop()) {
    const absl::StatusOr<bool> led = TryAcquireOrRenew();
    if (led.ok() && *led) return absl::OkStatus();
    if (!led.ok()) {
      log::Warn("lease cannot be acquired, trying again",
                {{"lease", StrCat(options_.ns, "/", options_.name)},
                 {"error", std::string(ToStd(led.status().message()))}});
    }
    // Candidates that started together spread out.
    world_.sleep(options_.retry * (1.0 + 0.2 * world_.chance()));
  }
  return absl::CancelledError("stopped while waiting for the lease");
}

absl::Status LeaderElection::Hold() {
  while (!world_.stop()) {
    world_.sleep(options_.retry);
    if (world_.stop()) break;
    const absl::StatusOr<bool> led = TryAcquireOrRenew();
    if (!led.ok()) {
      log::Warn("lease cannot be renewed, trying again",
                {{"lease", StrCat(options_.ns, "/", options_.name)},
                 {"error", std::string(ToStd(led.status().message()))}});
    }
    // A lost race (false without another holder) leaves the old renewal standing until its
    // deadline.
    if (WriteTime() <= absl::ZeroDuration()) {
      return absl::AbortedError(
          StrCat("leadership lost: lease ", options_.ns, "/", options_.name,
                 led.ok() ? " is held by another" : " was not renewed in time"));
    }
  }
  return absl::OkStatus();
}

absl::Status LeaderElection::Release() {
  if (WriteTime() <= absl::ZeroDuration()) return absl::OkStatus();  // not ours any more
  ASSIGN_OR_RETURN(const Object lease, client_.Get(resources::kLease, options_.ns, options_.name));
  if (HolderOf(*lease) != options_.identity) return absl::OkStatus();
  Json next = *lease;
  next["spec"]["holderIdentity"] = "";
  next["spec"]["leaseDurationSeconds"] = 1;
  next["spec"]["renewTime"] = MicroTime(world_.wall());
  mine_ = nullptr;
  {
    const std::lock_guard lock(mutex_);
    renewed_ = absl::InfinitePast();
  }
  return client_.Update(resources::kLease, options_.ns, options_.name, next, kFieldManager)
      .status();
}

FencedTransport::FencedTransport(std::shared_ptr<Transport> inner,
                                 std::function<absl::Duration()> write_time)
    : inner_(std::move(inner)), write_time_(std::move(write_time)) {}

absl::StatusOr<HttpResponse> FencedTransport::Send(const HttpRequest& request) {
  if (request.method == "GET") return inner_->Send(request);
  const absl::Duration left = write_time_();
  if (left <= absl::ZeroDuration()) {
    return absl::FailedPreconditionError("not the leader (any more): nothing is written");
  }
  HttpRequest bounded = request;
  bounded.timeout = std::min(bounded.timeout, left);
  return inner_->Send(bounded);
}

absl::StatusOr<HttpResponse> FencedTransport::Stream(
    const HttpRequest& request, const std::function<bool(std::string_view line)>& on_line,
    const std::function<bool()>& stop) {
  return inner_->Stream(request, on_line, stop);
}

}  // namespace deepseek::kube
