// Ranks that work with strands, in one process: what ranks on a GPU are, with host threads instead
// of blocks.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "plan/strand.hpp"
#include "plan/strand_memory.hpp"
#include "support/host_team.hpp"

namespace sluice::test {

/// Zeroed memory that costs only what is touched.
class LazyMemory {
 public:
  explicit LazyMemory(std::uint64_t bytes);
  ~LazyMemory();
  LazyMemory(LazyMemory&& other) noexcept;
  LazyMemory& operator=(LazyMemory&&) = delete;
  std::byte* data() const { return data_; }

 private:
  std::byte* data_;
  std::uint64_t bytes_;
};

struct StrandShape {
  unsigned strands;  // of a rank
  unsigned threads;  // of a strand
};

/// One rank's strands and the threads that run them. The threads live as long as it does; the one
/// that calls launch() is the first of them.
class StrandRank {
 public:
  using Body = std::function<void(const HostTeam&, Strand&)>;

  StrandRank(int ranks, StrandShape shape);
  ~StrandRank();
  StrandRank(const StrandRank&) = delete;
  StrandRank& operator=(const StrandRank&) = delete;

  /// Runs `body` on all threads of all strands; returns when all have.
  void launch(const Body& body);
  Strand& strand(unsigned index) { return strands()[index]; }
  const StrandFailure& failure() const { return failure_; }
  /// Ends all waits.
  void abort();

 private:
  friend class StrandRanks;
  void work(unsigned strand, unsigned thread);
  Strand* strands() { return reinterpret_cast<Strand*>(memory_.data()); }

  const StrandShape shape_;
  LazyMemory memory_;
  StrandFailure failure_;

  TeamBarrier gate_;  // before and after a launch
  std::vector<std::unique_ptr<TeamBarrier>> barriers_;
  const Body* body_ = nullptr;  // null: there is no more
  std::vector<std::thread> threads_;
};

/// All ranks of a job.
class StrandRanks {
 public:
  StrandRanks(int ranks, StrandShape shape, std::chrono::nanoseconds timeout);

  StrandRank& operator[](int rank) { return *ranks_[static_cast<std::size_t>(rank)]; }
  int size() const { return static_cast<int>(ranks_.size()); }

 private:
  std::vector<LazyMemory> segments_;  // by rank: of all its strands
  std::vector<std::unique_ptr<StrandRank>> ranks_;
};

}  // namespace sluice::test
