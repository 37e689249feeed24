// What is still to be done when a request completes, found by the request's handle.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "bindings/mpi/functions.hpp"
#include "bindings/mpi/packed.hpp"
#include "bindings/mpi/type_info.hpp"

namespace sluice::mpi {

/// A message that is packed and not yet complete. Lies in memory of the pool.
struct Pending {
  Pending* next = nullptr;  ///< of the same place in the table
  std::uintptr_t key = 0;   ///< of the request
  const TypeInfo* type = nullptr;
  std::byte* user = nullptr;
  std::int64_t count = 0;
  device::Place place;  ///< of the user's memory
  Packed packed;
  Function function = Function::kCount;
  bool receives = false;
  bool persistent = false;
  bool active = false;                  ///< started and not yet complete
  bool unpacked = false;                ///< in advance, by Request_get_status
  std::atomic<bool> cancelled = false;  ///< MPI_Cancel was called

  std::int64_t bytes() const { return count * type->size; }
  // False after a failure of a GPU.
  bool pack() const { return packed.pack(*type, place, user, count); }
  bool unpack(std::int64_t received) const {
    return packed.unpack(*type, place, received, count, user);
  }
};

/// With memory for its packed bytes; null when there is none. Retains the type.
Pending* make_pending(Function function, const Route& route, const TypeInfo& type, const void* user,
                      std::int64_t count, bool receives);
/// Drops the type, releases the memory.
void dispose(Pending* pending);

namespace pending {

/// How many are in the table or are orphans: where this is zero there is nothing to look for.
extern std::atomic<std::int64_t> number;
inline bool any() { return number.load(std::memory_order_relaxed) != 0; }

void insert(Pending* pending, std::uintptr_t key);
/// The last that was inserted under this key, or null.
Pending* find(std::uintptr_t key);
/// False if it is no longer there.
bool take(Pending* pending);

}  // namespace pending

/// Orphans: requests that were freed while active. Their owner has no handle any more; we do.
namespace orphans {

extern std::atomic<int> number;
void add(Pending* pending);
/// Takes one that `done` says yes of, or null. `done` is called with a lock.
Pending* take_if(bool (*done)(Pending*));

}  // namespace orphans
}  // namespace sluice::mpi
