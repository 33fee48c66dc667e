#pragma once
// Philox4x32-10, a counter-based generator: Salmon et al., "Parallel random numbers: as easy as 1,
// 2, 3", SC 2011.

#include <array>
#include <cstdint>

namespace deepseek::engine {

/// Ten rounds over `counter` under `key`. Known answers of the paper's library are in the test.
std::array<uint32_t, 4> Philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

/// The one uniform number in [0, 1) that decides a sampled position: 53 bits of Philox(key = seed,
/// counter = {position, choice, 0, 0}).
double PositionUniform(uint64_t seed, uint32_t choice, uint32_t position);

}  // namespace deepseek::engine
