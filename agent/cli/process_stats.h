#pragma once
// What this process takes of the machine, from /proc and the kernel's clocks.

#include <cstdint>

namespace deepseek::agent {

/// Processor time of all threads so far.
double ProcessCpuSeconds();
/// Anonymous memory in use now (RssAnon): without the pages of mapped files.
int64_t AnonymousBytes();
/// Largest resident size so far, file pages included.
int64_t PeakResidentBytes();
/// Runnable tasks of the machine, mean of the last minute; 0 where unknown.
double LoadAverage();

}  // namespace deepseek::agent
