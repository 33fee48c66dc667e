#pragma once
// Builds a JSON tree within a limit of memory. Internal to base.

#include <cstddef>
#include <iterator>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "base/json_full.h"
#include "base/strings.h"

namespace deepseek {

/// Handler for nlohmann's sax_parse. A container lives on a stack until it is complete and is then
/// moved into its parent, or handed to the stream that asked for it.
template <typename J>
class JsonTree {
 public:
  JsonTree(std::string_view what, const JsonLimits& limits, const std::vector<JsonStream>* streams)
      : what_(what), limits_(limits), streams_(streams) {}

  // What sax_parse calls. false ends the parse, with the reason in status().
  bool null() { return Put(J(nullptr), 0); }
  bool boolean(bool value) { return Put(J(value), 0); }
  bool number_integer(int64_t value) { return Put(J(value), 0); }
  bool number_unsigned(uint64_t value) { return Put(J(value), 0); }
  bool number_float(double value, const std::string& /*text*/) { return Put(J(value), 0); }
  bool binary(typename J::binary_t& /*value*/) { return false; }  // not in text
  bool string(std::string& value) {
    const size_t bytes = kNode + Heap(value);
    return Put(J(std::move(value)), bytes);
  }
  bool start_object(size_t /*count*/) { return Open(J::value_t::object); }
  bool start_array(size_t /*count*/) { return Open(J::value_t::array); }
  bool end_object() { return Close(); }
  bool end_array() { return Close(); }
  bool key(std::string& value) {
    stack_.back().key = std::move(value);
    return true;
  }
  bool parse_error(size_t at, const std::string& /*last*/,
                   const nlohmann::detail::exception& error) {
    // The library quotes the token that it stopped at, whatever its length.
    std::string why = error.what();
    if (why.size() > 200) why = why.substr(0, 200) + "...";
    return Fail(
        absl::InvalidArgumentError(StrCat(what_, ": not valid JSON: byte ", at, ": ", why)));
  }

  const absl::Status& status() const { return status_; }
  J Take() { return std::move(root_); }

 private:
  struct Frame {
    J value;
    JsonMembers members;                             // of an object that is being parsed
    std::string key;                                 // of the member that is being parsed
    std::vector<const JsonStream*> on;               // streams whose path leads here or further
    const JsonStream* stream = nullptr;              // members of this container are handed over
    size_t bytes_before = 0;                         // the tree's, when this container was opened
    absl::flat_hash_map<std::string, size_t> known;  // places of the members of a large object
  };
  // Of glibc's allocator: what a string, an object or an array costs apart from its content.
  static constexpr size_t kNode = 48;

  static size_t Heap(const std::string& text) { return text.size() > 15 ? text.size() + 17 : 0; }

  bool Fail(absl::Status status) {
    if (status_.ok()) status_ = std::move(status);
    return false;
  }

  bool Open(typename J::value_t type) {
    Frame frame;
    frame.value = J(type);
    frame.bytes_before = bytes_;
    const size_t depth = stack_.size();
    if (streams_ != nullptr && stack_.empty()) {
      for (const JsonStream& stream : *streams_) frame.on.push_back(&stream);
    } else if (streams_ != nullptr && stack_.back().value.is_object()) {
      for (const JsonStream* stream : stack_.back().on) {
        if (stream->path.size() >= depth && stream->path[depth - 1] == stack_.back().key)
          frame.on.push_back(stream);
      }
    }
    for (const JsonStream* stream : frame.on) {
      if (stream->path.size() == depth) frame.stream = stream;
    }
    stack_.push_back(std::move(frame));
    return Count(kNode);
  }

  bool Close() {
    J value = std::move(stack_.back().value);
    if constexpr (std::is_same_v<J, Json>) {
      if (value.is_object()) value = JsonOf(std::move(stack_.back().members));
    }
    const size_t before = stack_.back().bytes_before;
    stack_.pop_back();
    // What was counted while it grew stays counted, unless it is about to be handed over.
    if (!stack_.empty() && stack_.back().stream != nullptr) bytes_ = before;
    return Put(std::move(value), 0);
  }

  bool Put(J value, size_t bytes) {
    if (stack_.empty()) {
      root_ = std::move(value);
      return true;
    }
    Frame& parent = stack_.back();
    if (parent.stream != nullptr) {
      if constexpr (std::is_same_v<J, Json>) {
        absl::Status handed = parent.stream->on_member(parent.key, value);
        return handed.ok() || Fail(std::move(handed));
      }
    }
    if (parent.value.is_array()) {
      parent.value.push_back(std::move(value));
      return Count(bytes + 3 * sizeof(J));  // a vector that grows is there twice for a moment
    }
    // As an array's elements; those of OrderedJson are in a vector, too.
    bytes += 3 * sizeof(JsonMembers::value_type) + Heap(parent.key);
    AddMember(&parent, std::move(value));
    return Count(bytes);
  }

  // The last of several members of one name counts.
  static void AddMember(Frame* parent, J value) {
    if constexpr (std::is_same_v<J, Json>) {
      parent->members.emplace_back(std::move(parent->key), std::move(value));
    } else {
      // Its objects look keys up one by one, which is quadratic in a hostile one.
      constexpr size_t kFew = 16;
      auto& members = *parent->value.template get_ptr<typename J::object_t*>();
      if (members.size() == kFew && parent->known.empty()) {
        for (const auto& [name, member] : members)
          parent->known.emplace(name, parent->known.size());
      }
      if (members.size() >= kFew) {
        const auto [it, added] = parent->known.emplace(parent->key, members.size());
        if (added) {
          members.emplace_back(std::move(parent->key), std::move(value));
        } else {
          std::next(members.begin(), static_cast<ptrdiff_t>(it->second))->second = std::move(value);
        }
        return;
      }
      parent->value[std::move(parent->key)] = std::move(value);
    }
  }

  bool Count(size_t bytes) {
    bytes_ += bytes;
    if (bytes_ <= limits_.max_tree_bytes) return true;
    return Fail(
        absl::InvalidArgumentError(StrCat(what_, ": the values of the JSON text take more than ",
                                          limits_.max_tree_bytes, " bytes of memory")));
  }

  std::string_view what_;
  const JsonLimits& limits_;
  const std::vector<JsonStream>* streams_;
  std::vector<Frame> stack_;
  J root_;
  size_t bytes_ = 0;
  absl::Status status_;
};

}  // namespace deepseek
