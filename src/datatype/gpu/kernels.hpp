// The kernels that pack and unpack: what the host knows of them. No header of a GPU toolkit.
#pragma once

#include <cstdint>

#include "datatype/gpu/plan.hpp"

namespace sluice::datatype::gpu {

/// Threads of a block. Any number of blocks moves all of a plan; blocks_for() is enough to have the
/// device busy.
inline constexpr unsigned kThreads = 256;

/// At most `most`, which the device holds at once; at least 1.
constexpr unsigned blocks_for(const Plan& plan, unsigned most) {
  constexpr std::uint64_t kWordsOfThread = 4;
  const std::uint64_t wanted = plan.words / (kThreads * kWordsOfThread) + 1;
  return wanted < most ? static_cast<unsigned>(wanted) : (most == 0 ? 1 : most);
}

/// What device::launch takes: void(Plan, const std::byte* user, std::byte* packed). Offsets of the
/// plan count from `user`. Memory of both sides and of the plan's tables can be read and written by
/// the device. nullptr in a build without kernels.
const void* pack_kernel();
/// void(Plan, const std::byte* packed, std::byte* user)
const void* unpack_kernel();

/// Their names, for who loads them from an image by the driver, as the MPI door does.
inline constexpr const char* kPackName = "sluice_pack";
inline constexpr const char* kUnpackName = "sluice_unpack";

}  // namespace sluice::datatype::gpu
