#include "engine/cache/block_pool.h"

#include <bit>
#include <cassert>

namespace deepseek::engine {
namespace {

// A round of splitmix64 over everything so far.
uint64_t Mix(uint64_t state, uint64_t value) {
  uint64_t x = (state ^ value) + 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

}  // namespace

BlockPool::BlockPool(int32_t total, uint64_t hash_key)
    : hash_key_(hash_key),
      references_(static_cast<size_t>(total), 0),
      kept_(references_.size()),
      idle_(references_.size()),
      buckets_(std::bit_ceil(references_.size() + 1), kNone) {
  free_.reserve(references_.size());
  for (int32_t block = total; block-- > 0;) free_.push_back(block);
}

int32_t BlockPool::Allocate() {
  int32_t block = oldest_;
  if (!free_.empty()) {
    block = free_.back();
    free_.pop_back();
  } else if (block != kNone) {
    RemoveIdle(block);
    Forget(block);
  } else {
    return kNone;
  }
  references_[static_cast<size_t>(block)] = 1;
  ++held_;
  return block;
}

void BlockPool::Share(int32_t block) {
  int32_t& holders = references_[static_cast<size_t>(block)];
  if (holders == 0) {
    assert(kept_[static_cast<size_t>(block)].kept);
    RemoveIdle(block);
    ++held_;
  }
  ++holders;
}

void BlockPool::Release(int32_t block) {
  int32_t& holders = references_[static_cast<size_t>(block)];
  assert(holders > 0);
  if (--holders > 0) return;
  --held_;
  if (kept_[static_cast<size_t>(block)].kept) {
    PushIdle(block);
  } else {
    free_.push_back(block);
  }
}

int32_t BlockPool::Find(int32_t parent, std::string_view salt, const BlockRows& rows) const {
  const uint64_t hash = Hash(parent, salt, rows);
  for (int32_t at = buckets_[Bucket(hash)]; at != kNone;) {
    const Kept& k = kept_[static_cast<size_t>(at)];
    if (k.hash == hash && k.parent == parent && k.rows == rows &&
        (parent != kNone || k.salt == salt)) {
      return at;
    }
    at = k.next_in_bucket;
  }
  return kNone;
}

int32_t BlockPool::Keep(int32_t block, int32_t parent, std::string_view salt,
                        const BlockRows& rows) {
  assert(references_[static_cast<size_t>(block)] == 1);
  assert(parent == kNone || references_[static_cast<size_t>(parent)] > 0);
  if (const int32_t equal = Find(parent, salt, rows); equal != kNone) {
    Share(equal);
    Release(block);
    return equal;
  }
  Kept& k = kept_[static_cast<size_t>(block)];
  assert(!k.kept);
  k.kept = true;
  k.parent = parent;
  if (parent == kNone) k.salt = salt;
  k.rows = rows;
  k.hash = Hash(parent, salt, rows);
  int32_t& head = buckets_[Bucket(k.hash)];
  k.next_in_bucket = head;
  head = block;
  return block;
}

uint64_t BlockPool::Hash(int32_t parent, std::string_view salt, const BlockRows& rows) const {
  uint64_t hash = Mix(hash_key_, static_cast<uint64_t>(int64_t{parent}));
  if (parent == kNone) {
    for (const char c : salt) hash = Mix(hash, static_cast<unsigned char>(c));
  }
  hash = Mix(hash, static_cast<uint64_t>(rows.materialised));
  for (size_t i = 0; i < rows.tokens.size(); i += 2) {
    hash = Mix(hash, static_cast<uint64_t>(static_cast<uint32_t>(rows.tokens[i])) << 32 |
                         static_cast<uint32_t>(rows.tokens[i + 1]));
  }
  return hash;
}

void BlockPool::Forget(int32_t block) {
  Kept& k = kept_[static_cast<size_t>(block)];
  int32_t* at = &buckets_[Bucket(k.hash)];
  while (*at != block) at = &kept_[static_cast<size_t>(*at)].next_in_bucket;
  *at = k.next_in_bucket;
  k.kept = false;
  k.salt.clear();
}

void BlockPool::PushIdle(int32_t block) {
  idle_[static_cast<size_t>(block)] = {newest_, kNone};
  (newest_ == kNone ? oldest_ : idle_[static_cast<size_t>(newest_)].after) = block;
  newest_ = block;
}

void BlockPool::RemoveIdle(int32_t block) {
  const auto [before, after] = idle_[static_cast<size_t>(block)];
  (before == kNone ? oldest_ : idle_[static_cast<size_t>(before)].after) = after;
  (after == kNone ? newest_ : idle_[static_cast<size_t>(after)].before) = before;
}

}  // namespace deepseek::engine
