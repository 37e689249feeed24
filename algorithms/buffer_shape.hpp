// Which buffers a collective has, and how much of them.
#pragma once

#include <cstdint>

#include "base/port.hpp"
#include "sluice/algorithms.hpp"

namespace sluice {

/// How much of memory an argument of a collective covers.
enum class Extent : std::uint8_t {
  kNothing,
  kWhole,      // count elements
  kBlock,      // one block
  kAllBlocks,  // a block for every rank
};

/// The buffers of a collective.
struct BufferShape {
  Extent input;
  Extent output;
  bool input_on_root_only;
  bool output_on_root_only;
};
SLUICE_FN constexpr BufferShape shape_of(Collective collective) {
  switch (collective) {
    case Collective::kAllReduce: return {Extent::kWhole, Extent::kWhole, false, false};
    case Collective::kReduceScatter:
    case Collective::kReduceScatterV: return {Extent::kAllBlocks, Extent::kBlock, false, false};
    case Collective::kAllGather:
    case Collective::kAllGatherV: return {Extent::kBlock, Extent::kAllBlocks, false, false};
    case Collective::kBroadcast: return {Extent::kWhole, Extent::kWhole, true, false};
    case Collective::kReduce: return {Extent::kWhole, Extent::kWhole, false, true};
    case Collective::kGather: return {Extent::kBlock, Extent::kAllBlocks, false, true};
    case Collective::kScatter: return {Extent::kAllBlocks, Extent::kBlock, true, false};
    case Collective::kAllToAll: return {Extent::kAllBlocks, Extent::kAllBlocks, false, false};
    case Collective::kAllToAllV:
    case Collective::kSendReceive:
    case Collective::kBarrier: break;
  }
  return {Extent::kNothing, Extent::kNothing, false, false};
}

}  // namespace sluice
