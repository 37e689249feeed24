// The machine "host thread": the types that the schedules are instantiated with, and their
// catalogue.
#pragma once

#include <span>

#include "algorithms/catalogue.hpp"
#include "channel/arithmetic.hpp"
#include "channel/fabric.hpp"
#include "channel/thread_group.hpp"

namespace sluice {

struct HostContext {
  using Group = HostThread;
  using Fabric = sluice::Fabric;
  using Math = HostArithmetic;
};
using HostEntry = CatalogueEntry<HostContext>;

/// The catalogue, instantiated for host threads.
std::span<const HostEntry> host_catalogue();

}  // namespace sluice
