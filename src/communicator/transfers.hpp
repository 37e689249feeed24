// Messages as a program lists them: what is checked, and how those of a rank to itself pair up.
// What messages on host memory and those on streams have in common.
#pragma once

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "communicator/impl.hpp"

namespace sluice {

Status check_transfers(const Communicator::Impl& impl,
                       std::span<const Communicator::Transfer> transfers);

/// The sends of a rank to itself with its receives from itself, in order.
using OwnMessage = std::pair<const Communicator::Transfer*, const Communicator::Transfer*>;
Result<std::vector<OwnMessage>> own_messages(int rank,
                                             std::span<const Communicator::Transfer> transfers);

/// The arguments of all_to_all_v.
struct AllToAllV {
  const std::byte* input;
  std::span<const std::size_t> send_counts, send_displacements;
  std::byte* output;
  std::span<const std::size_t> receive_counts, receive_displacements;
  DataType type;

  const std::byte* sent_to(std::size_t peer) const {
    return input + send_displacements[peer] * size_in_bytes(type);
  }
  std::byte* received_from(std::size_t peer) const {
    return output + receive_displacements[peer] * size_in_bytes(type);
  }
};
Status check(const Communicator::Impl& impl, const AllToAllV& call);

}  // namespace sluice
