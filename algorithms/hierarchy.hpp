// What schedules over several hosts have in common: within a host through shared memory, across
// hosts over links between one rank of each.
#pragma once

#include <cstdint>

#include "base/port.hpp"
#include "channel/rank_view.hpp"
#include "channel/team.hpp"
#include "channel/thread_group.hpp"

namespace sluice {

/// The ranks of this host, in the next part of the operation.
template <ThreadGroup Group, class Fabric>
SLUICE_FN Fabric& next_within(const Group& group, Fabric& fabric) {
  Fabric& within = fabric.within();
  within.begin_part(group, fabric.signature());
  return within;
}

/// Those that have the same place on their hosts as this rank, which every host must have.
template <ThreadGroup Group, class Fabric>
SLUICE_FN Team<Fabric> same_place(const Group& group, Fabric& fabric) {
  const HostsView& hosts = fabric.hosts();
  const std::int32_t place = fabric.within().rank();
  if (group.rank() == 0)
    for (std::int32_t h = 0; h < hosts.hosts; ++h) hosts.team[h] = hosts.ranks_on(h)[place];
  group.sync();
  return {fabric, hosts.team, hosts.hosts, hosts.host};
}

/// One rank of each host: of its own host `root`, of the others the first. Only they call its
/// verbs.
template <ThreadGroup Group, class Fabric>
SLUICE_FN Team<Fabric> one_of_each(const Group& group, Fabric& fabric, std::int32_t root) {
  const HostsView& hosts = fabric.hosts();
  if (group.rank() == 0) {
    for (std::int32_t h = 0; h < hosts.hosts; ++h) hosts.team[h] = hosts.ranks_on(h)[0];
    hosts.team[hosts.host_of[root]] = root;
  }
  group.sync();
  return {fabric, hosts.team, hosts.hosts, hosts.host};
}

}  // namespace sluice
