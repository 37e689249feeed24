#include "support/strand_ranks.hpp"

#include <sys/mman.h>

#include <utility>

namespace sluice::test {

LazyMemory::LazyMemory(std::uint64_t bytes)
    : data_(static_cast<std::byte*>(::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0))),
      bytes_(bytes) {}

LazyMemory::LazyMemory(LazyMemory&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), bytes_(other.bytes_) {}

LazyMemory::~LazyMemory() {
  if (data_ != nullptr) ::munmap(data_, bytes_);
}

StrandRank::StrandRank(StrandShape shape)
    : shape_(shape),
      memory_(shape.strands),
      strands_(shape.strands),
      gate_(shape.strands * shape.threads) {
  for (unsigned s = 0; s < shape.strands; ++s)
    barriers_.push_back(std::make_unique<TeamBarrier>(shape.threads));
  for (unsigned s = 0; s < shape.strands; ++s)
    for (unsigned t = s == 0 ? 1 : 0; t < shape.threads; ++t)
      threads_.emplace_back([this, s, t] {
        for (;;) {
          gate_.arrive(false);
          if (body_ == nullptr) return;
          work(s, t);
          gate_.arrive(false);
        }
      });
}

StrandRank::~StrandRank() {
  body_ = nullptr;
  gate_.arrive(false);
  for (std::thread& thread : threads_) thread.join();
}

void StrandRank::launch(const Body& body) {
  body_ = &body;
  gate_.arrive(false);
  work(0, 0);
  gate_.arrive(false);
}

void StrandRank::abort() {
  for (Memory& memory : memory_) port::store_release(&memory.waits.abort_word, 1);
}

void StrandRank::work(unsigned strand, unsigned thread) {
  (*body_)(HostTeam(*barriers_[strand], thread, shape_.threads), strands_[strand]);
}

StrandRanks::StrandRanks(int ranks, StrandShape shape, std::chrono::nanoseconds timeout) {
  const auto p = static_cast<std::size_t>(ranks);
  const SegmentLayout layout{p};
  for (std::size_t i = 0; i < p * shape.strands; ++i) segments_.emplace_back(layout.bytes());
  for (std::size_t r = 0; r < p; ++r) {
    StrandRank& rank = *ranks_.emplace_back(std::make_unique<StrandRank>(shape));
    for (std::size_t s = 0; s < shape.strands; ++s) {
      StrandRank::Memory& memory = rank.memory_[s];
      memory.peers.resize(p);
      for (std::size_t peer = 0; peer < p; ++peer)
        memory.peers[peer].segment = segments_[peer * shape.strands + s].data();
      memory.waits.timeout_ns = static_cast<std::uint64_t>(timeout.count());
      memory.waits.sleepers = &reinterpret_cast<SegmentHeader*>(segments_[s].data())->sleepers;
      memory.sources.resize(p);
      memory.destinations.resize(p + 1);
      memory.scratch.resize(Links::scratch_bytes(kHostLinks));
      FabricParts parts;
      parts.rank = static_cast<std::int32_t>(r);
      parts.ranks = ranks;
      parts.peers = memory.peers.data();
      parts.waits = &memory.waits;
      parts.piece_scratch = memory.scratch.data();
      parts.sources = memory.sources.data();
      parts.destinations = memory.destinations.data();
      rank.strands_[s] = {.fabric = Fabric(parts),
                          .index = static_cast<std::int32_t>(s),
                          .count = static_cast<std::int32_t>(shape.strands),
                          .failure = &rank.failure_};
    }
  }
}

}  // namespace sluice::test
