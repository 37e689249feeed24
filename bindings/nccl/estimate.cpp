#include "bindings/nccl/estimate.hpp"

#include <algorithm>
#include <limits>
#include <optional>

#include "communicator/impl.hpp"
#include "plan/host_context.hpp"

namespace sluice::nccl {
namespace {

using Kind = Operation::Kind;

std::optional<Collective> collective_of(Kind kind) {
  switch (kind) {
    case Kind::kAllReduce: return Collective::kAllReduce;
    case Kind::kBroadcast: return Collective::kBroadcast;
    case Kind::kReduce: return Collective::kReduce;
    case Kind::kAllGather: return Collective::kAllGather;
    case Kind::kReduceScatter: return Collective::kReduceScatter;
    case Kind::kAllToAll: return Collective::kAllToAll;
    case Kind::kGather: return Collective::kGather;
    case Kind::kScatter: return Collective::kScatter;
    default: return std::nullopt;
  }
}

bool serves(Needs needs, bool across) {
  return needs == Needs::kLinks || needs == (across ? Needs::kHosts : Needs::kSegments);
}

double message_ns(const CostModel& model, double bytes, bool across) {
  return across ? model.across(bytes)
                : model.step() + model.to_stage(bytes) + model.from_stage(bytes);
}

}  // namespace

double estimated_us(const ncclComm& comm, const Operation& operation) {
  const Communicator::Impl& impl = comm.ranks->impl();
  const CostModel& model = impl.tuning().figures;
  const double bytes = static_cast<double>(operation.count) *
                       static_cast<double>(size_in_bytes(operation.data_type()));
  bool across = false;
  for (int rank = 0; rank < impl.size(); ++rank) across |= impl.is_across(rank);
  const auto collective = collective_of(operation.kind);
  if (!collective) return message_ns(model, bytes, impl.is_across(operation.peer)) / 1000;
  double least_ns = std::numeric_limits<double>::max();
  for (const HostEntry& entry : host_catalogue())
    if (entry.collective == *collective && serves(entry.needs, across) &&
        bytes <= static_cast<double>(entry.max_bytes))
      least_ns = std::min(least_ns, entry.cost(model, impl.size(), bytes));
  return least_ns / 1000;
}

}  // namespace sluice::nccl
