#include "engine/kernels/cpu/isa.h"

#include "base/strings.h"
#include "engine/kernels/cpu/attend_kernels.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace deepseek::engine {
namespace {

#if defined(__x86_64__)
// Whether this process may use the tile unit: the CPU has it, and the kernel makes room for its
// registers (Linux 5.16 and later; the process asks once, for all its threads).
bool MayUseTiles() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned kBf16 = 1U << 22, kTiles = 1U << 24, kInt8 = 1U << 25;
  constexpr unsigned kAll = kBf16 | kTiles | kInt8;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || (d & kAll) != kAll) return false;
  constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM of asm/prctl.h
  constexpr long kTileData = 18;               // the state's number in XCR0
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}
#endif

std::vector<const KernelTable*> Supported() {
  std::vector<const KernelTable*> tables;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq")) {
    if (__builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bf16") &&
        __builtin_cpu_supports("avx512vbmi")) {
      static const bool tiles = MayUseTiles();
      if (tiles) tables.push_back(&kAmxKernels);
      tables.push_back(&kAvx512Bf16Kernels);
    }
    tables.push_back(&kAvx512Kernels);
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    tables.push_back(&kAvx2Kernels);
#endif
  tables.push_back(&kBaselineKernels);
  return tables;
}

}  // namespace

std::vector<std::string_view> SupportedIsas() {
  std::vector<std::string_view> names;
  for (const KernelTable* table : Supported()) names.emplace_back(table->name);
  return names;
}

const AttendKernels& SelectAttendKernels(std::string_view isa, bool bf16) {
#if defined(__x86_64__)
  if (isa == kAmxKernels.name) return bf16 ? kAmxAttend : kAvx512Attend;
  if (isa == kAvx512Bf16Kernels.name) return bf16 ? kAvx512Bf16Attend : kAvx512Attend;
  if (isa == kAvx512Kernels.name) return kAvx512Attend;
  if (isa == kAvx2Kernels.name) return kAvx2Attend;
#endif
  return kBaselineAttend;
}

absl::StatusOr<const KernelTable*> SelectKernels(std::string_view isa) {
  std::string names;
  for (const KernelTable* table : Supported()) {
    if (isa == "auto" || isa == table->name) return table;
    StrAppend(&names, names.empty() ? "" : ", ", table->name);
  }
  return absl::InvalidArgumentError(
      StrCat("--isa ", isa, " does not run on this CPU (these do: auto, ", names, ")"));
}

}  // namespace deepseek::engine
