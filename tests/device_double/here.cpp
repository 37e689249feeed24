// The double's device is of this process alone: tests with ranks in others are left out.
#include "cuda/gpu.hpp"

namespace sluice::test {

[[maybe_unused]] static const bool kNoForks = used_gpu_here() = true;

}  // namespace sluice::test
