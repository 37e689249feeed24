#include "bindings/mpi/packed.hpp"

#include <algorithm>

namespace sluice::mpi {

using device::Kind;
using policy::Way;

Packed::~Packed() {
  if (reached_ != nullptr) device::release(reached_);
  if (scratch_ != nullptr) device::release(scratch_);
}

/// A library that knows of no GPU cannot be given the call instead: what may be in use does not
/// count.
bool Packed::acquire_reached(const Route& route, std::int64_t bytes) {
  reached_ = device::acquire(route.way == Way::kDevice ? Kind::kDevice : Kind::kPinned, route.place,
                             bytes, route.way != Way::kDevice);
  if (reached_ == nullptr) return false;
  if (route.way == Way::kStaged) {
    scratch_ = device::acquire(Kind::kDevice, route.place, bytes, true);
    if (scratch_ == nullptr) return false;
  }
  bytes_ = device::bytes_of(reached_);
  return true;
}

bool Packed::pack_there(const TypeInfo& type, const device::Place& place, const void* user,
                        std::int64_t count, std::int64_t at) const {
  if (scratch_ == nullptr || type.contiguous())
    return device::pack(place, type.layout, user, count, bytes_ + at);
  std::byte* const packed = device::bytes_of(scratch_) + at;
  return device::pack(place, type.layout, user, count, packed) &&
         device::copy(place, bytes_ + at, packed, count * type.size);
}

bool Packed::unpack_there(const TypeInfo& type, const device::Place& place, std::int64_t received,
                          std::int64_t count, void* user, std::int64_t at) const {
  const std::int64_t bytes = std::min(received, count * type.size);
  if (scratch_ == nullptr || type.contiguous())
    return device::unpack(place, type.layout, bytes_ + at, bytes, count, user);
  std::byte* const packed = device::bytes_of(scratch_) + at;
  return device::copy(place, packed, bytes_ + at, bytes) &&
         device::unpack(place, type.layout, packed, bytes, count, user);
}

}  // namespace sluice::mpi
