// The steps of Setup that reach ranks on other hosts: over which networks, and their segments
// there.
#include <algorithm>
#include <utility>

#include "base/environment.hpp"
#include "base/error.hpp"
#include "base/log.hpp"
#include "communicator/setup.hpp"

namespace sluice {

using bootstrap::NetworkPlace;

Result<RemotePeers::Ways> Setup::ways() const {
  const bootstrap::Address reachable = impl_.bootstrap_->reachable_address();
  const bool selected = environment::text("SLUICE_NET").has_value();
  // Who met on loopback need not be reached from elsewhere.
  if (reachable.is_loopback() && !selected) return RemotePeers::Ways{{reachable}, {}};
  SLUICE_TRY_ASSIGN(auto used, bootstrap::used_interfaces(reachable));
  RemotePeers::Ways ways;
  for (const bootstrap::Interface& each : used) ways.addresses.push_back(each.address);
  if (selected) ways.connect_from = std::move(used);
  return ways;
}

void Setup::list_places(Hello& hello) const {
  auto ways = this->ways();
  if (!ways.ok()) return;
  hello.selected = static_cast<std::uint32_t>(ways->connect_from.size());
  if (ways->connect_from.empty() && ways->addresses.front().is_loopback()) return;
  const auto used = bootstrap::used_interfaces(impl_.bootstrap_->reachable_address());
  if (!used.ok()) return;
  for (const bootstrap::Interface& each : used.value())
    if (hello.places_listed < hello.places.size())
      hello.places[hello.places_listed++] = {each.address, each.prefix_bits};
}

Status Setup::open_remote_segments() {
  if (!spread()) return {};
  SLUICE_TRY_ASSIGN(auto ways, this->ways());
  return open_remote_segments(std::move(ways));
}

Status Setup::open_remote_segments(RemotePeers::Ways ways) {
  SLUICE_TRY_ASSIGN(impl_.remote_peers_,
                    RemotePeers::start(impl_.bootstrap_->derive_key("sluice tcp"), std::move(ways),
                                       impl_.options_.timeout, impl_.options_.encrypt));
  SLUICE_TRY_ASSIGN(const auto blob, impl_.remote_peers_->publish(segment_));
  SLUICE_TRY_ASSIGN(const auto blobs, impl_.bootstrap_->all_gather(blob, deadline_));
  // Of two ranks the lower connects, and the other uses that connection. If both connected at once
  // each would have its own, which costs small messages an acknowledgement each.
  SLUICE_TRY(open_remote_segments(blobs, rank() + 1, size()));
  SLUICE_TRY(impl_.bootstrap_->all_gather({}, deadline_).status());
  return open_remote_segments(blobs, 0, rank());
}

/// Those of the peers from `first` to before `last` that are on other hosts.
Status Setup::open_remote_segments(const std::vector<transport::Blob>& blobs, int first, int last) {
  for (int r = first; r < last; ++r) {
    FabricPeer& peer = impl_.peers_[static_cast<std::size_t>(r)];
    if (!peer.across) continue;
    SLUICE_TRY(impl_.remote_peers_->open(r, blobs[static_cast<std::size_t>(r)], layout().bytes(),
                                         deadline_));
    peer.segment = impl_.remote_peers_->header(r);
    peer.expected = impl_.remote_peers_->expect_from(r, layout());
  }
  return {};
}

Status Setup::use_rails(CostModel& model) {
  const auto selects = [](const Hello& each) { return each.selected != 0; };
  if (!spread() || !is_slow_network(model.network_byte) ||
      std::any_of(hellos_.begin(), hellos_.end(), selects))
    return {};
  std::vector<std::vector<NetworkPlace>> hosts;
  for (int h = 0; h < impl_.hosts_.hosts(); ++h) {
    const Hello& first = hello(impl_.hosts_.ranks_on(h).front());
    const auto listed = std::min<std::size_t>(first.places_listed, first.places.size());
    hosts.emplace_back(first.places.begin(), first.places.begin() + static_cast<int>(listed));
  }
  const auto networks = bootstrap::common_networks(hosts);
  if (networks.size() < 2) return {};
  rails_ = networks.size();
  // Nobody is measuring any more. Whoever has the next round's blobs knows that all are ready.
  if (!tuned_) forget_measurement(segment_);
  impl_.remote_peers_.reset();
  SLUICE_TRY_ASSIGN(auto ways, ways_over(networks));
  SLUICE_TRY(open_remote_segments(std::move(ways)));
  log::info(log::Topic::kNetwork,
            "rank {} of {}: the network is slow, so all {} that the hosts have in common are used",
            rank(), size(), rails_);
  return tuned_ ? Status() : measure_network_cost(model);
}

/// With the interfaces that this rank has there; those that it has, where it has none of them.
Result<RemotePeers::Ways> Setup::ways_over(
    const std::vector<std::vector<NetworkPlace>>& networks) const {
  const auto host = static_cast<std::size_t>(impl_.hosts_.host_of(rank()));
  SLUICE_TRY_ASSIGN(const auto used,
                    bootstrap::used_interfaces(impl_.bootstrap_->reachable_address()));
  RemotePeers::Ways ways;
  for (const auto& network : networks)
    for (const bootstrap::Interface& each : used)
      if (NetworkPlace{each.address, each.prefix_bits} == network[host]) {
        ways.addresses.push_back(each.address);
        ways.connect_from.push_back(each);
      }
  return ways.addresses.empty() ? this->ways() : ways;
}

}  // namespace sluice
