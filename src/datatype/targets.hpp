// Which of Highway's instruction sets the movers are compiled for. Before any of Highway's headers.
//
// Moving bytes gains nothing from what AVX3_DL has over AVX3, and SSSE3 without SSE4 is older than
// anything this library will meet. SVE's vectors have no size at compile time.
#pragma once

#ifndef HWY_DISABLED_TARGETS
#define HWY_DISABLED_TARGETS \
  (HWY_SSSE3 | HWY_AVX3_DL | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)
#endif

/// Whether the instruction set being compiled has vectors of at least 16 bytes.
#define SLUICE_DATATYPE_VECTOR_TARGET (HWY_TARGET != HWY_SCALAR)
