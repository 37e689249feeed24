// A rank's part in a collective call: which of its arguments count. The others may be anything, and
// nobody is to look at them.
#pragma once

#include "bindings/mpi/call.hpp"

namespace sluice::mpi {

struct Part {
  bool sends = false;
  bool receives = false;
  int self = -1;   ///< its own block, sent to itself; -1: none, as between two groups
  int blocks = 0;  ///< of a side that has one for each rank; 0 where no such side counts
};

/// The other group's ranks, or all if there is one group.
template <class Handle>
int peers_in(Handle comm, int groups) {
  int size = 0;
  invoke(groups == 2 ? own_calls().comm_remote_size : own_calls().comm_size, comm, &size);
  return size;
}

/// Where every rank sends and receives.
template <class Handle>
Part part_among_all(Handle comm) {
  const int groups = groups_of(comm);
  if (groups == 0) return {};
  return {.sends = true,
          .receives = true,
          .self = groups == 1 ? rank_in(comm) : -1,
          .blocks = peers_in(comm, groups)};
}

/// Calls with a root, by what it does: sends one block to all, receives one of each or sends one to
/// each.
enum class Rooted : std::uint8_t { kBroadcast, kGather, kScatter };

/// Between two groups the root says that it is, the others of its group that they take no part, and
/// those of the other group which rank it has.
template <class A>
Part part_with_root(Rooted call, int root, typename A::Handle comm) {
  const int groups = groups_of(comm);
  if (groups == 0) return {};
  const int self = groups == 1 ? rank_in(comm) : A::kRoot;
  const bool is_root = root == self;
  const bool has_own = is_root && groups == 1 && call != Rooted::kBroadcast;
  const bool is_other = !is_root && (groups == 1 || root >= 0);
  Part part;
  part.sends = call == Rooted::kGather ? is_other || has_own : is_root;
  part.receives = call == Rooted::kGather ? is_root : is_other || has_own;
  if (has_own) part.self = self;
  if (is_root && call != Rooted::kBroadcast) part.blocks = peers_in(comm, groups);
  return part;
}

}  // namespace sluice::mpi
