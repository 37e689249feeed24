// copy() and copy_streaming(): every alignment of both ends, nothing written outside.
#include <gtest/gtest.h>

#include "compute_reference.hpp"

namespace sluice::compute {
namespace {

using reference::Bytes;

class Copy : public testing::TestWithParam<std::int64_t> {};

TEST_P(Copy, copies_every_length_and_alignment) {
  const reference::UseInstructionSet use(GetParam());
  const Bytes source = reference::random_elements(DataType::kUint8, 9000, 11);
  for (const auto copy_function : {copy, copy_streaming}) {
    for (const std::size_t bytes :
         {0u, 1u, 63u, 64u, 65u, 255u, 256u, 257u, 383u, 1000u, 4096u, 8191u}) {
      for (const std::size_t from : {0u, 1u, 8u, 33u}) {
        for (const std::size_t to : {0u, 1u, 4u, 16u, 31u, 63u, 64u}) {
          Bytes destination(9000, 0x5a);
          Bytes expected = destination;
          std::copy_n(source.begin() + static_cast<std::ptrdiff_t>(from), bytes,
                      expected.begin() + static_cast<std::ptrdiff_t>(to));
          copy_function(destination.data() + to, source.data() + from, bytes);
          ASSERT_EQ(destination, expected) << bytes << " bytes from " << from << " to " << to;
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(compute, Copy, testing::ValuesIn(reference::instruction_sets()),
                         [](const auto& test) {
                           return reference::instruction_set_name(test.param);
                         });

}  // namespace
}  // namespace sluice::compute
