// NCCL_ALGO in our words.
#pragma once

#include <string>

namespace sluice::nccl {

/// "ring", "allreduce:tree;broadcast:ring": as Options::algorithm wants it. What has no equivalent
/// (a list of several, an exclusion, NVLS and the like, a schedule that the collective does not
/// have) is left out, and named at info level.
std::string algorithms_of(const std::string& nccl_algo);

}  // namespace sluice::nccl
