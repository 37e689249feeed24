// The buffers of collectives: a block for each rank.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "model.hpp"

namespace mpi_test {

/// The seed of what one rank sends another, by their numbers.
inline std::uint64_t seed_of(int from, int to) {
  return static_cast<std::uint64_t>(1000 + 50 * from + to);
}

/// Blocks of some elements of a model each. What is in the gaps is the same in all buffers.
class Blocks {
 public:
  Blocks(const Model& of, int blocks, int elements = 1)
      : model_(of), elements_(elements), bytes_(of, std::int64_t{blocks} * elements, 7) {}

  /// A block's packed form, whatever the model, comes from the seed.
  void fill(int block, std::uint64_t seed) {
    std::vector<std::byte> packed(static_cast<std::size_t>(model_.size() * elements_));
    Random random(seed);
    for (std::byte& byte : packed) {
      byte = static_cast<std::byte>(random.next() >> 56);
    }
    model_.unpack(packed.data(), elements_, bytes_.user() + block * elements_ * model_.extent,
                  std::ssize(packed));
  }
  void* user() const { return bytes_.there(); }
  const std::vector<std::byte>& bytes() { return bytes_.back(); }

 private:
  const Model& model_;
  int elements_;
  Elements bytes_;
};

}  // namespace mpi_test
