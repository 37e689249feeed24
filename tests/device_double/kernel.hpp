// A kernel of the double: what a launch does on host threads.
#pragma once

#include <functional>

#include "support/host_team.hpp"

namespace sluice::test {

/// One thread of one block.
using BlockBody = std::function<void(const HostTeam& team, unsigned block)>;

/// What `const void*` kernels point to.
struct DoubleKernel {
  /// Takes copies of the arguments, as a launch does.
  std::function<BlockBody(void** arguments, unsigned blocks)> bind;
};

/// Blocks of the last launch of this process.
unsigned blocks_launched_last();

}  // namespace sluice::test
