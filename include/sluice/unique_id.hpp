// The ticket of a job: made by one process, carried to the others by any means, and enough to join.
#pragma once

#include <array>
#include <cstddef>

#include "sluice/status.hpp"

namespace sluice {

/// 128 bytes: where the rendezvous listens and the job's random secret. Whoever holds it can join
/// the job, so treat it like a password. Plain bytes: copy it, send it, write it to a file of mode
/// 0600.
struct UniqueId {
  std::array<std::byte, 128> bytes{};

  /// Makes an id and starts its rendezvous on a thread of this process, which must stay alive until
  /// every rank has joined. Listens on SLUICE_ROOT_ADDRESS if set, else on the first interface that
  /// SLUICE_NET selects, by default that of the default route (loopback where this host has no
  /// other). Errors: kSystemError (no socket to be had), kInvalidArgument (SLUICE_NET names what
  /// this host does not have).
  static Result<UniqueId> create();
};

}  // namespace sluice
