// Channels in a kernel of one's own: two blocks of one device put to each other, signal and wait,
// many times in one launch. The block takes the place of a rank; over several devices only the
// memory differs. Without a GPU it says so and ends with 77.
#include <cuda_runtime.h>
#include <sluice/channel.hpp>

#include <cstdio>
#include <cstring>
#include <vector>

namespace {

constexpr std::uint64_t kCount = 1000, kRounds = 100;
constexpr std::uint64_t kHalf = kCount * sizeof(std::uint64_t);

/// What a rank has: room for two halves of its own and two of its peer's, counters on lines of
/// their own, and the state of its waits.
struct Rank {
  alignas(16) std::uint64_t own[2][kCount], theirs[2][kCount];
  alignas(128) std::uint64_t inbound;
  alignas(128) std::uint64_t expected;
  alignas(128) sluice::WaitState waits;
  std::uint64_t wrong;
};

__global__ void exchange(Rank* ranks) {
  const sluice::BlockGroup block;
  const int me = static_cast<int>(blockIdx.x);
  Rank& mine = ranks[me];
  Rank& peer = ranks[1 - me];
  const sluice::MemoryChannel channel{
      .local = {reinterpret_cast<std::byte*>(mine.own), 2 * kHalf},
      .remote = {reinterpret_cast<std::byte*>(peer.theirs), 2 * kHalf},
      .semaphore = {&mine.inbound, &peer.inbound, &mine.expected, 1 - me},
      .waits = &mine.waits};
  for (std::uint64_t round = 0; round < kRounds; ++round) {
    // The halves in turn: a peer that has signalled this round is done with the one before.
    const std::uint64_t half = round % 2;
    for (std::uint64_t i = block.rank(); i < kCount; i += block.size())
      mine.own[half][i] = round * kCount + i + static_cast<std::uint64_t>(me);
    block.sync();
    if (!channel.put(block, half * kHalf, half * kHalf, kHalf)) return;
    channel.signal(block);
    if (!channel.wait(block)) return;  // all threads leave; mine.waits.failure says why
    unsigned long long wrong = 0;
    for (std::uint64_t i = block.rank(); i < kCount; i += block.size())
      wrong += mine.theirs[half][i] != round * kCount + i + static_cast<std::uint64_t>(1 - me);
    if (wrong != 0) atomicAdd(reinterpret_cast<unsigned long long*>(&mine.wrong), wrong);
  }
}

}  // namespace

int main() {
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0)
    return std::printf("no GPU here\n"), 77;
  std::vector<Rank> ranks(2);
  std::memset(static_cast<void*>(ranks.data()), 0, 2 * sizeof(Rank));
  for (Rank& rank : ranks) rank.waits.timeout_ns = 5'000'000'000;
  Rank* on_device = nullptr;
  if (cudaMalloc(&on_device, 2 * sizeof(Rank)) != cudaSuccess) return 1;
  cudaMemcpy(on_device, ranks.data(), 2 * sizeof(Rank), cudaMemcpyHostToDevice);
  exchange<<<2, 256>>>(on_device);
  if (cudaMemcpy(ranks.data(), on_device, 2 * sizeof(Rank), cudaMemcpyDeviceToHost) != cudaSuccess)
    return 1;
  for (const Rank& rank : ranks)
    if (rank.waits.failed != 0 || rank.wrong != 0 || rank.expected != kRounds) return 1;
  std::printf("two blocks exchanged %d times\n", static_cast<int>(kRounds));
  return cudaFree(on_device) == cudaSuccess ? 0 : 1;
}
