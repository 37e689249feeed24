#include "support/strand_ranks.hpp"

#include <sys/mman.h>

#include <cstring>
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

StrandRank::StrandRank(int ranks, StrandShape shape)
    : shape_(shape),
      memory_(StrandMemory{static_cast<std::uint64_t>(ranks), shape.strands}.bytes()),
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
  for (unsigned s = 0; s < shape_.strands; ++s)
    port::store_release(&strand(s).fabric.waits().abort_word, 1);
}

void StrandRank::work(unsigned strand, unsigned thread) {
  (*body_)(HostTeam(*barriers_[strand], thread, shape_.threads), this->strand(strand));
}

StrandRanks::StrandRanks(int ranks, StrandShape shape, std::chrono::nanoseconds timeout) {
  const StrandMemory memory{static_cast<std::uint64_t>(ranks), shape.strands};
  std::vector<std::byte*> segments;
  for (int r = 0; r < ranks; ++r)
    segments.push_back(segments_.emplace_back(memory.segments_bytes()).data());
  for (int r = 0; r < ranks; ++r) {
    StrandRank& rank = *ranks_.emplace_back(std::make_unique<StrandRank>(ranks, shape));
    const auto image = strand_image(
        memory, r, {.memory = rank.memory_.data(), .segments = segments, .failure = &rank.failure_},
        static_cast<std::uint64_t>(timeout.count()));
    std::memcpy(rank.memory_.data(), image.data(), image.size());
  }
}

}  // namespace sluice::test
