#include "operator/kube/caches.h"

#include <algorithm>
#include <utility>

#include "base/json_full.h"

namespace deepseek::kube {

Caches::Caches(const Client& client, std::vector<Source> sources,
               std::vector<std::string> namespaces, std::function<absl::Time()> monotonic,
               absl::Duration relist) {
  if (namespaces.empty()) namespaces.emplace_back();
  for (const Source& source : sources) {
    for (const std::string& ns : namespaces) {
      InformerOptions options;
      options.resource = source.resource;
      options.list.ns = ns;
      options.list.label_selector = source.label_selector;
      options.relist = relist;
      options.monotonic = monotonic;
      options.cache = {.index = source.key_of, .trim = source.trim};
      options.on_change = [this, key_of = source.key_of](const Json& object) {
        if (!on_change_) return;
        if (const std::string key = key_of(object); !key.empty()) on_change_(key);
      };
      options.optional = source.optional;
      options.on_served = [this, key_of = sources.front().key_of] {
        if (!on_change_) return;
        for (const auto& informer : informers_) {
          if (informer->resource().plural != informers_.front()->resource().plural) continue;
          for (const Object& object : informer->cache().All()) on_change_(key_of(*object));
        }
      };
      informers_.push_back(std::make_unique<Informer>(client, std::move(options)));
    }
  }
}

Informer* Caches::Find(const Resource& r, std::string_view ns) const {
  for (const auto& informer : informers_) {
    if (informer->resource().plural == r.plural && informer->resource().group == r.group &&
        (informer->ns().empty() || informer->ns() == ns)) {
      return informer.get();
    }
  }
  return nullptr;
}

Object Caches::Get(const Resource& r, std::string_view ns, std::string_view name) const {
  const Informer* informer = Find(r, ns);
  return informer == nullptr ? nullptr : informer->Get(ns, name);
}

std::vector<Object> Caches::Of(const Resource& r, std::string_view ns, std::string_view key) const {
  const Informer* informer = Find(r, ns);
  return informer == nullptr ? std::vector<Object>{} : informer->cache().ByIndex(key);
}

bool Caches::Known(std::string_view ns, std::string_view name) const {
  const Informer* informer = Find(informers_.front()->resource(), ns);
  return informer != nullptr && informer->cache().Contains(KeyOf(ns, name));
}

bool Caches::Serves(const Resource& r, std::string_view ns) const {
  const Informer* informer = Find(r, ns);
  return informer != nullptr && informer->served();
}

bool Caches::Synced() const {
  return std::all_of(informers_.begin(), informers_.end(),
                     [](const auto& informer) { return informer->synced(); });
}

size_t Caches::size() const {
  size_t out = 0;
  for (const auto& informer : informers_) out += informer->cache().size();
  return out;
}

size_t Caches::bytes() const {
  size_t out = 0;
  for (const auto& informer : informers_) out += informer->cache().bytes();
  return out;
}

void Caches::Saw(const Resource& r, const Json& object) {
  if (Informer* informer = Find(r, MetadataText(object, "namespace"))) informer->Saw(object);
}

void Caches::SawGone(const Resource& r, std::string_view ns, std::string_view name,
                     std::string_view uid) {
  if (Informer* informer = Find(r, ns)) informer->SawGone(ns, name, uid);
}

void Caches::SawAll(const Resource& r, std::string_view ns, std::string_view key,
                    const List& list) {
  if (Informer* informer = Find(r, ns)) informer->SawAll(key, list);
}

}  // namespace deepseek::kube
