#include "communicator/operation.hpp"

#include <fmt/format.h>

namespace sluice {

std::string label(const OperationRecord& record) {
  return fmt::format("{} #{}", name(static_cast<Collective>(record.call & 0xff)), record.epoch);
}

std::string kind_text(std::uint64_t kind) {
  return is_message(kind) ? fmt::format("a message of {}", name(static_cast<DataType>(kind & 0xff)))
                          : "a part of a collective";
}

std::string describe(const OperationRecord& record) {
  const auto collective = static_cast<Collective>(record.call & 0xff);
  const auto type = static_cast<DataType>(record.call >> 8 & 0xff);
  const auto op = static_cast<ReduceOp>(record.call >> 16 & 0xff);
  std::string details;
  if (collective != Collective::kBarrier)
    details = fmt::format("count {}, {}", record.count, name(type));
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
  if ((record.call & kInRegisteredMemory) != 0) details += ", in registered memory";
  return details.empty() ? label(record) : fmt::format("{} ({})", label(record), details);
}

}  // namespace sluice
