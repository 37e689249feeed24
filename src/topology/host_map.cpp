#include "topology/host_map.hpp"

#include <algorithm>
#include <map>

namespace sluice::topology {
namespace {

constexpr auto kBySize = [](const auto& a, const auto& b) { return a.size() < b.size(); };

}  // namespace

HostMap::HostMap(std::span<const std::string> identities) {
  std::map<std::string, int> numbers;
  for (std::size_t rank = 0; rank < identities.size(); ++rank) {
    const auto [known, is_new] = numbers.try_emplace(identities[rank], hosts());
    if (is_new) ranks_.emplace_back();
    host_of_.push_back(known->second);
    ranks_[static_cast<std::size_t>(known->second)].push_back(static_cast<int>(rank));
  }
}

int HostMap::place_of(int rank) const {
  const std::vector<int>& neighbours = ranks_on(host_of(rank));
  return static_cast<int>(std::lower_bound(neighbours.begin(), neighbours.end(), rank) -
                          neighbours.begin());
}

int HostMap::fewest() const {
  return static_cast<int>(std::min_element(ranks_.begin(), ranks_.end(), kBySize)->size());
}

int HostMap::most() const {
  return static_cast<int>(std::max_element(ranks_.begin(), ranks_.end(), kBySize)->size());
}

}  // namespace sluice::topology
