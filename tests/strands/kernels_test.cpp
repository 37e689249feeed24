// Which schedules there are kernels for. No GPU is needed: nothing is launched.
#include "plan/kernels/kernels.hpp"

#include <gtest/gtest.h>

#include "catalogue_strands.hpp"

namespace sluice::test {
namespace {

TEST(Kernels, are_there_for_every_schedule_that_kernels_can_run) {
  const auto entries = team_catalogue();
  for (std::size_t i = 0; i < entries.size(); ++i)
    EXPECT_EQ(kernels::schedule(i) != nullptr, kernels::built() && runs_in_kernels(entries[i]))
        << name(entries[i].collective) << " " << entries[i].name;
  EXPECT_EQ(kernels::exchange() != nullptr, kernels::built());
  EXPECT_EQ(kernels::one_sided() != nullptr, kernels::built());
  EXPECT_EQ(kernels::proxied() != nullptr, kernels::built());
  EXPECT_EQ(kernels::proxied_exchange() != nullptr, kernels::built());
  EXPECT_EQ(kernels::scale() != nullptr, kernels::built());
}

TEST(Kernels, are_none_beyond_the_catalogue) {
  EXPECT_EQ(kernels::schedule(team_catalogue().size()), nullptr);
}

}  // namespace
}  // namespace sluice::test
