#include "engine/kernels/reference/host_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <string>
#include <thread>
#include <utility>

#include "base/status.h"
#include "base/strings.h"

namespace deepseek::engine {

absl::StatusOr<HostMemory> HostMemory::Allocate(int64_t bytes, bool bulk) {
  constexpr uint64_t kHuge = uint64_t{2} << 20;
  HostMemory memory;
  memory.bytes_ = bytes;
  // Anonymous mappings are zero-filled and page-aligned; the extra 2 MiB leaves room to align.
  memory.mapped_ = static_cast<uint64_t>(bytes) + (bulk ? kHuge : 64);
  memory.mapping_ = ::mmap(nullptr, memory.mapped_, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory.mapping_ == MAP_FAILED) {
    memory.mapping_ = nullptr;
    return absl::ResourceExhaustedError(StrCat("cannot allocate ", bytes, " bytes of memory"));
  }
  memory.data_ = static_cast<uint8_t*>(memory.mapping_);
  if (bulk) {
    const auto address = reinterpret_cast<uintptr_t>(memory.mapping_);
    memory.data_ += (kHuge - address % kHuge) % kHuge;
    // Only advice: without huge pages the memory works, slower (huge_page_bytes() tells).
    ::madvise(memory.data_, static_cast<size_t>(bytes), MADV_HUGEPAGE);
  }
  return memory;
}

void HostMemory::Populate() {
  constexpr int64_t kSlice = int64_t{256} << 20;
  constexpr int64_t kPage = 4096;
  const auto touch = [this](int64_t begin, int64_t end) {
    // Reading and writing back keeps what is there.
    for (int64_t at = begin; at < end; at += kPage) {
      auto* byte = reinterpret_cast<volatile uint8_t*>(data_ + at);
      *byte = *byte;
    }
  };
  const int64_t slices = (bytes_ + kSlice - 1) / kSlice;
  if (slices <= 1) return touch(0, bytes_);
  std::atomic<int64_t> next{0};
  const auto work = [&] {
    for (int64_t i = next++; i < slices; i = next++) {
      touch(i * kSlice, std::min((i + 1) * kSlice, bytes_));
    }
  };
  std::vector<std::thread> threads;
  const int64_t cpus = std::max(1U, std::thread::hardware_concurrency());
  for (int64_t i = 1; i < std::min({slices, cpus, int64_t{16}}); ++i) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
}

HostMemory::HostMemory(HostMemory&& other) noexcept {
  *this = std::move(other);
}

HostMemory& HostMemory::operator=(HostMemory&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  std::swap(mapping_, other.mapping_);
  std::swap(mapped_, other.mapped_);
  return *this;
}

HostMemory::~HostMemory() {
  if (mapping_ != nullptr) ::munmap(mapping_, mapped_);
}

absl::StatusOr<uint8_t*> HostArena::Allocate(int64_t bytes) {
  constexpr int64_t kRegionBytes = int64_t{64} << 20;
  constexpr int64_t kAlign = 64;
  const int64_t padded = (bytes + kAlign - 1) / kAlign * kAlign;
  if (regions_.empty() || used_ + padded > regions_.back().bytes()) {
    // Untouched pages of a region cost nothing.
    ASSIGN_OR_RETURN(HostMemory region, HostMemory::Allocate(std::max(padded, kRegionBytes), true));
    regions_.push_back(std::move(region));
    used_ = 0;
  }
  uint8_t* block = regions_.back().data() + used_;
  used_ += padded;
  return block;
}

std::string HugePagePolicy(const std::string& root) {
  // "always [madvise] never"
  std::ifstream file(root + "/sys/kernel/mm/transparent_hugepage/enabled");
  std::string word;
  while (file >> word) {
    if (word.size() > 2 && word.front() == '[' && word.back() == ']') {
      return word.substr(1, word.size() - 2);
    }
  }
  return "unknown";
}

int64_t HugePageBytes() {
  std::ifstream file("/proc/self/smaps_rollup");
  std::string word;
  while (file >> word) {
    int64_t kib = 0;
    if (word == "AnonHugePages:" && file >> kib) return kib * 1024;
  }
  return 0;
}

}  // namespace deepseek::engine
