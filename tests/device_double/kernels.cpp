// plan/kernels/kernels.hpp for host threads: the same entry points, the same early exits.
#include "plan/kernels/kernels.hpp"

#include <iterator>
#include <memory>
#include <utility>
#include <vector>

#include "algorithms/catalogue.hpp"
#include "device_double/kernel.hpp"

namespace sluice::kernels {
namespace {

using test::BlockBody;
using test::DoubleKernel;
using test::HostTeam;

struct DoubleContext {
  using Group = HostTeam;
  using Fabric = sluice::Fabric;
  using Math = GroupArithmetic;
};
using Entry = CatalogueEntry<DoubleContext>;

template <class T>
T argument(void** arguments, unsigned index) {
  return *static_cast<T*>(arguments[index]);
}

/// The arguments of a schedule's launch.
struct Launch {
  Strand* strands;
  GroupArithmetic math;
  StrandCall call;
  BlockLists lists;
};

BlockBody bind_schedule(const Entry& entry, void** arguments) {
  // Shared, not copied with the function: the call points to the lists.
  auto launch = std::make_shared<Launch>(Launch{argument<Strand*>(arguments, 0),
                                                argument<GroupArithmetic>(arguments, 1),
                                                argument<StrandCall>(arguments, 2),
                                                {}});
  const bool listed = is_listed(entry.collective);
  if (listed) launch->lists = argument<BlockLists>(arguments, 3);
  return [launch, listed, run = entry.run](const HostTeam& team, unsigned block) {
    if (block >= static_cast<unsigned>(launch->call.strands)) return;
    Strand& strand = launch->strands[block];
    StrandCall call = launch->call;
    if (listed)
      call.arguments.blocks = Blocks::listed(
          launch->lists.counts, launch->lists.displaced ? launch->lists.displacements : nullptr,
          call.arguments.elem_bytes, static_cast<std::uint64_t>(strand.fabric.size()));
    run_strand(team, strand, run, launch->math, call, KnownAddresses{strand.regions});
  };
}

BlockBody bind_exchange(void** arguments) {
  auto* const strands = argument<Strand*>(arguments, 0);
  const auto launch = std::make_shared<ExchangeLaunch>(argument<ExchangeLaunch>(arguments, 1));
  return [strands, launch](const HostTeam& team, unsigned block) {
    run_launch(team, strands, block, *launch);
  };
}

BlockBody bind_one_sided(void** arguments) {
  auto* const strands = argument<Strand*>(arguments, 0);
  const auto launch = std::make_shared<OneSidedLaunch>(argument<OneSidedLaunch>(arguments, 1));
  return [strands, launch](const HostTeam& team, unsigned block) {
    run_one_sided(team, strands, block, *launch);
  };
}

/// The arguments of a call through the host.
struct ProxiedLaunch {
  Strand* strand;
  ProxyPlaces places;
  ProxiedCall call;
  BlockLists lists;
};

BlockBody bind_proxied(void** arguments) {
  const auto launch = std::make_shared<ProxiedLaunch>(
      ProxiedLaunch{argument<Strand*>(arguments, 0), argument<ProxyPlaces>(arguments, 1),
                    argument<ProxiedCall>(arguments, 2), argument<BlockLists>(arguments, 3)});
  if (launch->call.is_listed)
    launch->call.arguments.blocks = Blocks::listed(
        launch->lists.counts, launch->lists.displaced ? launch->lists.displacements : nullptr,
        launch->call.arguments.elem_bytes, static_cast<std::uint64_t>(launch->call.ranks));
  return [launch](const HostTeam& team, unsigned) {
    run_proxied(team, launch->strand, launch->places, launch->call);
  };
}

BlockBody bind_proxied_exchange(void** arguments) {
  auto* const strand = argument<Strand*>(arguments, 0);
  const auto places = argument<ProxyPlaces>(arguments, 1);
  const auto call = std::make_shared<ProxiedExchange>(argument<ProxiedExchange>(arguments, 2));
  return [=](const HostTeam& team, unsigned) { run_proxied_exchange(team, strand, places, *call); };
}

BlockBody bind_scale(void** arguments, unsigned blocks) {
  auto* const destination = argument<std::byte*>(arguments, 0);
  const auto* const source = argument<const std::byte*>(arguments, 1);
  const auto count = argument<std::uint64_t>(arguments, 2);
  const auto by = argument<ScaleBy>(arguments, 3);
  return [=](const HostTeam& team, unsigned block) {
    const std::uint64_t elem_bytes = size_in_bytes(by.type);
    const Range part = Blocks::cut(count, elem_bytes, blocks)[static_cast<std::int32_t>(block)];
    scale_elements(team, destination + part.offset, source + part.offset, part.bytes / elem_bytes,
                   by.type, by.factor, by.integer_factor, by.factor_at);
  };
}

const std::vector<DoubleKernel>& schedules() {
  static const std::vector<DoubleKernel> all = [] {
    std::vector<DoubleKernel> made;
    for (const Entry& entry : kCatalogue<DoubleContext>)
      made.push_back(
          {[&entry](void** arguments, unsigned) { return bind_schedule(entry, arguments); }});
    return made;
  }();
  return all;
}

}  // namespace

bool built() { return true; }

const void* schedule(std::size_t index) {
  if (index >= std::size(kCatalogue<DoubleContext>)) return nullptr;
  const Entry& entry = kCatalogue<DoubleContext>[index];
  const bool runs =
      entry.run != nullptr && entry.needs != Needs::kHosts && entry.needs != Needs::kEvenHosts;
  return runs ? &schedules()[index] : nullptr;
}

const void* exchange() {
  static const DoubleKernel kernel{
      [](void** arguments, unsigned) { return bind_exchange(arguments); }};
  return &kernel;
}

const void* one_sided() {
  static const DoubleKernel kernel{
      [](void** arguments, unsigned) { return bind_one_sided(arguments); }};
  return &kernel;
}

const void* proxied() {
  static const DoubleKernel kernel{
      [](void** arguments, unsigned) { return bind_proxied(arguments); }};
  return &kernel;
}

const void* proxied_exchange() {
  static const DoubleKernel kernel{
      [](void** arguments, unsigned) { return bind_proxied_exchange(arguments); }};
  return &kernel;
}

const void* scale() {
  static const DoubleKernel kernel{bind_scale};
  return &kernel;
}

}  // namespace sluice::kernels
