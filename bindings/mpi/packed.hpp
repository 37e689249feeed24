// The packed form of what a call moves, and the way between it and the user's memory.
#pragma once

#include <cstddef>
#include <cstdint>

#include "bindings/mpi/device.hpp"
#include "bindings/mpi/pool.hpp"
#include "bindings/mpi/report.hpp"
#include "bindings/mpi/type_info.hpp"

namespace sluice::mpi {

/// What becomes of a call.
struct Route {
  bool packs = false;  ///< else it is passed on: why, `reason` says
  report::Reason reason = report::Reason::kEmpty;
  policy::Way way = policy::Way::kHost;
  device::Place place = {};  ///< the user's memory
  /// The host's memory that is its own packed form, one element without a gap: nothing is moved.
  std::byte* own_form = nullptr;
};

/// Memory for a packed form. Several stretches of user memory may go there, each at its own offset:
/// all of the host, or of one context if the way is kDevice.
class Packed {
 public:
  Packed() = default;
  ~Packed();
  Packed(const Packed&) = delete;
  Packed& operator=(const Packed&) = delete;

  /// Of an empty one: whether there was memory. `must`: also beyond what may be in use.
  bool acquire(const Route& route, std::int64_t bytes, bool must) {
    if (route.own_form != nullptr) return bytes_ = route.own_form, is_users_ = true;
    if (route.way != policy::Way::kHost) [[unlikely]]
      return acquire_reached(route, bytes);
    return host_.acquire(bytes, must) && (bytes_ = host_.get(), true);
  }
  explicit operator bool() const { return bytes_ != nullptr; }
  /// What the library is given.
  std::byte* get() const { return bytes_; }

  /// False after a failure of a GPU, of which stderr has been told.
  bool pack(const TypeInfo& type, const device::Place& place, const void* user, std::int64_t count,
            std::int64_t at = 0) const {
    if (is_users_) return true;
    if (place.where != device::Where::kHost) [[unlikely]]
      return pack_there(type, place, user, count, at);
    type.layout->pack(user, count, bytes_ + at);
    return true;
  }
  /// The first `received` bytes of these elements' packed form; what is beyond them is ignored.
  bool unpack(const TypeInfo& type, const device::Place& place, std::int64_t received,
              std::int64_t count, void* user, std::int64_t at = 0) const {
    if (is_users_) return true;
    if (place.where != device::Where::kHost) [[unlikely]]
      return unpack_there(type, place, received, count, user, at);
    if (received >= count * type.size)
      type.layout->unpack(bytes_ + at, count, user);
    else if (received > 0)
      type.layout->unpack_range(bytes_ + at, count, 0, received, user);
    return true;
  }

 private:
  bool acquire_reached(const Route& route, std::int64_t bytes);
  bool pack_there(const TypeInfo& type, const device::Place& place, const void* user,
                  std::int64_t count, std::int64_t at) const;
  bool unpack_there(const TypeInfo& type, const device::Place& place, std::int64_t received,
                    std::int64_t count, void* user, std::int64_t at) const;

  std::byte* bytes_ = nullptr;
  bool is_users_ = false;  ///< it is the user's memory
  pool::Buffer host_;
  device::Memory* reached_ = nullptr;  ///< pinned, or the device's: in place of host_
  device::Memory* scratch_ = nullptr;  ///< the device's, where the way is kStaged
};

}  // namespace sluice::mpi
