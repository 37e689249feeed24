// The thread group of a kernel.
#pragma once

#include "base/port.hpp"
#include "channel/thread_group.hpp"

namespace sluice {

/// The threads of the block, which has one dimension. Outside of a kernel, one thread.
struct BlockGroup {
  SLUICE_FN unsigned rank() const { return port::block_rank(); }
  SLUICE_FN unsigned size() const { return port::block_size(); }
  SLUICE_FN void sync() const { port::block_sync(); }
  SLUICE_FN bool any(bool yes) const { return port::block_any(yes); }
};
static_assert(ThreadGroup<BlockGroup>);

}  // namespace sluice
