// The order in which schedules send ahead, and that windows have room for it.
#include "algorithms/send_ahead.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <map>
#include <utility>
#include <vector>

#include "channel/links.hpp"

namespace sluice::test {
namespace {

using Item = std::pair<std::uint64_t, std::int32_t>;  // slice, step

struct Case {
  std::uint64_t slices, steps, under_way;
};

class SendAhead : public testing::TestWithParam<Case> {
 protected:
  void run() {
    const auto [slices, steps, under_way] = GetParam();
    send_slices_ahead(
        slices, steps, under_way,
        [&](std::uint64_t slice, std::int32_t step) {
          EXPECT_TRUE(step == 0 || received_before({slice, step - 1})) << slice << ", " << step;
          sent.emplace_back(slice, step);
        },
        [&](std::uint64_t slice, std::int32_t step) {
          received.emplace_back(slice, step);
          ASSERT_LE(received.size(), sent.size());
          // What one rank sends is what the next one receives.
          EXPECT_EQ(received.back(), sent[received.size() - 1]);
          most_under_way =
              std::max<std::uint64_t>(most_under_way, sent.size() + 1 - received.size());
          EXPECT_GE(expected.size(), received.size());
        },
        [&](std::uint64_t slice, std::int32_t step) { expected.emplace_back(slice, step); });
  }
  bool received_before(const Item& item) const {
    return std::find(received.begin(), received.end(), item) != received.end();
  }

  std::vector<Item> sent, received, expected;
  std::uint64_t most_under_way = 0;
};

TEST_P(SendAhead, every_step_of_every_slice_has_one_turn_and_never_too_many_are_under_way) {
  run();
  const auto [slices, steps, under_way] = GetParam();
  EXPECT_EQ(sent, received);
  EXPECT_EQ(expected, received);
  EXPECT_LE(most_under_way, under_way);
  std::map<Item, int> turns;
  for (const Item& item : sent) ++turns[item];
  for (const auto& [item, count] : turns) EXPECT_EQ(count, 1);
  for (std::uint64_t slice = 0; slice < slices; ++slice)
    for (std::uint64_t step = 0; step < steps; ++step)
      EXPECT_TRUE(turns.contains({slice, static_cast<std::int32_t>(step)}));
}

TEST_P(SendAhead, nothing_waits_while_there_is_another_slice_to_send) {
  run();
  const Case& shape = GetParam();
  const std::uint64_t groups = (shape.slices + shape.under_way - 1) / shape.under_way;
  EXPECT_EQ(most_under_way, (shape.slices + groups - 1) / groups);
}

INSTANTIATE_TEST_SUITE_P(Shapes, SendAhead,
                         testing::Values(Case{1, 1, 1}, Case{1, 6, 4}, Case{2, 2, 2}, Case{3, 4, 2},
                                         Case{5, 1, 3}, Case{7, 14, 3}, Case{64, 2, 61},
                                         Case{100, 3, 13}));

TEST(LinkShape, windows_hold_what_schedules_send_before_they_receive) {
  std::vector<LinkShape> shapes{kHostLinks};
  for (std::uint64_t ranks = 2; ranks <= 4096; ranks *= 2)
    for (std::uint64_t more : {0, 1})
      for (double network_byte : {0.5, 8.0}) {
        LinkShape shape = links_across_hosts(ranks + more);
        EXPECT_EQ(shape.window_bytes, shape.slots * shape.slot_bytes);
        shape.window_bytes = window_bytes_across_hosts(shape, network_byte, 1);
        shapes.push_back(shape);
      }
  for (const LinkShape& shape : shapes) {
    SCOPED_TRACE(testing::Message() << shape.slots << " slots of " << shape.slot_bytes);
    EXPECT_TRUE(std::has_single_bit(shape.slots));
    EXPECT_EQ(shape.slot_bytes % 64, 0);
    EXPECT_GE(shape.window_bytes, kHostLinks.window_bytes);
    EXPECT_LE(shape.window_bytes, shape.slots * shape.slot_bytes);
    // So much there is always credit for, in fragments that are as large as they can be.
    const std::uint64_t certain_bytes = shape.window_bytes + 1 - shape.untold_bytes();
    EXPECT_LE(shape.piece_bytes, certain_bytes);
    EXPECT_LE(certain_bytes, (shape.slots + 1 - shape.untold_fragments()) * shape.slot_bytes);
    EXPECT_GE(Links::slices_under_way(shape), 2);
    EXPECT_EQ(shape.piece_bytes / 2 % shape.slot_bytes, 0);
    EXPECT_LE(Links::slices_under_way(shape) * (shape.piece_bytes / 2), certain_bytes);
    EXPECT_GE(Links::scratch_bytes(shape), shape.piece_bytes);
  }
}

TEST(LinkShape, across_hosts_windows_are_long_and_segments_of_many_ranks_not_too_large) {
  const auto window_bytes = [](double network_byte, std::uint64_t rails) {
    const LinkShape shape = links_across_hosts(16);
    return window_bytes_across_hosts(shape, network_byte, rails);
  };
  EXPECT_EQ(window_bytes(0.5, 1), 4 << 20);
  EXPECT_EQ(window_bytes(8, 1), 16 << 20);
  EXPECT_EQ(window_bytes(0.5, 2), 16 << 20);
  EXPECT_LE((SegmentLayout{64, links_across_hosts(64)}.bytes()), 300ull << 20);
  const LinkShape least = links_across_hosts(4096);
  EXPECT_EQ(least.slots, kHostLinks.slots);
  EXPECT_EQ(least.slot_bytes, kHostLinks.slot_bytes);
}

}  // namespace
}  // namespace sluice::test
