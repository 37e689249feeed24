// Channels for users' own algorithms: one-sided access to the peers' buffers, by host threads and
// in kernels with the same types. examples/ has an all-reduce written with them, and a kernel.
// docs/channels.md says what each of them promises, and what a kernel's memory must be.
#pragma once

#include <cstddef>
#include <vector>

#include "channel/block_group.hpp"
#include "channel/fifo.hpp"
#include "channel/memory_channel.hpp"
#include "channel/port_channel.hpp"
#include "channel/small_packet.hpp"
#include "channel/switch_channel.hpp"
#include "channel/thread_group.hpp"
#include "sluice/communicator.hpp"
#include "sluice/status.hpp"

namespace sluice {

/// This rank's channels to all ranks of a communicator, over one buffer of each.
class ChannelSet {
 public:
  /// The channel to `peer`: local is this rank's buffer, remote the peer's. Valid as long as the
  /// communicator. The channel to oneself signals and waits for oneself.
  const MemoryChannel& operator[](int peer) const {
    return channels_[static_cast<std::size_t>(peer)];
  }
  int size() const { return static_cast<int>(channels_.size()); }

  explicit ChannelSet(std::vector<MemoryChannel> channels) : channels_(std::move(channels)) {}

 private:
  std::vector<MemoryChannel> channels_;
};

/// Makes channels among all ranks over `buffer`, `bytes` long on every rank. Collective. The buffer
/// comes from sluice::alloc (or is any memory when all ranks are threads of one process) and stays
/// the caller's; free it after the communicator. A wait on a channel that fails ends the
/// communicator: Communicator::error() and last_error() tell why after the next call on it. Errors:
/// kInvalidArgument (not such a buffer), kInvalidUsage (sizes differ), and those of a communicator.
///
/// In memory of the rank's device (Options::device; on all ranks or none): the channels are for
/// kernels on that device, which take them by value, and for nobody on the host. Their counters and
/// `waits` are in device memory as well. A wait that fails ends the kernel's later ones, not the
/// communicator: copy *waits to the host behind the kernel to see `failed` and `failure`.
/// kInvalidUsage, too, where the devices do not reach each other.
Result<ChannelSet> make_channels(Communicator& communicator, void* buffer, std::size_t bytes);

}  // namespace sluice
