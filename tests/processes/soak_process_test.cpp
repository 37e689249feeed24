// Long runs of random calls with random delays; split communicators. Ranks are processes.
#include <gtest/gtest.h>

#include "support/soak.hpp"

namespace sluice::test {
namespace {

TEST(ProcessesTogether, random_calls) {
  for (const char* attach : {"0", "1"}) {
    Launch launch;
    launch.environment = {{"SLUICE_ATTACH", attach}};
    EXPECT_EQ(spawn_processes(
                  3,
                  [](Communicator& c) {
                    return run_soak(c, {.operations = 300, .seed = 11, .largest_count = 40'000});
                  },
                  launch),
              "");
  }
}

TEST(ProcessesTogether, split) {
  const auto body = [](Communicator& c) -> std::string {
    auto half = c.split(c.rank() / 2, 0);
    if (!half.ok()) return text_of(half.status());
    if (std::string error = run_soak(half.value(), {.operations = 60, .seed = 3}); !error.empty())
      return error;
    return run_soak(c, {.operations = 60, .seed = 4});
  };
  EXPECT_EQ(spawn_processes(5, body), "");
}

TEST(ProcessesTogether, Soak) {
  for (const int ranks : {2, 4}) {
    Launch launch;
    launch.deadline = std::chrono::seconds(100);
    EXPECT_EQ(spawn_processes(
                  ranks,
                  [](Communicator& c) {
                    return run_soak(c, {.operations = 10'000, .seed = 12, .largest_count = 60'000});
                  },
                  launch),
              "");
  }
}

}  // namespace
}  // namespace sluice::test
