// What a rank has on its GPU: strands, their segments, and the launch of collectives on streams.
// docs/cuda.md says how they work.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/deadline.hpp"
#include "bootstrap/bootstrap.hpp"
#include "communicator/operation.hpp"
#include "device/device.hpp"
#include "device/store.hpp"
#include "plan/selection.hpp"
#include "plan/strand_memory.hpp"
#include "sluice/communicator.hpp"
#include "sluice/device.hpp"

namespace sluice {

/// What a device part is made of. All ranks make theirs together.
struct DeviceJob {
  Bootstrap& bootstrap;
  Deadline deadline;
  int device;   // of this process
  int strands;  // at most; 0: as many as fit, and leave room
  std::chrono::nanoseconds timeout;
  std::string algorithm;           // as Options::algorithm
  std::vector<bool> same_process;  // by rank
};

/// The lengths of a v-form's blocks.
struct BlockLengths {
  std::span<const std::size_t> counts;
  const std::size_t* displacements = nullptr;  // null: one behind the other
};

class DevicePart {
 public:
  /// Collective. An error on one rank is one on all.
  static Result<std::unique_ptr<DevicePart>> make(const DeviceJob& job);

  /// Enqueues a call that has been checked. `reduction`: of those that reduce. `lengths`: of the
  /// v-forms. Returns the algorithm.
  Result<std::string_view> run(const Call& call, const Reduction& reduction,
                               const BlockLengths& lengths, Stream stream);

  /// Whether kernels of this rank can use what `memory` points to, as `what` of a call.
  Status expect_reached(const void* memory, const char* what);
  /// Whether the host can.
  Status expect_host(const void* memory, const char* what) const;

  /// Why a kernel of this rank ended early; null: none has. Any thread.
  const StrandFailure* failure() const;
  /// failure() in words: "device 0, all_reduce #3 (...): waited ...".
  std::string text_of(const StrandFailure& failure) const;

  /// Whether it comes of ranks that called different things.
  static bool is_mismatch(const StrandFailure& failure);

  /// Ends the waits of kernels in flight, and of all later ones. Any thread.
  void abort() { port::store_release(&pinned().abort_word, 1); }

  int device() const { return device_; }
  /// Memory that it has on the device.
  std::uint64_t device_bytes() const { return shape_.segments_bytes() + shape_.bytes(); }
  int strands() const { return static_cast<int>(shape_.strands); }

 private:
  friend class DeviceSetup;
  DevicePart() = default;

  /// What the host and the kernels both see.
  struct Pinned {
    alignas(kPollSpacing) std::uint64_t abort_word;  // written by the host
    alignas(kPollSpacing) StrandFailure failure;     // written by a kernel
  };
  Pinned& pinned() const { return *reinterpret_cast<Pinned*>(pinned_.get()); }

  Result<std::string_view> run_scaled(Call call, const Reduction& reduction,
                                      const BlockLengths& lengths, Stream stream);
  Result<std::string_view> enqueue(const Call& call, BufferAccess access,
                                   const BlockLengths& lengths, Stream stream);
  Status scale(std::byte* destination, const Call& call, std::uint64_t bytes,
               const Reduction& reduction, Stream stream) const;
  unsigned strands_for(std::uint64_t bytes) const;

  int device_ = 0;
  int rank_ = 0;
  StrandMemory shape_;
  device::Facts facts_;
  device::Store::Memory segments_, memory_, pinned_;
  std::vector<std::shared_ptr<std::byte>> peers_segments_;  // by rank
  bool direct_ = false;  // every rank's kernels reach every rank's buffers
  Selection selection_;
  std::array<const void*, 64> known_{};  // pointers that expect_reached() has found good
};

}  // namespace sluice
