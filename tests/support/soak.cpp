#include "support/soak.hpp"

#include <fmt/format.h>

#include <chrono>
#include <cstring>
#include <iterator>
#include <random>
#include <string_view>
#include <thread>

#include "support/collective_case.hpp"
#include "support/sweep.hpp"

namespace sluice::test {
namespace {

/// Mostly nothing, sometimes a yield, now and then a millisecond.
void rest(std::mt19937_64& random) {
  const auto kind = random() % 256;
  if (kind == 0) std::this_thread::sleep_for(std::chrono::microseconds(random() % 1000));
  if (kind % 8 == 1) std::this_thread::yield();
}

Case random_case(std::mt19937_64& random, int ranks, std::uint64_t largest_count) {
  const std::uint64_t limit = random() % 16 == 0 ? largest_count : 100;
  return {.collective = static_cast<Collective>(random() % kCollectiveCount),
          .type = kAllTypes[random() % std::size(kAllTypes)],
          .op = kAllOps[random() % std::size(kAllOps)],
          .count = random() % (limit + 1),
          .root = static_cast<int>(random() % static_cast<unsigned>(ranks)),
          .in_place = random() % 3 == 0,
          .input_shift = random() % 64,
          .output_shift = random() % 64,
          .memory = static_cast<Memory>(random() % 3)};
}

}  // namespace

std::string run_soak(Communicator& c, const Soak& soak) {
  std::mt19937_64 random(soak.seed), own(soak.seed + 1000 + static_cast<unsigned>(c.rank()));
  CaseRunner runner(c);
  for (int i = 0; i < soak.operations; ++i) {
    if (soak.delays) rest(own);
    const Case next = random_case(random, c.size(), soak.largest_count);
    if (std::string error = runner.run(next); !error.empty())
      return fmt::format("operation {}: {}", i, error);
  }
  return {};
}

std::string reduce_and_hash(Communicator& c, std::uint64_t delay_seed, std::size_t shift,
                            std::vector<std::uint64_t>& hashes) {
  std::mt19937_64 own(delay_seed + static_cast<unsigned>(c.rank()));
  std::mt19937_64 numbers(7 + static_cast<unsigned>(c.rank()));
  std::uniform_real_distribution<float> fraction(-1, 1);
  for (const std::size_t count : {1, 5, 100, 1500, 20'000, 150'000}) {
    std::vector<std::byte> input(count * sizeof(float) + 64), output(input.size());
    for (std::size_t i = 0; i < count; ++i) {
      const float value = fraction(numbers);
      std::memcpy(input.data() + shift + i * sizeof value, &value, sizeof value);
    }
    rest(own);
    const Status status = c.all_reduce(input.data() + shift, output.data() + shift, count,
                                       DataType::kFloat32, ReduceOp::kSum);
    if (!status.ok()) return text_of(status);
    hashes.push_back(std::hash<std::string_view>()(
        {reinterpret_cast<const char*>(output.data() + shift), count * sizeof(float)}));
  }
  return {};
}

}  // namespace sluice::test
