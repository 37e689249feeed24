// Which arguments of a collective count, by communicator and root.
#include "bindings/mpi/part.hpp"

#include <gtest/gtest.h>

#include "library_double.hpp"

namespace sluice::mpi {

static bool operator==(const Part& one, const Part& other) {
  return one.sends == other.sends && one.receives == other.receives && one.self == other.self &&
         one.blocks == other.blocks;
}

namespace {

constexpr int kOwnRank = 3, kOtherRank = 1;
constexpr Part kNone;

class Parts : public testing::Test {
 protected:
  Parts() { library_double = {.rank = kOwnRank}; }

  static Part with_root(Rooted call, int root) {
    return part_with_root<Standard>(call, root, Standard::comm_world());
  }
  static Part among_all() { return part_among_all(Standard::comm_world()); }
};

TEST_F(Parts, OneGroup) {
  EXPECT_EQ(among_all(), (Part{true, true, kOwnRank, 8}));
  EXPECT_EQ(with_root(Rooted::kBroadcast, kOwnRank), (Part{.sends = true}));
  EXPECT_EQ(with_root(Rooted::kBroadcast, kOtherRank), (Part{.receives = true}));
  EXPECT_EQ(with_root(Rooted::kGather, kOwnRank), (Part{true, true, kOwnRank, 8}));
  EXPECT_EQ(with_root(Rooted::kGather, kOtherRank), (Part{.sends = true}));
  EXPECT_EQ(with_root(Rooted::kScatter, kOwnRank), (Part{true, true, kOwnRank, 8}));
  EXPECT_EQ(with_root(Rooted::kScatter, kOtherRank), (Part{.receives = true}));
}

TEST_F(Parts, BetweenTwoGroupsNothingIsOnesOwn) {
  library_double.is_inter = true;
  EXPECT_EQ(among_all(), (Part{.sends = true, .receives = true, .blocks = 5}));
  EXPECT_EQ(with_root(Rooted::kBroadcast, Standard::kRoot), (Part{.sends = true}));
  EXPECT_EQ(with_root(Rooted::kGather, Standard::kRoot), (Part{.receives = true, .blocks = 5}));
  EXPECT_EQ(with_root(Rooted::kScatter, Standard::kRoot), (Part{.sends = true, .blocks = 5}));
  // A rank of the other group, which may have this rank's number.
  for (const int root : {kOwnRank, kOtherRank}) {
    EXPECT_EQ(with_root(Rooted::kBroadcast, root), (Part{.receives = true}));
    EXPECT_EQ(with_root(Rooted::kGather, root), (Part{.sends = true}));
    EXPECT_EQ(with_root(Rooted::kScatter, root), (Part{.receives = true}));
  }
  EXPECT_EQ(library_double.rank_questions, 0);
}

TEST_F(Parts, NothingCountsBesideTheRootNorWithoutACommunicator) {
  library_double.is_inter = true;
  for (const Rooted call : {Rooted::kBroadcast, Rooted::kGather, Rooted::kScatter})
    EXPECT_EQ(with_root(call, Standard::kProcNull), kNone);
  library_double.is_inter = library_double.knows = false;
  EXPECT_EQ(among_all(), kNone);
  EXPECT_EQ(with_root(Rooted::kGather, kOwnRank), kNone);
}

TEST_F(Parts, TheSizeIsAskedOnlyWhereItCounts) {
  with_root(Rooted::kBroadcast, kOwnRank);
  with_root(Rooted::kGather, kOtherRank);
  EXPECT_EQ(library_double.size_questions, 0);
  EXPECT_EQ(library_double.inter_questions, 2);
  EXPECT_EQ(library_double.rank_questions, 2);
}

}  // namespace
}  // namespace sluice::mpi
