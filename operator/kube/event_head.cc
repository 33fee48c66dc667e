#include "operator/kube/event_head.h"

#include <utility>

#include "base/json_full.h"

namespace deepseek::kube {
namespace {

// Handler for nlohmann's sax_parse, which ends as soon as a handler returns false.
class Peek {
 public:
  bool null() { return true; }
  bool boolean(bool /*value*/) { return true; }
  bool number_integer(int64_t /*value*/) { return true; }
  bool number_unsigned(uint64_t /*value*/) { return true; }
  bool number_float(double /*value*/, const std::string& /*text*/) { return true; }
  bool binary(Json::binary_t& /*value*/) { return false; }
  bool start_array(size_t /*count*/) {
    ++depth_;
    return true;
  }
  bool end_array() {
    --depth_;
    return true;
  }
  bool start_object(size_t /*count*/) {
    if (depth_ == 1 && key_ == "object") in_object_ = true;
    if (depth_ == 2 && in_object_ && key_ == "metadata") in_metadata_ = true;
    ++depth_;
    return true;
  }
  bool end_object() {
    --depth_;
    in_metadata_ = in_metadata_ && depth_ > 2;
    return true;
  }
  bool key(std::string& value) {
    key_ = std::move(value);
    return true;
  }
  bool string(std::string& value) {
    if (std::string* field = Field(); field != nullptr) *field = std::move(value);
    return !Complete();
  }
  bool parse_error(size_t /*at*/, const std::string& /*last*/,
                   const nlohmann::detail::exception& /*error*/) {
    return false;
  }

  std::optional<EventHead> Take() {
    return Complete() ? std::optional(std::move(head_)) : std::nullopt;
  }

 private:
  // All that writes events puts the namespace before these; elsewhere the object is not recognised.
  bool Complete() const {
    return !head_.type.empty() && !head_.name.empty() && !head_.uid.empty() &&
           !head_.resource_version.empty();
  }

  // Where the string that is read now belongs; null: nowhere.
  std::string* Field() {
    if (depth_ == 1) return key_ == "type" ? &head_.type : nullptr;
    if (depth_ != 3 || !in_metadata_) return nullptr;
    if (key_ == "namespace") return &head_.ns;
    if (key_ == "name") return &head_.name;
    if (key_ == "uid") return &head_.uid;
    return key_ == "resourceVersion" ? &head_.resource_version : nullptr;
  }

  EventHead head_;
  std::string key_;
  int depth_ = 0;
  bool in_object_ = false, in_metadata_ = false;
};

}  // namespace

std::optional<EventHead> PeekEvent(std::string_view line) {
  Peek peek;
  Json::sax_parse(line, &peek);
  return peek.Take();
}

}  // namespace deepseek::kube
