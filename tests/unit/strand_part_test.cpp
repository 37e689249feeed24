// The cut of a call into the strands' parts: together they are the call, and no two share a byte.
#include <gtest/gtest.h>

#include <vector>

#include "plan/strand.hpp"

namespace sluice {
namespace {

constexpr std::uint64_t kElem = 4;

/// Adds one to each byte of `range` of a buffer that begins at `buffer`.
void count(std::vector<int>& times, const std::byte* buffer, const std::byte* base, Range range) {
  for (std::uint64_t i = 0; i < range.bytes; ++i)
    ++times[static_cast<std::size_t>(buffer - base) + range.offset + i];
}

bool all_once(const std::vector<int>& times) { return times == std::vector<int>(times.size(), 1); }

TEST(StrandPart, cuts_a_whole_buffer) {
  for (const std::uint64_t elems : {0u, 1u, 15u, 16u, 17u, 100u, 4096u, 4099u})
    for (const std::uint64_t strands : {1u, 2u, 3u, 8u}) {
      std::vector<std::byte> buffer(elems * kElem + 1);
      std::vector<int> times(elems * kElem);
      const Arguments whole{
          .input = buffer.data(), .output = buffer.data(), .count = elems, .elem_bytes = kElem};
      for (std::uint64_t s = 0; s < strands; ++s) {
        const Arguments part = strand_part(whole, shape_of(Collective::kAllReduce), 0, s, strands);
        EXPECT_EQ(part.input, part.output);
        EXPECT_EQ((part.input - whole.input) % 64 * static_cast<std::ptrdiff_t>(part.count), 0);
        count(times, part.input, whole.input, {0, part.bytes()});
      }
      EXPECT_TRUE(all_once(times)) << elems << " elements, " << strands << " strands";
    }
}

TEST(StrandPart, cuts_each_block_of_any_length) {
  const std::size_t counts[] = {40, 0, 1, 33}, displacements[] = {2, 50, 50, 60};
  constexpr std::uint64_t kEnd = 93;
  for (const std::uint64_t strands : {1u, 2u, 3u, 7u}) {
    std::vector<std::byte> input(kEnd * kElem), output(kEnd * kElem);
    std::vector<int> times(kEnd * kElem);
    for (std::int32_t rank = 0; rank < 4; ++rank) {
      std::vector<int> own(counts[rank] * kElem);
      Arguments whole{.input = input.data(), .output = output.data(), .elem_bytes = kElem};
      whole.blocks = Blocks::listed(counts, displacements, kElem, 4);
      for (std::uint64_t s = 0; s < strands; ++s) {
        const Arguments part =
            strand_part(whole, shape_of(Collective::kAllGatherV), rank, s, strands);
        EXPECT_EQ(part.output, whole.output);
        // This rank's part of its own block, read where the block begins.
        count(own, part.input, whole.input, {0, part.blocks[rank].bytes});
        if (rank == 0)
          for (std::int32_t r = 0; r < 4; ++r)
            count(times, part.output, whole.output, part.blocks[r]);
      }
      EXPECT_TRUE(all_once(own)) << strands << " strands, rank " << rank;
    }
    std::vector<int> expected(times.size());
    for (std::size_t r = 0; r < 4; ++r)
      for (std::size_t i = 0; i < counts[r] * kElem; ++i)
        expected[displacements[r] * kElem + i] = 1;
    EXPECT_EQ(times, expected) << strands << " strands";
  }
}

TEST(StrandPart, leaves_a_buffer_alone_that_a_rank_does_not_have) {
  Arguments whole{.count = 1000, .elem_bytes = kElem};
  whole.blocks = Blocks::equal(1000, kElem, 2);
  for (const Collective collective :
       {Collective::kReduce, Collective::kGather, Collective::kBarrier}) {
    const Arguments part = strand_part(whole, shape_of(collective), 1, 1, 2);
    EXPECT_EQ(part.input, nullptr);
    EXPECT_EQ(part.output, nullptr);
  }
}

}  // namespace
}  // namespace sluice
