// The 128 bytes of a UniqueId. docs/bootstrap.md lists them byte by byte.
#pragma once

#include "bootstrap/address.hpp"
#include "bootstrap/authentication.hpp"
#include "sluice/unique_id.hpp"

namespace sluice::bootstrap {

struct IdFields {
  Address server;
  Secret secret{};
  /// Rank 0 starts the server in join(); otherwise it runs already, in the process that made the
  /// id.
  bool rank_zero_serves = false;
  /// With rank_zero_serves: listen on every interface, because `server` is how the others call this
  /// host.
  bool any_interface = false;
};

UniqueId encode_unique_id(const IdFields& fields);
/// kInvalidArgument when it is no id, of another version, or damaged.
Result<IdFields> decode_unique_id(const UniqueId& id);

/// Starts a server at `address` (port 0: a free one) in this process and makes the id that leads to
/// it.
Result<UniqueId> create_unique_id_at(Address address);

}  // namespace sluice::bootstrap
