// The chain of ranks from a root, and when messages take it.
#include "algorithms/chain.hpp"

#include <gtest/gtest.h>

namespace sluice::test {
namespace {

TEST(Chain, goes_once_through_all_ranks_from_the_root) {
  for (const std::int32_t ranks : {1, 2, 3, 7}) {
    for (std::int32_t root = 0; root < ranks; ++root) {
      std::int32_t rank = root, seen = 1;
      for (Chain chain = Chain::at(rank, ranks, root); !chain.is_last; ++seen) {
        EXPECT_EQ(chain.is_root, rank == root);
        const std::int32_t before = rank;
        rank = chain.behind;
        chain = Chain::at(rank, ranks, root);
        EXPECT_EQ(chain.before, before);
      }
      EXPECT_EQ(seen, ranks);
    }
  }
}

TEST(Chain, pays_for_large_messages_to_three_hosts_and_more) {
  EXPECT_FALSE(chain_pays(2, 1 << 30));
  EXPECT_FALSE(chain_pays(3, 64 << 10));
  EXPECT_TRUE(chain_pays(3, 1 << 20));
  EXPECT_FALSE(chain_pays(16, 1 << 20));
  EXPECT_TRUE(chain_pays(16, 4 << 20));
}

}  // namespace
}  // namespace sluice::test
