#include "communicator/device_channels.hpp"

#include <fmt/format.h>

#include <memory>
#include <utility>

#include "base/error.hpp"
#include "communicator/device_part.hpp"
#include "communicator/device_signals.hpp"

namespace sluice {
namespace {

/// Where kernels of this rank reach each rank's buffer, as long on every one. Collective.
Result<std::vector<HeldWindow>> share(Communicator::Impl& impl, void* buffer, std::size_t bytes) {
  SLUICE_TRY_ASSIGN(auto shared, impl.share_device_buffer(buffer, bytes));
  if (!shared.why_not.empty())
    return fail(Errc::kInvalidUsage, "no channels between devices",
                fmt::format("make_channels: {}", shared.why_not));
  for (int r = 0; r < impl.size(); ++r)
    if (const Window& theirs = shared.of_ranks[static_cast<std::size_t>(r)]; theirs.bytes != bytes)
      return fail(Errc::kInvalidUsage, "buffers of different sizes",
                  fmt::format("make_channels: rank {} has {} bytes, rank {} has {}", impl.rank(),
                              bytes, r, theirs.bytes));
  return std::move(shared.of_ranks);
}

}  // namespace

Result<ChannelSet> make_device_channels(Communicator::Impl& impl, void* buffer, std::size_t bytes) {
  SLUICE_TRY_ASSIGN(const auto buffers, share(impl, buffer, bytes));
  SLUICE_TRY_ASSIGN(auto made, DeviceSignals::make(impl, 1, 1));
  const std::shared_ptr<const DeviceSignals> signals = std::move(made);
  SLUICE_TRY_ASSIGN(const auto waits, impl.device()->make_waits(impl.options().timeout));
  impl.keep(signals);
  impl.keep(waits);
  std::vector<MemoryChannel> channels;
  for (int peer = 0; peer < impl.size(); ++peer) {
    const HeldWindow& theirs = buffers[static_cast<std::size_t>(peer)];
    const ListedWait wait = signals->wait(peer, {}, 1);
    channels.push_back({.local = buffers[static_cast<std::size_t>(impl.rank())],
                        .remote = theirs,
                        .semaphore = {.inbound = wait.given,
                                      .outbound = signals->of_peer(peer, {}),
                                      .expected = wait.taken,
                                      .peer = peer},
                        .waits = reinterpret_cast<WaitState*>(waits.get())});
    impl.keep(theirs.mapping);
  }
  return ChannelSet(std::move(channels));
}

}  // namespace sluice
