// All ranks of an all-reduce on one device, without communicators: for a kernel that runs all of
// them at once.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "device/device.hpp"
#include "device/store.hpp"
#include "gpu/probes.hpp"
#include "plan/strand_memory.hpp"

namespace sluice::gpu {

class Job {
 public:
  /// `bytes` a rank, of floats; rank r's input is r + 1 everywhere.
  static Result<Job> create(unsigned ranks, unsigned strands, std::uint64_t bytes);

  /// Enqueues one all-reduce.
  Status launch(Schedule schedule, Stream stream);
  /// What is wrong with the outputs, or with the waits; empty: nothing.
  Result<std::string> check() const;

 private:
  using Memory = device::Store::Memory;
  Job() = default;
  Status make_rank(unsigned rank, const std::vector<std::byte*>& segments);

  StrandMemory shape_;
  std::uint64_t bytes_ = 0;
  std::vector<Memory> segments_, memory_, inputs_, outputs_;  // by rank
  Memory failures_;
  RanksCall call_{};
};

}  // namespace sluice::gpu
