// The contract of a transport: register memory, show it to peers, open theirs, move bytes, raise
// counters.
//
// A transport never matches, queues or selects. Set-up (allocate, publish, open) may take locks,
// allocate and wait up to a deadline. The data path (put, get, signal, flush) is noexcept; where
// peers' memory is mapped it does none of that. Where it is not, a call takes its turn with other
// threads and waits for room on the way or, in a get, for the answer: never longer than the time
// that the transport was started with while nothing moves, and never so that this rank's own memory
// stops receiving. Optional powers are capability bits; claiming one makes its sub-concept
// mandatory, and tests/conformance runs every transport through the same suite, each test asking
// for the bits it needs.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/deadline.hpp"
#include "channel/memory_channel.hpp"
#include "sluice/status.hpp"

namespace sluice::transport {

enum Capability : std::uint32_t {
  kMapped = 1,     // a peer's memory can be loaded from and stored to: map()
  kOrdered = 2,    // puts to one peer arrive in order
  kGpuDirect = 4,  // device memory can be registered
};

/// What tells a peer where published memory is. Travels through the bootstrap; checked by open().
using Blob = std::vector<std::byte>;

template <class T>
concept TransportCore = requires(T& t, const T& constant, typename T::Remote& remote, Window window,
                                 std::uint64_t n, std::span<const std::byte> in,
                                 std::span<std::byte> out, Deadline by) {
  { T::kName } -> std::convertible_to<const char*>;
  { T::kCapabilities } -> std::convertible_to<std::uint32_t>;
  /// Zeroed memory that can be published; it lives until close().
  { t.allocate(n) } -> std::same_as<Result<Window>>;
  /// Lets peers open `window`, which allocate() returned.
  { t.publish(window) } -> std::same_as<Result<Blob>>;
  /// A peer's published memory. Errors: kInvalidArgument for a blob that no publish() made,
  /// kTimeout, kRemoteError.
  { t.open(in, by) } -> std::same_as<Result<typename T::Remote>>;

  /// One-sided write; in the peer's memory before the next signal(). Out of range:
  /// kInvalidArgument, nothing moves.
  { constant.put(remote, n, in) }
  noexcept->std::same_as<Status>;
  /// One-sided read.
  { constant.get(remote, n, out) }
  noexcept->std::same_as<Status>;
  /// Adds to the 64-bit counter at an 8-byte aligned offset, with release order.
  { constant.signal(remote, n, n) }
  noexcept->std::same_as<Status>;
  /// Returns when the local memory of all puts may be reused.
  { constant.flush(remote) }
  noexcept->std::same_as<Status>;
  /// Takes everything published back; idempotent. Peers that have it open keep it readable where it
  /// is mapped; elsewhere their calls return kRemoteError from then on.
  { t.close() }
  noexcept;
};

template <class T>
concept MapsMemory = requires(const typename T::Remote& remote) {
  { T::map(remote) }
  noexcept->std::same_as<Window>;
};

template <class T>
concept Transport = TransportCore<T> &&((T::kCapabilities & kMapped) == 0 || MapsMemory<T>);

}  // namespace sluice::transport
