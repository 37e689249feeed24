// A file descriptor on its way between two processes, and the key that both prove to have.
#pragma once

#include <array>
#include <cstdint>

#include "base/fd.hpp"

namespace sluice {

/// Known to the processes of one job only.
using DescriptorKey = std::array<std::uint8_t, 32>;

struct ReceivedDescriptor {
  Fd fd;
  std::uint64_t bytes = 0;  // size of the memory behind it, as its owner says
};

}  // namespace sluice
