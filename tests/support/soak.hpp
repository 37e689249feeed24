// Long bodies of random calls.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "support/ranks.hpp"

namespace sluice::test {

struct Soak {
  int operations = 1000;
  std::uint64_t seed = 1;
  std::uint64_t largest_count = 3000;
  bool delays = true;  // random pauses, different on each rank
};

/// Random collectives, sizes, types, roots and places, checked; the same calls on every rank. Some
/// buffers are registered.
std::string run_soak(Communicator& communicator, const Soak& soak);

/// Hashes of the outputs of a fixed list of real-valued reductions, one for each algorithm's chance
/// to differ: two runs must give equal lists, whatever the delays and the alignment.
std::string reduce_and_hash(Communicator& communicator, std::uint64_t delay_seed, std::size_t shift,
                            std::vector<std::uint64_t>& hashes);

}  // namespace sluice::test
