// Messages between ranks that are processes, with and without cross-memory attach.
#include <gtest/gtest.h>

#include "support/messages.hpp"

namespace sluice::test {
namespace {

class MessagesProcesses : public testing::TestWithParam<const char*> {
 protected:
  Launch launch_ = [] {
    Launch launch;
    launch.environment = {{"SLUICE_ATTACH", GetParam()}};
    return launch;
  }();
};

TEST_P(MessagesProcesses, exchange_everything_head_to_head) {
  for (const int ranks : {2, 3, 5})
    EXPECT_EQ(spawn_processes(ranks, exchange_everything, launch_), "");
}
TEST_P(MessagesProcesses, all_to_all_v_with_random_counts) {
  for (const int ranks : {2, 5})
    EXPECT_EQ(spawn_processes(
                  ranks, [](Communicator& c) { return random_all_to_all_v(c, 30); }, launch_),
              "");
}
TEST_P(MessagesProcesses, that_do_not_fit_are_refused) {
  for (const std::size_t count : {7, 100'000}) {
    EXPECT_EQ(spawn_processes(
                  3, [&](Communicator& c) { return wrong_size(c, count, count + 1); }, launch_),
              "");
    EXPECT_EQ(spawn_processes(
                  3, [&](Communicator& c) { return wrong_type(c, count); }, launch_),
              "");
  }
}
INSTANTIATE_TEST_SUITE_P(Attach, MessagesProcesses, testing::Values("0", "1"),
                         [](const auto& each) { return std::string(each.param); });

}  // namespace
}  // namespace sluice::test
