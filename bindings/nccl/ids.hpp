// ncclUniqueId: the 128 bytes of a sluice::UniqueId.
#pragma once

#include <bit>

#include "bindings/nccl/nccl.h"
#include "sluice/unique_id.hpp"

namespace sluice::nccl {

static_assert(sizeof(UniqueId) == sizeof(ncclUniqueId));

inline UniqueId from_nccl(const ncclUniqueId& id) { return std::bit_cast<UniqueId>(id); }
inline ncclUniqueId to_nccl(const UniqueId& id) { return std::bit_cast<ncclUniqueId>(id); }

/// Of a new job, served by this process; with NCCL_COMM_ID=host:port the id that every process
/// makes for itself, served there by rank 0.
Result<UniqueId> make_id();

/// Whether ncclSetEncryption has given a key.
bool encrypts();

/// With a key: the id with its secret hidden by the key, or, of a hidden one, the id itself.
/// Without a key the id as it is.
Result<UniqueId> sealed(const UniqueId& id);

}  // namespace sluice::nccl
