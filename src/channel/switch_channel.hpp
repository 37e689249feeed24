// SwitchChannel: memory of all ranks behind one address, where the fabric adds and multiplies.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>

#include "base/port.hpp"
#include "channel/memory_channel.hpp"
#include "channel/thread_group.hpp"
#include "channel/wait.hpp"
#include "sluice/types.hpp"

namespace sluice {

/// Adds what all ranks hold at an address, and writes to all of them: 16 bytes at a time, aligned.
template <class S>
concept Switch = requires(const S& fabric, DataType type, std::byte* to, const std::byte* from,
                          const port::Vector16& value) {
  { S::kPresent } -> std::convertible_to<bool>;
  { fabric.add(type, from) } -> std::same_as<port::Vector16>;
  { fabric.store(to, value) } -> std::same_as<void>;
};

/// NVLink SHARP: the multimem instructions of sm_90 and later. Elsewhere kPresent is false.
struct Multimem {
  static constexpr bool kPresent = port::kHasMultimem;

  SLUICE_FN port::Vector16 add(DataType type, const std::byte* from) const {
    if constexpr (kPresent) {
      if (type == DataType::kFloat16) return port::multimem_add_float16(from);
      if (type == DataType::kBfloat16) return port::multimem_add_bfloat16(from);
      return port::multimem_add_float32(from);
    }
    return {};
  }
  SLUICE_FN void store(std::byte* to, const port::Vector16& value) const {
    if constexpr (kPresent) port::multimem_store(to, value);
  }
};
static_assert(Switch<Multimem>);

/// A handle: trivially copyable, usable in a kernel, owns nothing. By all threads of `group` with
/// the same arguments; not a barrier. Nothing is ordered: barriers and signals over other channels
/// say when what was written may be read. Offsets and sizes are multiples of 16 and checked in
/// every build: one that is not, or leaves the window, moves nothing, returns false and ends the
/// communicator.
template <Switch S = Multimem>
struct SwitchChannel {
  Window multicast;  // stands for the same stretch of every rank's memory
  WaitState* waits = nullptr;
  std::int32_t rank = -1;  // this one, for errors
  S fabric{};

  /// destination[0, bytes) = the sum over all ranks of [offset, + bytes), in fp32, rounded once.
  /// kFloat32, kFloat16, kBfloat16.
  template <ThreadGroup Group>
  SLUICE_FN bool reduce(const Group& group, std::byte* destination, std::uint64_t offset,
                        std::uint64_t bytes, DataType type) const {
    const bool adds =
        type == DataType::kFloat32 || type == DataType::kFloat16 || type == DataType::kBfloat16;
    if (!check(group, offset, bytes, destination, adds)) return false;
    for (std::uint64_t i = group.rank() * kStep; i < bytes; i += group.size() * kStep)
      port::store_aligned(destination + i, fabric.add(type, multicast.base + offset + i));
    return true;
  }

  /// Every rank's [offset, + bytes) = source[0, bytes).
  template <ThreadGroup Group>
  SLUICE_FN bool broadcast(const Group& group, std::uint64_t offset, const std::byte* source,
                           std::uint64_t bytes) const {
    if (!check(group, offset, bytes, source, true)) return false;
    for (std::uint64_t i = group.rank() * kStep; i < bytes; i += group.size() * kStep)
      fabric.store(multicast.base + offset + i, port::load_aligned<port::Vector16>(source + i));
    return true;
  }

 private:
  static constexpr std::uint64_t kStep = sizeof(port::Vector16);

  template <ThreadGroup Group>
  SLUICE_FN bool check(const Group& group, std::uint64_t offset, std::uint64_t bytes,
                       const std::byte* own, bool adds) const {
    const bool whole = (offset | bytes | reinterpret_cast<std::uintptr_t>(own)) % kStep == 0;
    if (S::kPresent && adds && whole && multicast.contains(offset, bytes)) return true;
    if (group.rank() != 0) return false;
    record_failure(*waits, S::kPresent ? WaitOutcome::kOutOfRange : WaitOutcome::kUnreachable, rank,
                   multicast.bytes, offset + bytes);
    return false;
  }
};

}  // namespace sluice
