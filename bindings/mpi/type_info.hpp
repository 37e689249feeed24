// What is known of a datatype, whatever the library.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "bindings/mpi/policy.hpp"
#include "datatype/layout.hpp"

namespace sluice::mpi {

/// What looking into a datatype gives.
struct Analysed {
  datatype::LayoutPtr layout;
  /// Of the predefined types in it, if all are as long; 0 if there are none, kMixedElements if they
  /// differ.
  std::int64_t element_bytes = 0;
};
inline constexpr std::int64_t kMixedElements = -1;
constexpr std::int64_t common_element(std::int64_t one, std::int64_t other) {
  if (one == 0 || one == other) return other;
  return other == 0 ? one : kMixedElements;
}

struct TypeInfo {
  /// One of the attribute on the type, one of each pending request that will use it.
  mutable std::atomic<std::int64_t> references{1};
  datatype::LayoutPtr layout;  ///< null: not understood, nothing of it is accelerated
  std::int64_t size = 0;
  std::int64_t extent = 0;
  std::int64_t element_bytes = 0;
  /// Any number of elements is one block, which begins `block_at` behind their address.
  bool is_block = false;
  std::int64_t block_at = 0;
  /// The hulls of what is packed of sends and of receives, whoever the peer is.
  policy::Range sends, receives;
  /// Received by us whatever the table says: the library would lose elements of what a rank sends
  /// that has packed it.
  bool always_received = false;
  policy::Window windows[policy::kCalls];
  std::vector<policy::DeviceRange> device_ranges;

  bool contiguous() const { return is_block; }
  Analysed analysed() const { return {layout, element_bytes}; }
  const policy::Window& window(policy::Call call) const { return windows[static_cast<int>(call)]; }
  /// Of one side of a message, kSend or kReceive. What it misses is packed with no peer.
  const policy::Range& reach(policy::Call side) const {
    return side == policy::Call::kSend ? sends : receives;
  }
  /// Whether a call is packed in the host's memory; `self`: it is a send or a receive whose peer is
  /// this rank.
  bool packs(policy::Call call, bool self, std::uint64_t bytes) const {
    const bool forced = always_received && call == policy::Call::kReceive;
    return window(self && !forced ? policy::Call::kSelf : call).contains(bytes);
  }
};

inline void retain(const TypeInfo* type) {
  type->references.fetch_add(1, std::memory_order_relaxed);
}
inline void drop(const TypeInfo* type) {
  if (type->references.fetch_sub(1, std::memory_order_acq_rel) == 1) delete type;
}

/// Complete with windows. The layout may be null. `loses_cut_elements`: the library does, see
/// abi.hpp.
TypeInfo* make_type_info(Analysed analysed, bool loses_cut_elements);

/// Keeps a type from ending while a call that was given it is under way: another thread may free it
/// meanwhile.
class Hold {
 public:
  /// May be null.
  explicit Hold(const TypeInfo* type) : type_(type) {
    if (type_ != nullptr) retain(type_);
  }
  ~Hold() {
    if (type_ != nullptr) drop(type_);
  }
  Hold(const Hold&) = delete;
  Hold& operator=(const Hold&) = delete;

 private:
  const TypeInfo* type_;
};

/// Of a call's packed bytes; more than any window has where the product is beyond 64 bits.
template <class N>
std::uint64_t bytes_of(N count, const TypeInfo& type) {
  if constexpr (sizeof(N) > sizeof(int)) {
    if (count != static_cast<int>(count)) return ~std::uint64_t{0};
  }
  // An int times less than 2^31 (no window is open for larger types): no overflow; a negative count
  // gives a huge number.
  return static_cast<std::uint64_t>(count) * static_cast<std::uint64_t>(type.size);
}

}  // namespace sluice::mpi
