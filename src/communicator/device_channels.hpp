// Channels over memory of the ranks' devices, for kernels.
#pragma once

#include <cstddef>

#include "communicator/impl.hpp"
#include "sluice/channel.hpp"

namespace sluice {

/// make_channels() for a buffer in device memory. Collective. `impl` has a device part.
Result<ChannelSet> make_device_channels(Communicator::Impl& impl, void* buffer, std::size_t bytes);

}  // namespace sluice
