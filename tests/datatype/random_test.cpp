// Thousands of random types against the oracle.
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "support/fuzz_corpus.hpp"
#include "tests/fuzz/datatype_input.hpp"

namespace sluice {
namespace {

namespace fuzz = datatype::fuzz;

std::vector<std::byte> random_bytes(unsigned seed, std::size_t bytes) {
  std::mt19937 engine(seed);
  std::vector<std::byte> drawn(bytes);
  for (auto& byte : drawn) byte = static_cast<std::byte>(engine() & 0xff);
  return drawn;
}

TEST(RandomTypes, AgreeWithTheTypeMap) {
  for (unsigned seed = 0; seed < 1500; ++seed)
    ASSERT_EQ(fuzz::run(random_bytes(seed, 300)), "") << "seed " << seed;
}

TEST(RandomTypes, OfTheFuzzersCorpusAgree) {
  const auto inputs = test::fuzz_corpus("datatype");
  ASSERT_FALSE(inputs.empty());
  for (const auto& [name, bytes] : inputs) EXPECT_EQ(fuzz::run(bytes), "") << name;
}

}  // namespace
}  // namespace sluice
