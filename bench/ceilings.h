/* What the machine can do at best, measured: membw.c and vnni.c as functions. */
#ifndef BENCH_CEILINGS_H
#define BENCH_CEILINGS_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Of the case with the best pass: that pass, and the median of its passes. On a crowded machine
 * they differ. */
struct ceiling {
  double best, median;
};

/* GB/s (10^9 bytes) of sequential reads from huge pages by exactly `threads` threads; {0, 0}:
 * threads out of range. */
struct ceiling membw_ceiling(size_t bytes, double secs, int threads);

/* Gop/s of all threads together; kind: "int8", "bf16" or "fp32". {0, 0}: the CPU (or this build)
 * has no such instruction; best < 0: the check of the result failed. */
struct ceiling vnni_ceiling(const char* kind, double secs, int threads);

#ifdef __cplusplus
}
#endif
#endif
