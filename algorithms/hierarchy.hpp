// What schedules over several hosts have in common: within a host through shared memory, across
// hosts over links between one rank of each.
#pragma once

#include <cstddef>
#include <cstdint>

#include "algorithms/blocks.hpp"
#include "base/port.hpp"
#include "channel/copy.hpp"
#include "channel/rank_view.hpp"
#include "channel/segment.hpp"
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

/// How many ranks are on host `h`.
SLUICE_FN std::int32_t count_on(const HostsView& hosts, std::int32_t h) {
  return hosts.first_of[h + 1] - hosts.first_of[h];
}

/// The place on this host of its rank in one_of_each().
SLUICE_FN std::int32_t place_of_team_member(const HostsView& hosts) {
  const std::int32_t* const ranks = hosts.ranks_on(hosts.host);
  std::int32_t place = 0;
  while (ranks[place] != hosts.team[hosts.host]) ++place;
  return place;
}

/// How much of the blocks of any host's ranks fits packets within it and one message across.
SLUICE_FN std::uint64_t merged_slice_bytes(const HostsView& hosts) {
  constexpr std::uint64_t kLine = 64;
  std::int32_t most = 1;
  for (std::int32_t h = 0; h < hosts.hosts; ++h)
    if (count_on(hosts, h) > most) most = count_on(hosts, h);
  const std::uint64_t fits = kHostLinks.piece_bytes / static_cast<std::uint64_t>(most);
  return (fits < kPacketBytes ? fits : kPacketBytes) / kLine * kLine;
}

/// Sends `count` blocks of `data` as one message, which must fit the scratch for a piece.
template <ThreadGroup Group, class Team>
SLUICE_FN void send_merged(const Group& group, Team& team, std::int32_t to, const Blocks& blocks,
                           std::int32_t count, const std::byte* data) {
  std::uint64_t bytes = 0;
  for (std::int32_t r = 0; r < count; ++r) {
    copy(group, team.piece_scratch() + bytes, data + blocks[r].offset, blocks[r].bytes);
    bytes += blocks[r].bytes;
  }
  team.send(group, to, team.piece_scratch(), bytes);
}

/// Receives what send_merged() sent, each block to its place in `data`.
template <ThreadGroup Group, class Team>
SLUICE_FN void receive_merged(const Group& group, Team& team, std::int32_t from,
                              const Blocks& blocks, std::int32_t count, std::byte* data) {
  std::uint64_t bytes = 0;
  for (std::int32_t r = 0; r < count; ++r) bytes += blocks[r].bytes;
  team.receive(group, from, bytes,
               [&](std::uint64_t begin, const std::byte* fragment, std::uint64_t length) {
                 std::uint64_t at = 0;  // where in the message block r begins
                 for (std::int32_t r = 0; r < count; ++r) {
                   const Range block = blocks[r];
                   const std::uint64_t first = at > begin ? at : begin;
                   const std::uint64_t end =
                       at + block.bytes < begin + length ? at + block.bytes : begin + length;
                   if (first < end)
                     copy(group, data + block.offset + (first - at), fragment + (first - begin),
                          end - first);
                   at += block.bytes;
                 }
               });
}

}  // namespace sluice
