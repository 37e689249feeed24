// What a rank has on its GPU: strands, their segments, and the launch of collectives on streams.
// docs/cuda.md says how they work.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/deadline.hpp"
#include "bootstrap/bootstrap.hpp"
#include "communicator/device_proxy.hpp"
#include "communicator/operation.hpp"
#include "communicator/peer_memory.hpp"
#include "device/device.hpp"
#include "device/store.hpp"
#include "plan/selection.hpp"
#include "plan/strand_exchange.hpp"
#include "plan/strand_memory.hpp"
#include "plan/strand_one_sided.hpp"
#include "sluice/communicator.hpp"
#include "sluice/device.hpp"

namespace sluice {

/// How many strands are asked for; Options has what each means.
struct StrandsAsked {
  std::int32_t wanted = 0, least = 0, most = 0;
};

/// What a device part is made of. All ranks make theirs together.
struct DeviceJob {
  Bootstrap& bootstrap;
  Deadline deadline;
  int device;  // of this process
  StrandsAsked strands;
  std::chrono::nanoseconds timeout;
  std::string algorithm;                   // as Options::algorithm
  std::span<const PeerProcess> processes;  // by rank
  transport::Shm* shm;                     // null where all ranks are threads of one process
  /// Where ranks are on several hosts: what does the host's part. Collective.
  std::function<Result<std::unique_ptr<DeviceProxy>>()> make_proxy;
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

  /// Enqueues messages that have been checked.
  Status exchange(std::span<const ListedTransfer> transfers, ExchangeCall call, Stream stream);

  /// Enqueues puts and the signals behind them, or waits for signals; checked likewise.
  /// device_one_sided.cpp.
  Status put(std::span<const ListedPut> puts, Stream stream);
  Status wait_for(std::span<const ListedWait> waits, Stream stream);
  /// Zeroed memory of the device that all ranks' kernels can be shown.
  Result<device::Store::Memory> memory_to_show(std::uint64_t bytes) const;

  /// A WaitState on this rank's device for a user's kernels, which the communicator's abort ends.
  Result<device::Store::Memory> make_waits(std::chrono::nanoseconds timeout) const;

  /// Whether kernels of this rank can use what `memory` points to, as `what` of a call.
  Status expect_reached(const void* memory, const char* what);
  /// Whether the host can.
  Status expect_host(const void* memory, const char* what) const;

  /// Memory of all ranks that each has registered; device_regions.cpp.
  struct Region {
    std::byte* base = nullptr;  // of this rank's; null: none has this number
    std::uint64_t bytes = 0;
    std::vector<HeldWindow> of_ranks;  // where kernels here reach that of each rank
  };
  /// The number that the next one gets, from 0; kInvalidUsage when there are as many as can be.
  Result<std::uint64_t> next_region() const;
  /// The number of the one that begins at `base`; kInvalidArgument: there is none.
  Result<std::uint64_t> region_at(const void* base) const;
  /// From now on kernels find the ranks' memory of that number where `region` says.
  Status set_region(std::uint64_t number, Region region);

  /// Why a kernel of this rank ended early; null: none has. Any thread.
  const StrandFailure* failure() const;
  /// failure() in words: "device 0, all_reduce #3 (...): waited ...".
  std::string text_of(const StrandFailure& failure) const;

  /// Whether it comes of ranks that called different things.
  static bool is_mismatch(const StrandFailure& failure);

  /// Ends the waits of kernels in flight, and of all later ones. Any thread.
  void abort();
  /// Before its owner ends: afterwards no thread of this tells the owner of a failure.
  void stop();

  int device() const { return device_; }
  /// Memory that it has on the device; segments in memory of the host are not.
  std::uint64_t device_bytes() const {
    return shape_.bytes() + (segments_on_device_ ? shape_.segments_bytes() : 0);
  }
  /// Whether kernels of every rank reach the memory of every rank's device.
  bool reaches_peers() const { return reaches_peers_; }
  int strands() const { return static_cast<int>(shape_.strands); }

 private:
  friend class DeviceSetup;
  DevicePart() = default;

  /// Up to so many bytes few threads are quicker, because their barriers are.
  static constexpr std::uint64_t kBytesOfFew = 2 * 1024;
  static constexpr unsigned kFewThreads = 128;

  /// What the host and the kernels both see.
  struct Pinned {
    alignas(kPollSpacing) std::uint64_t abort_word;  // written by the host
    alignas(kPollSpacing) StrandFailure failure;     // written by a kernel
  };
  Pinned& pinned() const { return *reinterpret_cast<Pinned*>(pinned_.get()); }

  Result<std::string_view> run_scaled(Call call, const Reduction& reduction,
                                      const BlockLengths& lengths, Stream stream);
  /// What of the call's buffers all ranks' kernels reach, and how.
  struct Reached {
    BufferAccess access = BufferAccess::kNone;
    RegionPlace input{}, output{};
  };
  Reached reached(const Call& call) const;
  Result<std::string_view> enqueue(const Call& call, const Reached& reached,
                                   const BlockLengths& lengths, Stream stream);
  Result<ExchangeLaunch> list(std::span<const ListedTransfer> transfers, const ExchangeCall& call,
                              Stream stream) const;
  Status exchange_by_proxy(std::span<const ListedTransfer> transfers, const ExchangeCall& call,
                           Stream stream);
  Result<std::string_view> ask_proxy(const Call& call, const Reduction& reduction,
                                     const BlockLengths& lengths, Stream stream);
  Status scale(std::byte* destination, const Call& call, std::uint64_t bytes,
               const Reduction& reduction, Stream stream) const;
  Status launch_one_sided(OneSidedLaunch& launch, unsigned threads, Stream stream) const;
  unsigned strands_for(std::uint64_t bytes) const;
  RegionPlace place_in_regions(const std::byte* buffer, std::uint64_t bytes) const;

  int device_ = 0;
  int rank_ = 0;
  int ranks_ = 1;
  StrandMemory shape_;
  std::uint64_t least_strands_ = 1;  // of a collective
  device::Facts facts_;
  device::Store::Memory segments_, memory_, pinned_;
  std::vector<std::shared_ptr<std::byte>> peers_segments_;  // by rank
  bool reaches_peers_ = true;
  bool segments_on_device_ = true;
  bool direct_ = false;  // every rank's kernels reach every rank's buffers
  std::vector<Region> regions_;
  std::unique_ptr<DeviceProxy> proxy_;  // where ranks are on several hosts: of all calls
  Selection selection_;
  std::array<const void*, 64> known_{};  // pointers that expect_reached() has found good
};

}  // namespace sluice
