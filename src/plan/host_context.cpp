#include "plan/host_context.hpp"

#include <vector>

namespace sluice {

std::span<const HostEntry> host_catalogue() { return kCatalogue<HostContext>; }

std::string_view name(Collective collective) {
  switch (collective) {
    case Collective::kAllReduce: return "all_reduce";
    case Collective::kReduceScatter: return "reduce_scatter";
    case Collective::kAllGather: return "all_gather";
    case Collective::kBroadcast: return "broadcast";
    case Collective::kReduce: return "reduce";
    case Collective::kGather: return "gather";
    case Collective::kScatter: return "scatter";
    case Collective::kAllToAll: return "all_to_all";
    case Collective::kAllGatherV: return "all_gather_v";
    case Collective::kReduceScatterV: return "reduce_scatter_v";
    case Collective::kAllToAllV: return "all_to_all_v";
    case Collective::kSendReceive: return "send_receive";
    case Collective::kBarrier: return "barrier";
  }
  return "unknown";
}

std::span<const AlgorithmDescription> algorithms() {
  static const std::vector<AlgorithmDescription> descriptions = [] {
    std::vector<AlgorithmDescription> list;
    for (const HostEntry& entry : host_catalogue())
      list.push_back(
          {.collective = entry.collective,
           .name = entry.name,
           .summary = entry.summary,
           .cost = entry.cost_text,
           .max_bytes = entry.max_bytes,
           .needs_mapped = entry.needs >= Needs::kSegments,
           .needs_hosts = entry.needs == Needs::kHosts || entry.needs == Needs::kEvenHosts,
           .needs_direct = entry.needs >= Needs::kReach});
    return list;
  }();
  return descriptions;
}

}  // namespace sluice
