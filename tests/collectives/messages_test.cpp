// Messages between ranks that are threads: exchange(), send(), receive(), all_to_all_v().
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "support/messages.hpp"

namespace sluice::test {
namespace {

class Messages : public testing::TestWithParam<std::string> {
 protected:
  Options options_ = [] {
    Options options;
    options.transport = GetParam();
    return options;
  }();
};

TEST_P(Messages, exchange_everything_head_to_head) {
  for (const int ranks : {1, 2, 3, 5})
    EXPECT_EQ(spawn_threads(ranks, exchange_everything, options_), "");
}
TEST_P(Messages, all_to_all_v_with_random_counts) {
  for (const int ranks : {1, 2, 4, 7})
    EXPECT_EQ(spawn_threads(
                  ranks, [](Communicator& c) { return random_all_to_all_v(c, 30); }, options_),
              "");
}
TEST_P(Messages, of_another_size_are_refused) {
  for (const auto& [sent, wanted] : {std::pair<std::size_t, std::size_t>(5, 6),
                                     {0, 3},
                                     {3, 0},
                                     {100'000, 100'001},
                                     {100'000, 7},
                                     {7, 100'000}}) {
    SCOPED_TRACE(fmt::format("sent {}, wanted {}", sent, wanted));
    EXPECT_EQ(spawn_threads(
                  3, [&](Communicator& c) { return wrong_size(c, sent, wanted); }, options_),
              "");
  }
}
TEST_P(Messages, of_another_type_are_refused) {
  for (const std::size_t count : {5, 100'000})
    EXPECT_EQ(spawn_threads(
                  3, [&](Communicator& c) { return wrong_type(c, count); }, options_),
              "");
}
INSTANTIATE_TEST_SUITE_P(Over, Messages, testing::ValuesIn(thread_transports()),
                         [](const auto& each) { return each.param; });

}  // namespace
}  // namespace sluice::test
