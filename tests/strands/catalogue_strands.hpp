// The catalogue for groups of several host threads.
#pragma once

#include <span>

#include "algorithms/catalogue.hpp"
#include "channel/arithmetic.hpp"
#include "channel/fabric.hpp"
#include "support/host_team.hpp"

namespace sluice::test {

struct TeamContext {
  using Group = HostTeam;
  using Fabric = sluice::Fabric;
  using Math = GroupArithmetic;
};
using TeamEntry = CatalogueEntry<TeamContext>;

/// In the order of algorithms().
std::span<const TeamEntry> team_catalogue();

/// Whether kernels can run it: one schedule, over memory that all ranks have mapped.
constexpr bool runs_in_kernels(const TeamEntry& entry) {
  return entry.run != nullptr && entry.needs != Needs::kHosts && entry.needs != Needs::kEvenHosts;
}

void register_strand_tests();

}  // namespace sluice::test
