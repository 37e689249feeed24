#include "communicator/operation.hpp"

#include <fmt/format.h>

namespace sluice {

BufferShape shape_of(Collective collective) {
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

bool Call::has_input(int rank) const { return !shape_of(collective).input_on_root_only || rank == root; }
bool Call::has_output(int rank) const { return !shape_of(collective).output_on_root_only || rank == root; }

std::uint64_t Call::extent_bytes(Extent extent, int rank) const {
  switch (extent) {
    case Extent::kNothing: return 0;
    case Extent::kWhole: return count * elem_bytes();
    case Extent::kBlock: return blocks[rank].bytes;
    case Extent::kAllBlocks: return blocks.total();
  }
  return 0;
}

std::uint64_t Call::input_bytes(int rank) const {
  return has_input(rank) ? extent_bytes(shape_of(collective).input, rank) : 0;
}
std::uint64_t Call::output_bytes(int rank) const {
  return has_output(rank) ? extent_bytes(shape_of(collective).output, rank) : 0;
}

std::uint64_t Call::message_bytes() const {
  const BufferShape shape = shape_of(collective);
  if (shape.input == Extent::kWhole) return count * elem_bytes();
  return shape.input == Extent::kNothing ? 0 : blocks.largest();
}

std::string describe(const OperationRecord& record) {
  const auto collective = static_cast<Collective>(record.call & 0xff);
  const auto type = static_cast<DataType>(record.call >> 8 & 0xff);
  const auto op = static_cast<ReduceOp>(record.call >> 16 & 0xff);
  std::string details;
  if (collective != Collective::kBarrier) details = fmt::format("count {}, {}", record.count, name(type));
  switch (collective) {
    case Collective::kReduce: details += fmt::format(", {}, root {}", name(op), record.root); break;
    case Collective::kAllReduce:
    case Collective::kReduceScatter:
    case Collective::kReduceScatterV: details += fmt::format(", {}", name(op)); break;
    case Collective::kBroadcast:
    case Collective::kGather:
    case Collective::kScatter: details += fmt::format(", root {}", record.root); break;
    default: break;
  }
  return fmt::format("{} #{}{}{}{}", name(collective), record.epoch, details.empty() ? "" : " (", details,
                     details.empty() ? "" : ")");
}

}  // namespace sluice
