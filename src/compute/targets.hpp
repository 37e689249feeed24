// Which of Highway's instruction sets the kernels are compiled for. Before any of Highway's
// headers.
//
// SSSE3 without SSE4 is older than anything this library will meet. SVE's vectors have no size at
// compile time, so they cannot be members: ARM processors use NEON.
#pragma once

#ifndef HWY_DISABLED_TARGETS
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)
#endif

/// Whether the instruction set being compiled has vectors worth writing vector code for; the others
/// take reduce_scalar.hpp.
#define SLUICE_COMPUTE_VECTOR_TARGET (HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128)
