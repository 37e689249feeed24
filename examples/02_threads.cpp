// Ranks that are threads of one process: one of them makes the ticket of the job, each joins with
// its own number. Every rank has a communicator of its own; the calls are the same as between
// processes.
#include <sluice/sluice.hpp>

#include <atomic>
#include <cstdio>
#include <thread>
#include <vector>

namespace {

constexpr int kRanks = 4;
constexpr std::size_t kCount = 1000;

/// One rank's part: gathers everybody's block and looks at every element. True when all are right.
bool run_rank(const sluice::UniqueId& id, int rank) {
  auto joined = sluice::Communicator::create(id, rank, kRanks);
  if (!joined.ok()) return false;
  const std::vector<int> block(kCount, 100 * rank);
  std::vector<int> all(kRanks * kCount);
  if (!joined->all_gather(block.data(), all.data(), kCount, sluice::data_type_of<int>()).ok())
    return false;
  for (std::size_t i = 0; i < all.size(); ++i)
    if (all[i] != 100 * static_cast<int>(i / kCount)) return false;
  std::printf("rank %d: %zu elements from %d threads, by algorithm %s\n", rank, all.size(), kRanks,
              std::string(joined->last_algorithm()).c_str());
  return true;
}

}  // namespace

int main() {
  const auto id = sluice::UniqueId::create();
  if (!id.ok()) return 1;
  std::atomic<int> right = 0;
  {
    std::vector<std::jthread> ranks;
    for (int r = 0; r < kRanks; ++r)
      ranks.emplace_back([&, r] { right += run_rank(id.value(), r); });
  }
  return right == kRanks ? 0 : 1;
}
