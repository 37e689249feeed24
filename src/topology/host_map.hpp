// Which ranks share a host.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace sluice::topology {

/// Hosts are numbered in the order of their first ranks; the ranks of a host are in order.
class HostMap {
 public:
  HostMap() = default;
  /// `identities`: each rank's, as host_identity() says.
  explicit HostMap(std::span<const std::string> identities);

  int hosts() const { return static_cast<int>(ranks_.size()); }
  int host_of(int rank) const { return host_of_[static_cast<std::size_t>(rank)]; }
  const std::vector<int>& ranks_on(int host) const {
    return ranks_[static_cast<std::size_t>(host)];
  }
  bool together(int a, int b) const { return host_of(a) == host_of(b); }
  /// The number of `rank` among the ranks of its host.
  int place_of(int rank) const;
  /// Ranks of the host that has the fewest, and of the one that has the most.
  int fewest() const;
  int most() const;

 private:
  std::vector<int> host_of_;             // by rank
  std::vector<std::vector<int>> ranks_;  // by host
};

}  // namespace sluice::topology
